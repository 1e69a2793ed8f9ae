// Plugins of the second generation, which real libraries still use: one object that describes, configures and runs a
// layer. Implemented by plugin authors, so the virtual functions of these classes are frozen.
#pragma once

#include "tenon/plugin_base.h"

namespace nvinfer1 {

constexpr int32_t kPLUGIN_VERSION_PYTHON_BIT = 0x40;

// Which class a plugin object derives from, in the top byte of getTensorRTVersion().
enum class PluginVersion : uint8_t {
    kV2 = 0,
    kV2_EXT = 1,
    kV2_IOEXT = 2,
    kV2_DYNAMICEXT = 3,
    kV2_DYNAMICEXT_PYTHON = kPLUGIN_VERSION_PYTHON_BIT | 3,
};

enum class PluginCreatorVersion : int32_t {
    kV1 = 0,
    kV1_PYTHON = kPLUGIN_VERSION_PYTHON_BIT,
};

// Base of the second generation. Queries may come from several threads; a clone is used by one thread at a time.
// The library ends every object's life with destroy().
class IPluginV2 {
public:
    virtual int32_t getTensorRTVersion() const noexcept { return NV_TENSORRT_VERSION; }

    // Type and version, as the creator names them.
    virtual AsciiChar const* getPluginType() const noexcept = 0;
    virtual AsciiChar const* getPluginVersion() const noexcept = 0;
    virtual int32_t getNbOutputs() const noexcept = 0;
    virtual Dims getOutputDimensions(int32_t index, Dims const* inputs, int32_t nbInputDims) noexcept = 0;
    virtual bool supportsFormat(DataType type, PluginFormat format) const noexcept = 0;
    virtual void configureWithFormat(Dims const* inputDims, int32_t nbInputs, Dims const* outputDims, int32_t nbOutputs,
                                     DataType type, PluginFormat format, int32_t maxBatchSize) noexcept = 0;
    // Acquires and releases what execution needs. 0 means success.
    virtual int32_t initialize() noexcept = 0;
    virtual void terminate() noexcept = 0;
    virtual size_t getWorkspaceSize(int32_t maxBatchSize) const noexcept = 0;
    // 0 means success.
    virtual int32_t enqueue(int32_t batchSize, void const* const* inputs, void* const* outputs, void* workspace,
                            cudaStream_t stream) noexcept = 0;
    virtual size_t getSerializationSize() const noexcept = 0;
    virtual void serialize(void* buffer) const noexcept = 0;
    virtual void destroy() noexcept = 0;
    virtual IPluginV2* clone() const noexcept = 0;
    virtual void setPluginNamespace(AsciiChar const* pluginNamespace) noexcept = 0;
    virtual AsciiChar const* getPluginNamespace() const noexcept = 0;

    IPluginV2() = default;
    virtual ~IPluginV2() noexcept = default;

protected:
    IPluginV2(IPluginV2 const&) = default;
    IPluginV2(IPluginV2&&) = default;
    IPluginV2& operator=(IPluginV2 const&) & = default;
    IPluginV2& operator=(IPluginV2&&) & = default;
};

// Adds output types and a fuller configuration.
class IPluginV2Ext : public IPluginV2 {
public:
    virtual DataType getOutputDataType(int32_t index, DataType const* inputTypes, int32_t nbInputs) const noexcept = 0;

    // Questions of implicit batch. Nothing asks them; they stay so that overriders compile.
    virtual bool isOutputBroadcastAcrossBatch(int32_t /*outputIndex*/, bool const* /*inputIsBroadcasted*/,
                                              int32_t /*nbInputs*/) const noexcept {
        return false;
    }
    virtual bool canBroadcastInputAcrossBatch(int32_t /*inputIndex*/) const noexcept { return false; }

    virtual void configurePlugin(Dims const* inputDims, int32_t nbInputs, Dims const* outputDims, int32_t nbOutputs,
                                 DataType const* inputTypes, DataType const* outputTypes, bool const* inputIsBroadcast,
                                 bool const* outputIsBroadcast, PluginFormat floatFormat,
                                 int32_t maxBatchSize) noexcept = 0;

    IPluginV2Ext() = default;
    ~IPluginV2Ext() override = default;

