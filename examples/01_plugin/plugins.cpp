#include "plugins.h"

#include <cstring>
#include <string>
#include <vector>

using namespace nvinfer1;

namespace {

bool isPlainFloat(const PluginTensorDesc& desc) {
    return desc.type == DataType::kFLOAT && desc.format == TensorFormat::kLINEAR;
}

int64_t volume(const Dims& dims) {
    int64_t count = 1;
    for (int32_t i = 0; i < dims.nbDims; ++i) {
        count *= dims.d[i];
    }
    return count;
}

// --- IPluginV3: one object gives out all capabilities. Two tactics, which the build times against each other.

class Gain final : public IPluginV3, public IPluginV3OneCore, public IPluginV3OneBuild, public IPluginV3OneRuntime {
public:
    Gain(float gain, int32_t tactic) : mGain(gain), mTactic(tactic) {}

    IPluginCapability* getCapabilityInterface(PluginCapabilityType type) noexcept override {
        switch (type) {
        case PluginCapabilityType::kCORE:
            return static_cast<IPluginV3OneCore*>(this);
        case PluginCapabilityType::kBUILD:
            return static_cast<IPluginV3OneBuild*>(this);
        case PluginCapabilityType::kRUNTIME:
            return static_cast<IPluginV3OneRuntime*>(this);
        }
        return nullptr;
    }
    IPluginV3* clone() noexcept override { return new Gain(mGain, mTactic); }

    AsciiChar const* getPluginName() const noexcept override { return "GainPlugin"; }
    AsciiChar const* getPluginVersion() const noexcept override { return "1"; }
    AsciiChar const* getPluginNamespace() const noexcept override { return ""; }

    int32_t configurePlugin(DynamicPluginTensorDesc const*, int32_t, DynamicPluginTensorDesc const*,
                            int32_t) noexcept override {
        return 0;
    }
    int32_t getOutputDataTypes(DataType* outputs, int32_t, DataType const* inputs, int32_t) const noexcept override {
        outputs[0] = inputs[0];
        return 0;
    }
    int32_t getOutputShapes(DimsExprs const* inputs, int32_t, DimsExprs const*, int32_t, DimsExprs* outputs, int32_t,
                            IExprBuilder&) noexcept override {
        outputs[0] = inputs[0];
        return 0;
    }
    bool supportsFormatCombination(int32_t position, DynamicPluginTensorDesc const* descs, int32_t,
                                   int32_t) noexcept override {
        return isPlainFloat(descs[position].desc);
    }
    int32_t getNbOutputs() const noexcept override { return 1; }
    int32_t getNbTactics() noexcept override { return 2; }
    int32_t getValidTactics(int32_t* tactics, int32_t) noexcept override {
        tactics[0] = 1;
        tactics[1] = 2;
        return 0;
    }
    char const* getTimingCacheID() noexcept override { return "gain"; }

