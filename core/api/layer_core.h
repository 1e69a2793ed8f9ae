// What all layers share behind their public class: inputs, outputs, settings, inference, lowering.
// Used by Network and the layer files; must not know any single layer.
#pragma once

#include "core/api/tensor.h"
#include "core/api/type_convert.h"
#include "core/support/status.h"
#include "tenon/layer.h"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace tenon::api {

// What a layer sees while it describes itself in ops: its inputs as emitted values, and a place for its outputs.
class LayerScope {
public:
    LayerScope(const LayerCore& layer, Emitter& emitter, std::vector<const EmitValue*> inputs)
        : mLayer(layer), mEmitter(emitter), mInputs(std::move(inputs)) {}

    Emitter& emitter() const { return mEmitter; }
    size_t inputCount() const { return mInputs.size(); }
    // Null for an optional input left out.
    const EmitValue* input(size_t i) const { return i < mInputs.size() ? mInputs[i] : nullptr; }
    const std::vector<const EmitValue*>& inputs() const { return mInputs; }

    // One op whose outputs are the layer's.
    support::Status lowerTo(const std::string& op, ir::AttributeMap attributes,
                            const std::vector<const EmitValue*>& inputs, size_t outputs = 1);
    void setOutput(size_t i, EmitValue value);
    std::vector<EmitValue>& outputs() { return mOutputs; }

    // The layer's weights as a constant of these extents; refused if the count does not fit. The bytes stay the
    // user's. `role` completes the identity that a refit finds them by.
    support::Result<EmitValue> weights(const nvinfer1::Weights& weights, std::vector<int64_t> dims,
                                       std::string_view role) const;

private:
    const LayerCore& mLayer;
    Emitter& mEmitter;
    std::vector<const EmitValue*> mInputs;
    std::vector<EmitValue> mOutputs;
};

class LayerCore {
public:
    LayerCore(Network& network, nvinfer1::LayerType type, std::string_view kind, std::vector<Tensor*> inputs);
    virtual ~LayerCore();
    LayerCore(const LayerCore&) = delete;
    LayerCore& operator=(const LayerCore&) = delete;

    virtual nvinfer1::ILayer& layer() noexcept = 0;
    // Describes the layer in ops. Called for shape queries and for builds, with emitters of either kind.
    virtual support::Status lower(LayerScope& scope) const = 0;
    // Inputs that may be set by setInput beyond those the layer was made with.
    virtual size_t maxInputs() const { return mInputs.size(); }
    // Whether the values of an input decide dimensions.
    virtual bool isShapeInput(size_t) const { return false; }
    // Whether integers that decide dimensions may pass through: then the layer's inputs decide them too.
    virtual bool forwardsShapes() const { return true; }

    Network& network() const { return mNetwork; }
    nvinfer1::LayerType type() const { return mType; }
    const std::string& name() const { return mName; }
    const std::vector<Tensor*>& inputs() const { return mInputs; }
    const std::vector<Tensor*>& outputs() const { return mOutputs; }
    ir::NodeSettings settings() const;
    const std::optional<nvinfer1::DataType>& outputType(size_t i) const { return mOutputTypes[i]; }

    // Runs lower() and applies the output types that were asked for.
    support::Status lowerWithSettings(LayerScope& scope) const;

    // ILayer's functions, under names of their own.
    void assignName(const char* name) noexcept;
    nvinfer1::ITensor* inputAt(int32_t index) const noexcept;
    nvinfer1::ITensor* outputAt(int32_t index) const noexcept;
    void assignInput(int32_t index, nvinfer1::ITensor& tensor) noexcept;
    void assignPrecision(nvinfer1::DataType type) noexcept;
    nvinfer1::DataType precision() const noexcept;
    bool hasPrecision() const noexcept { return mPrecision.has_value(); }
    void clearPrecision() noexcept { mPrecision.reset(); }
    void assignOutputType(int32_t index, nvinfer1::DataType type) noexcept;
    nvinfer1::DataType outputTypeAt(int32_t index) const noexcept;
    bool hasOutputType(int32_t index) const noexcept;
    void clearOutputType(int32_t index) noexcept;
    void assignMetadata(const char* text) noexcept;
    const std::string& metadata() const noexcept { return mMetadata; }

protected:
    // Called once by the constructor of the derived class.
    void addOutputs(size_t count);
    // After a change of what lower() reads: dimensions downstream are inferred again when asked for.
    void changed() noexcept;
    // Reports that a setter was given something out of range.
    void refuse(std::string_view setter, std::string_view why) const noexcept;
    // Whether `ok`; if not, reports it.
    bool require(bool ok, std::string_view setter, std::string_view why) const noexcept;

private:
    friend class Network;

    Network& mNetwork;
    nvinfer1::LayerType mType;
    std::string mKind; // "Convolution"
    std::string mName;
    std::string mMetadata;
    std::vector<Tensor*> mInputs;
    std::vector<Tensor*> mOutputs;
    std::optional<nvinfer1::DataType> mPrecision;
    std::vector<std::optional<nvinfer1::DataType>> mOutputTypes;
    bool mInferred = false; // outputs and status below are current
    support::Status mInferenceStatus;
};

// Puts ILayer's functions of the public class I over a LayerCore.
template <class I>
class LayerOf : public I, public LayerCore {
public:
    using LayerCore::LayerCore;

    nvinfer1::ILayer& layer() noexcept override { return *this; }

    nvinfer1::LayerType getType() const noexcept override { return LayerCore::type(); }
    void setName(char const* name) noexcept override { LayerCore::assignName(name); }
    char const* getName() const noexcept override { return LayerCore::name().c_str(); }
    int32_t getNbInputs() const noexcept override { return static_cast<int32_t>(LayerCore::inputs().size()); }
    nvinfer1::ITensor* getInput(int32_t index) const noexcept override { return LayerCore::inputAt(index); }
    int32_t getNbOutputs() const noexcept override { return static_cast<int32_t>(LayerCore::outputs().size()); }
    nvinfer1::ITensor* getOutput(int32_t index) const noexcept override { return LayerCore::outputAt(index); }
    void setInput(int32_t index, nvinfer1::ITensor& tensor) noexcept override { LayerCore::assignInput(index, tensor); }
    void setPrecision(nvinfer1::DataType type) noexcept override { LayerCore::assignPrecision(type); }
    nvinfer1::DataType getPrecision() const noexcept override { return LayerCore::precision(); }
    bool precisionIsSet() const noexcept override { return LayerCore::hasPrecision(); }
    void resetPrecision() noexcept override { LayerCore::clearPrecision(); }
    void setOutputType(int32_t index, nvinfer1::DataType type) noexcept override {
        LayerCore::assignOutputType(index, type);
    }
    nvinfer1::DataType getOutputType(int32_t index) const noexcept override { return LayerCore::outputTypeAt(index); }
    bool outputTypeIsSet(int32_t index) const noexcept override { return LayerCore::hasOutputType(index); }
    void resetOutputType(int32_t index) noexcept override { LayerCore::clearOutputType(index); }
    void setMetadata(char const* text) noexcept override { LayerCore::assignMetadata(text); }
    char const* getMetadata() const noexcept override { return LayerCore::metadata().c_str(); }

protected:
    // Stores a value that lower() reads.
    template <class T>
    void assign(T& member, const T& value) noexcept {
        member = value;
        LayerCore::changed();
    }
};

} // namespace tenon::api