    // Called around an execution context's use of a clone. The library handles are null on a CPU engine.
    virtual void attachToContext(cudnnContext* /*cudnn*/, cublasContext* /*cublas*/,
                                 IGpuAllocator* /*allocator*/) noexcept {}
    virtual void detachFromContext() noexcept {}

    IPluginV2Ext* clone() const noexcept override = 0;

    int32_t getTensorRTVersion() const noexcept override {
        return static_cast<int32_t>((static_cast<uint32_t>(PluginVersion::kV2_EXT) << 24U) |
                                    (static_cast<uint32_t>(NV_TENSORRT_VERSION) & 0xFFFFFFU));
    }

protected:
    IPluginV2Ext(IPluginV2Ext const&) = default;
    IPluginV2Ext(IPluginV2Ext&&) = default;
    IPluginV2Ext& operator=(IPluginV2Ext const&) & = default;
    IPluginV2Ext& operator=(IPluginV2Ext&&) & = default;

    // Replaced by configurePlugin().
    void configureWithFormat(Dims const* /*inputDims*/, int32_t /*nbInputs*/, Dims const* /*outputDims*/,
                             int32_t /*nbOutputs*/, DataType /*type*/, PluginFormat /*format*/,
                             int32_t /*maxBatchSize*/) noexcept override {}
};

// Formats and types per input and output.
class IPluginV2IOExt : public IPluginV2Ext {
public:
    virtual void configurePlugin(PluginTensorDesc const* in, int32_t nbInput, PluginTensorDesc const* out,
                                 int32_t nbOutput) noexcept = 0;
    virtual bool supportsFormatCombination(int32_t pos, PluginTensorDesc const* inOut, int32_t nbInputs,
                                           int32_t nbOutputs) const noexcept = 0;

    IPluginV2IOExt() = default;
    ~IPluginV2IOExt() override = default;

    int32_t getTensorRTVersion() const noexcept override {
        return static_cast<int32_t>((static_cast<uint32_t>(PluginVersion::kV2_IOEXT) << 24U) |
                                    (static_cast<uint32_t>(NV_TENSORRT_VERSION) & 0xFFFFFFU));
    }

protected:
    IPluginV2IOExt(IPluginV2IOExt const&) = default;
    IPluginV2IOExt(IPluginV2IOExt&&) = default;
    IPluginV2IOExt& operator=(IPluginV2IOExt const&) & = default;
    IPluginV2IOExt& operator=(IPluginV2IOExt&&) & = default;

private:
    using IPluginV2Ext::configurePlugin;

    void configurePlugin(Dims const* /*inputDims*/, int32_t /*nbInputs*/, Dims const* /*outputDims*/,
                         int32_t /*nbOutputs*/, DataType const* /*inputTypes*/, DataType const* /*outputTypes*/,
                         bool const* /*inputIsBroadcast*/, bool const* /*outputIsBroadcast*/,
                         PluginFormat /*floatFormat*/, int32_t /*maxBatchSize*/) noexcept final {}
    bool supportsFormat(DataType /*type*/, PluginFormat /*format*/) const noexcept final { return false; }
};

// Dynamic shapes: the class that most libraries in use derive from.
class IPluginV2DynamicExt : public IPluginV2Ext {
public:
    IPluginV2DynamicExt* clone() const noexcept override = 0;

    // Extents of one output as expressions over the inputs' extents.
    virtual DimsExprs getOutputDimensions(int32_t outputIndex, DimsExprs const* inputs, int32_t nbInputs,
                                          IExprBuilder& exprBuilder) noexcept = 0;

    static constexpr int32_t kFORMAT_COMBINATION_LIMIT = 100;

    // Whether the type and format at `pos` will do, given those before it. Inputs are counted first.
    virtual bool supportsFormatCombination(int32_t pos, PluginTensorDesc const* inOut, int32_t nbInputs,
                                           int32_t nbOutputs) noexcept = 0;

    virtual void configurePlugin(DynamicPluginTensorDesc const* in, int32_t nbInputs,
                                 DynamicPluginTensorDesc const* out, int32_t nbOutputs) noexcept = 0;

    virtual size_t getWorkspaceSize(PluginTensorDesc const* inputs, int32_t nbInputs, PluginTensorDesc const* outputs,
                                    int32_t nbOutputs) const noexcept = 0;