    int32_t setTactic(int32_t tactic) noexcept override {
        mTactic = tactic;
        return 0;
    }
    int32_t onShapeChange(PluginTensorDesc const*, int32_t, PluginTensorDesc const*, int32_t) noexcept override {
        return 0;
    }
    int32_t enqueue(PluginTensorDesc const* inputs, PluginTensorDesc const*, void const* const* from, void* const* to,
                    void*, cudaStream_t) noexcept override {
        const int64_t count = volume(inputs[0].dims);
        const float* x = static_cast<float const*>(from[0]);
        float* y = static_cast<float*>(to[0]);
        // Tactic 1 walks backwards over volatile memory: something to lose against.
        if (mTactic == 1) {
            for (int64_t i = count; i-- > 0;) {
                const volatile float value = x[i];
                y[i] = mGain * value;
            }
        } else {
            for (int64_t i = 0; i < count; ++i) {
                y[i] = mGain * x[i];
            }
        }
        return 0;
    }
    IPluginV3* attachToContext(IPluginResourceContext*) noexcept override { return clone(); }
    PluginFieldCollection const* getFieldsToSerialize() noexcept override {
        mFields = {PluginField("gain", &mGain, PluginFieldType::kFLOAT32, 1)};
        mCollection = {1, mFields.data()};
        return &mCollection;
    }

private:
    float mGain;
    int32_t mTactic;
    std::vector<PluginField> mFields;
    PluginFieldCollection mCollection{};
};

class GainCreator final : public IPluginCreatorV3One {
public:
    GainCreator() {
        mFields = {PluginField("gain", nullptr, PluginFieldType::kFLOAT32, 1)};
        mCollection = {1, mFields.data()};
    }
    IPluginV3* createPlugin(AsciiChar const*, PluginFieldCollection const* fields, TensorRTPhase) noexcept override {
        float gain = 1;
        for (int32_t i = 0; fields && i < fields->nbFields; ++i) {
            const PluginField& field = fields->fields[i];
            if (std::strcmp(field.name, "gain") == 0 && field.type == PluginFieldType::kFLOAT32 && field.length == 1) {
                gain = *static_cast<float const*>(field.data);
            }
        }
        return new Gain(gain, 0);
    }
    PluginFieldCollection const* getFieldNames() noexcept override { return &mCollection; }
    AsciiChar const* getPluginName() const noexcept override { return "GainPlugin"; }
    AsciiChar const* getPluginVersion() const noexcept override { return "1"; }
    AsciiChar const* getPluginNamespace() const noexcept override { return ""; }

private:
    std::vector<PluginField> mFields;
    PluginFieldCollection mCollection{};
};

// --- IPluginV2DynamicExt: the shape that most plugins in use have.

class RowSum final : public IPluginV2DynamicExt {
public:
    AsciiChar const* getPluginType() const noexcept override { return "RowSumPlugin"; }
    AsciiChar const* getPluginVersion() const noexcept override { return "1"; }
    int32_t getNbOutputs() const noexcept override { return 1; }
    int32_t initialize() noexcept override { return 0; }
    void terminate() noexcept override {}
    size_t getSerializationSize() const noexcept override { return 0; }
    void serialize(void*) const noexcept override {}
    void destroy() noexcept override { delete this; }
    void setPluginNamespace(AsciiChar const* name) noexcept override { mNamespace = name; }
    AsciiChar const* getPluginNamespace() const noexcept override { return mNamespace.c_str(); }
    DataType getOutputDataType(int32_t, DataType const* inputs, int32_t) const noexcept override { return inputs[0]; }
    IPluginV2DynamicExt* clone() const noexcept override { return new RowSum(*this); }

    DimsExprs getOutputDimensions(int32_t, DimsExprs const* inputs, int32_t, IExprBuilder&) noexcept override {
        DimsExprs output = inputs[0];
        --output.nbDims;
        return output;
    }
    bool supportsFormatCombination(int32_t position, PluginTensorDesc const* descs, int32_t,
                                   int32_t) noexcept override {
        return isPlainFloat(descs[position]);
    }
    void configurePlugin(DynamicPluginTensorDesc const*, int32_t, DynamicPluginTensorDesc const*,
                         int32_t) noexcept override {}
    size_t getWorkspaceSize(PluginTensorDesc const*, int32_t, PluginTensorDesc const*,
                            int32_t) const noexcept override {
        return 0;
    }
    int32_t enqueue(PluginTensorDesc const* inputs, PluginTensorDesc const*, void const* const* from, void* const* to,
                    void*, cudaStream_t) noexcept override {
        const Dims& dims = inputs[0].dims;
        const int64_t length = dims.d[dims.nbDims - 1];
        const int64_t rows = length > 0 ? volume(dims) / length : 0;
        for (int64_t row = 0; row < rows; ++row) {
            double sum = 0;
            for (int64_t i = 0; i < length; ++i) {
                sum += static_cast<double>(static_cast<float const*>(from[0])[row * length + i]);
            }
            static_cast<float*>(to[0])[row] = static_cast<float>(sum);
        }
        return 0;
    }

private:
    std::string mNamespace;
};

class RowSumCreator final : public IPluginCreator {
public:
    AsciiChar const* getPluginName() const noexcept override { return "RowSumPlugin"; }
    AsciiChar const* getPluginVersion() const noexcept override { return "1"; }
    PluginFieldCollection const* getFieldNames() noexcept override { return &mCollection; }
    IPluginV2* createPlugin(AsciiChar const*, PluginFieldCollection const*) noexcept override { return new RowSum(); }
    IPluginV2* deserializePlugin(AsciiChar const*, void const*, size_t) noexcept override { return new RowSum(); }
    void setPluginNamespace(AsciiChar const* name) noexcept override { mNamespace = name; }
    AsciiChar const* getPluginNamespace() const noexcept override { return mNamespace.c_str(); }

private:
    PluginFieldCollection mCollection{};
    std::string mNamespace;
};

} // namespace

IPluginCreatorV3One& gainCreator() {
    static GainCreator creator;
    return creator;
}

IPluginCreator& rowSumCreator() {
    static RowSumCreator creator;
    return creator;
}
