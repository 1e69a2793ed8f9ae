// ITensor and ILayer: what every layer of a network has. Used by the layer headers and network.h.
// Neither is an IR node: they describe, and each build lowers them anew.
#pragma once

#include "tenon/dims.h"

namespace nvinfer1 {

enum class LayerType : int32_t {
    kCONVOLUTION = 0,
    kCAST = 1,
    kACTIVATION = 2,
    kPOOLING = 3,
    kLRN = 4,
    kSCALE = 5,
    kSOFTMAX = 6,
    kDECONVOLUTION = 7,
    kCONCATENATION = 8,
    kELEMENTWISE = 9,
    kPLUGIN = 10,
    kUNARY = 11,
    kPADDING = 12,
    kSHUFFLE = 13,
    kREDUCE = 14,
    kTOPK = 15,
    kGATHER = 16,
    kMATRIX_MULTIPLY = 17,
    kRAGGED_SOFTMAX = 18,
    kCONSTANT = 19,
    kIDENTITY = 20,
    kPLUGIN_V2 = 21,
    kSLICE = 22,
    kSHAPE = 23,
    kPARAMETRIC_RELU = 24,
    kRESIZE = 25,
    kTRIP_LIMIT = 26,
    kRECURRENCE = 27,
    kITERATOR = 28,
    kLOOP_OUTPUT = 29,
    kSELECT = 30,
    kFILL = 31,
    kQUANTIZE = 32,
    kDEQUANTIZE = 33,
    kCONDITION = 34,
    kCONDITIONAL_INPUT = 35,
    kCONDITIONAL_OUTPUT = 36,
    kSCATTER = 37,
    kEINSUM = 38,
    kASSERTION = 39,
    kONE_HOT = 40,
    kNON_ZERO = 41,
    kGRID_SAMPLE = 42,
    kNMS = 43,
    kREVERSE_SEQUENCE = 44,
    kNORMALIZATION = 45,
    kPLUGIN_V3 = 46,
    kSQUEEZE = 47,
    kUNSQUEEZE = 48,
    kCUMULATIVE = 49,
    kDYNAMIC_QUANTIZE = 50,
    kATTENTION_INPUT = 51,
    kATTENTION_OUTPUT = 52,
    kROTARY_EMBEDDING = 53,
    kKVCACHE_UPDATE = 54,
    kMOE = 55,
    kDIST_COLLECTIVE = 56,
    kTENON_OPERATOR = 0x10000, // Tenon's own: see tenon::IOperatorLayer. Not counted by EnumMax.
};
TENON_ENUM_MAX(LayerType, 57)

// Where a layer is to run.
enum class DeviceType : int32_t {
    kGPU = 0,
    kDLA = 1,
};
TENON_ENUM_MAX(DeviceType, 2)

// A tensor of a network, owned by it. Dimensions and types of layer outputs are inferred when asked for, and again
// after a change upstream. Not thread-safe.
class ITensor : public INoCopy {
public:
    // At most 4095 characters, copied. Layer outputs begin as "(Unnamed Layer* N) [Type]_output".
    virtual void setName(char const* name) noexcept = 0;
    virtual char const* getName() const noexcept = 0;

    // For network inputs only.
    virtual void setDimensions(Dims const& dimensions) noexcept = 0;
    // -1 for an extent that is known only at run time; nbDims -1 where inference failed or the rank is unknown.
    virtual Dims getDimensions() const noexcept = 0;

    // Changes the type of a network input, or asks for the type of a network output.
    virtual void setType(DataType type) noexcept = 0;
    virtual DataType getType() const noexcept = 0;

    // Symmetric range for quantisation; false if the bounds are not finite or not ordered.
    virtual bool setDynamicRange(float min, float max) noexcept = 0;

    virtual bool isNetworkInput() const noexcept = 0;
    virtual bool isNetworkOutput() const noexcept = 0;

    // Remnants of implicit batch: the setter warns, the getter says false.
    virtual void setBroadcastAcrossBatch(bool broadcastAcrossBatch) noexcept = 0;
    virtual bool getBroadcastAcrossBatch() const noexcept = 0;

    virtual TensorLocation getLocation() const noexcept = 0;
    virtual void setLocation(TensorLocation location) noexcept = 0;

    virtual bool dynamicRangeIsSet() const noexcept = 0;
    virtual void resetDynamicRange() noexcept = 0;
    // NaN when not set.
    virtual float getDynamicRangeMin() const noexcept = 0;
    virtual float getDynamicRangeMax() const noexcept = 0;

    // Formats that a network input or output may have. All by default.
    virtual void setAllowedFormats(TensorFormats formats) noexcept = 0;
    virtual TensorFormats getAllowedFormats() const noexcept = 0;

    // Whether dimensions depend on the tensor's values. Reliable once the network is complete.
    virtual bool isShapeTensor() const noexcept = 0;
    virtual bool isExecutionTensor() const noexcept = 0;

    // Names an extent of a network input; inputs' extents of one name are equal at run time.
    virtual void setDimensionName(int32_t index, char const* name) noexcept = 0;
    virtual char const* getDimensionName(int32_t index) const noexcept = 0;

protected:
    ~ITensor() noexcept override = default;
};

// Base of all layers, owned by their network. Setters may be called until the network is built; a setter that is given
// a value out of range reports an error and changes nothing. Not thread-safe.
class ILayer : public INoCopy {
public:
    virtual LayerType getType() const noexcept = 0;
    virtual void setName(char const* name) noexcept = 0;
    virtual char const* getName() const noexcept = 0;
    virtual int32_t getNbInputs() const noexcept = 0;
    // Null for an index out of range or an optional input that is absent.
    virtual ITensor* getInput(int32_t index) const noexcept = 0;
    virtual int32_t getNbOutputs() const noexcept = 0;
    virtual ITensor* getOutput(int32_t index) const noexcept = 0;
    // Replaces an input, or appends one where the layer has optional inputs.
    virtual void setInput(int32_t index, ITensor& tensor) noexcept = 0;

    // The type to compute in. A wish, unless a builder flag makes it an order.
    virtual void setPrecision(DataType dataType) noexcept = 0;
    virtual DataType getPrecision() const noexcept = 0;
    virtual bool precisionIsSet() const noexcept = 0;
    virtual void resetPrecision() noexcept = 0;

    virtual void setOutputType(int32_t index, DataType dataType) noexcept = 0;
    virtual DataType getOutputType(int32_t index) const noexcept = 0;
    virtual bool outputTypeIsSet(int32_t index) const noexcept = 0;
    virtual void resetOutputType(int32_t index) noexcept = 0;

    // Free text that the inspector shows for the layer.
    virtual void setMetadata(char const* docString) noexcept = 0;
    virtual char const* getMetadata() const noexcept = 0;

protected:
    ~ILayer() noexcept override = default;

private:
    virtual void tenonReserved0() noexcept {}
    virtual void tenonReserved1() noexcept {}
    virtual void tenonReserved2() noexcept {}
    virtual void tenonReserved3() noexcept {}
    virtual void tenonReserved4() noexcept {}
    virtual void tenonReserved5() noexcept {}
    virtual void tenonReserved6() noexcept {}
    virtual void tenonReserved7() noexcept {}
};

} // namespace nvinfer1