    // 0 means success. On a CPU engine the addresses are host memory and the work must be complete on return.
    virtual int32_t enqueue(PluginTensorDesc const* inputDesc, PluginTensorDesc const* outputDesc,
                            void const* const* inputs, void* const* outputs, void* workspace,
                            cudaStream_t stream) noexcept = 0;

    int32_t getTensorRTVersion() const noexcept override {
        return static_cast<int32_t>((static_cast<uint32_t>(PluginVersion::kV2_DYNAMICEXT) << 24U) |
                                    (static_cast<uint32_t>(NV_TENSORRT_VERSION) & 0xFFFFFFU));
    }

    IPluginV2DynamicExt() = default;
    ~IPluginV2DynamicExt() noexcept override = default;

protected:
    IPluginV2DynamicExt(IPluginV2DynamicExt const&) = default;
    IPluginV2DynamicExt(IPluginV2DynamicExt&&) = default;
    IPluginV2DynamicExt& operator=(IPluginV2DynamicExt const&) & = default;
    IPluginV2DynamicExt& operator=(IPluginV2DynamicExt&&) & = default;

private:
    void configurePlugin(Dims const* /*inputDims*/, int32_t /*nbInputs*/, Dims const* /*outputDims*/,
                         int32_t /*nbOutputs*/, DataType const* /*inputTypes*/, DataType const* /*outputTypes*/,
                         bool const* /*inputIsBroadcast*/, bool const* /*outputIsBroadcast*/,
                         PluginFormat /*floatFormat*/, int32_t /*maxBatchSize*/) noexcept override {}
    bool supportsFormat(DataType /*type*/, PluginFormat /*format*/) const noexcept override { return false; }
    Dims getOutputDimensions(int32_t /*index*/, Dims const* /*inputs*/, int32_t /*nbInputDims*/) noexcept override {
        return Dims{-1, {}};
    }
    bool isOutputBroadcastAcrossBatch(int32_t /*outputIndex*/, bool const* /*inputIsBroadcasted*/,
                                      int32_t /*nbInputs*/) const noexcept override {
        return false;
    }
    bool canBroadcastInputAcrossBatch(int32_t /*inputIndex*/) const noexcept override { return true; }
    size_t getWorkspaceSize(int32_t /*maxBatchSize*/) const noexcept override { return 0; }
    int32_t enqueue(int32_t /*batchSize*/, void const* const* /*inputs*/, void* const* /*outputs*/, void* /*workspace*/,
                    cudaStream_t /*stream*/) noexcept override {
        return 1;
    }
};

// Makes plugins of the second generation, from fields at build time and from bytes at load time.
class IPluginCreator : public IPluginCreatorInterface {
public:
    virtual AsciiChar const* getPluginName() const noexcept = 0;
    virtual AsciiChar const* getPluginVersion() const noexcept = 0;
    // The fields that createPlugin() understands; owned by the creator. Null on failure.
    virtual PluginFieldCollection const* getFieldNames() noexcept = 0;
    virtual IPluginV2* createPlugin(AsciiChar const* name, PluginFieldCollection const* fc) noexcept = 0;
    virtual IPluginV2* deserializePlugin(AsciiChar const* name, void const* serialData,
                                         size_t serialLength) noexcept = 0;
    virtual void setPluginNamespace(AsciiChar const* pluginNamespace) noexcept = 0;
    virtual AsciiChar const* getPluginNamespace() const noexcept = 0;

    virtual int32_t getTensorRTVersion() const noexcept { return NV_TENSORRT_VERSION; }

    IPluginCreator() = default;
    ~IPluginCreator() override = default;

    InterfaceInfo getInterfaceInfo() const noexcept override { return InterfaceInfo{"PLUGIN CREATOR_V1", 1, 0}; }

protected:
    IPluginCreator(IPluginCreator const&) = default;
    IPluginCreator(IPluginCreator&&) = default;
    IPluginCreator& operator=(IPluginCreator const&) & = default;
    IPluginCreator& operator=(IPluginCreator&&) & = default;
};

namespace v_1_0 {
using nvinfer1::IPluginCreator;
} // namespace v_1_0

} // namespace nvinfer1
