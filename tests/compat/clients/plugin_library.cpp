// A plugin library in the style of TensorRT 10's samples: an IPluginV3 with a registrar, an IPluginV2DynamicExt with a
// creator that getCreators() lists, and setLoggerFinder.
#include "NvInfer.h"
#include "NvInferPlugin.h"

#include <cmath>
#include <cstring>
#include <string>
#include <vector>

using namespace nvinfer1;

namespace {

ILoggerFinder* gFinder = nullptr;

int64_t volume(const Dims& d) {
    int64_t product = 1;
    for (int32_t i = 0; i < d.nbDims; ++i) {
        product *= d.d[i];
    }
    return product;
}

// y = x^exponent
class PowerPlugin : public IPluginV3, public IPluginV3OneCore, public IPluginV3OneBuildV2, public IPluginV3OneRuntime {
public:
    explicit PowerPlugin(float exponent) : mExponent(exponent) {}

    IPluginCapability* getCapabilityInterface(PluginCapabilityType type) noexcept override {
        if (type == PluginCapabilityType::kBUILD) {
            return static_cast<IPluginV3OneBuild*>(this);
        }
        if (type == PluginCapabilityType::kRUNTIME) {
            return static_cast<IPluginV3OneRuntime*>(this);
        }
        return static_cast<IPluginV3OneCore*>(this);
    }
    IPluginV3* clone() noexcept override { return new PowerPlugin(mExponent); }
    const char* getPluginName() const noexcept override { return "CompatPower"; }
    const char* getPluginVersion() const noexcept override { return "1"; }
    const char* getPluginNamespace() const noexcept override { return ""; }
    int32_t getNbOutputs() const noexcept override { return 1; }
    int32_t configurePlugin(const DynamicPluginTensorDesc*, int32_t, const DynamicPluginTensorDesc*,
                            int32_t) noexcept override {
        return 0;
    }
    bool supportsFormatCombination(int32_t pos, const DynamicPluginTensorDesc* inOut, int32_t,
                                   int32_t) noexcept override {
        return inOut[pos].desc.format == PluginFormat::kLINEAR && inOut[pos].desc.type == DataType::kFLOAT;
    }
    int32_t getOutputDataTypes(DataType* outputTypes, int32_t, const DataType* inputTypes,
                               int32_t) const noexcept override {
        outputTypes[0] = inputTypes[0];
        return 0;
    }
    int32_t getOutputShapes(const DimsExprs* inputs, int32_t, const DimsExprs*, int32_t, DimsExprs* outputs, int32_t,
                            IExprBuilder&) noexcept override {
        outputs[0] = inputs[0];
        return 0;
    }
    int32_t enqueue(const PluginTensorDesc* inputDesc, const PluginTensorDesc*, const void* const* inputs,
                    void* const* outputs, void*, cudaStream_t) noexcept override {
        const auto* x = static_cast<const float*>(inputs[0]);
        auto* y = static_cast<float*>(outputs[0]);
        for (int64_t i = 0; i < volume(inputDesc[0].dims); ++i) {
            y[i] = std::pow(x[i], mExponent);
        }
        return 0;
    }
    int32_t onShapeChange(const PluginTensorDesc*, int32_t, const PluginTensorDesc*, int32_t) noexcept override {
        return 0;
    }
    IPluginV3* attachToContext(IPluginResourceContext*) noexcept override { return clone(); }
    const PluginFieldCollection* getFieldsToSerialize() noexcept override {
        mFields.assign(1, PluginField("exponent", &mExponent, PluginFieldType::kFLOAT32, 1));
        mCollection.nbFields = 1;
        mCollection.fields = mFields.data();
        return &mCollection;
    }

private:
    float mExponent;
    std::vector<PluginField> mFields;
    PluginFieldCollection mCollection{};
};

class PowerCreator : public IPluginCreatorV3One {
public:
    PowerCreator() {
        mFields.emplace_back("exponent", nullptr, PluginFieldType::kFLOAT32, 1);
        mCollection.nbFields = static_cast<int32_t>(mFields.size());
        mCollection.fields = mFields.data();
    }
    const char* getPluginName() const noexcept override { return "CompatPower"; }
    const char* getPluginVersion() const noexcept override { return "1"; }
    const char* getPluginNamespace() const noexcept override { return ""; }
    const PluginFieldCollection* getFieldNames() noexcept override { return &mCollection; }
    IPluginV3* createPlugin(const char*, const PluginFieldCollection* fc, TensorRTPhase) noexcept override {
        float exponent = 1.0F;
        for (int32_t i = 0; i < fc->nbFields; ++i) {
            if (!std::strcmp(fc->fields[i].name, "exponent")) {
                exponent = *static_cast<const float*>(fc->fields[i].data);
            }
        }
        return new PowerPlugin(exponent);
    }

private:
    std::vector<PluginField> mFields;
    PluginFieldCollection mCollection{};
};

REGISTER_TENSORRT_PLUGIN(PowerCreator);

// y = -x
class NegatePlugin : public IPluginV2DynamicExt {
public:
    IPluginV2DynamicExt* clone() const noexcept override {
        auto* copy = new NegatePlugin();
        copy->setPluginNamespace(mNamespace.c_str());
        return copy;
    }
    DimsExprs getOutputDimensions(int32_t, const DimsExprs* inputs, int32_t, IExprBuilder&) noexcept override {
        return inputs[0];
    }
    bool supportsFormatCombination(int32_t pos, const PluginTensorDesc* inOut, int32_t, int32_t) noexcept override {
        return inOut[pos].format == TensorFormat::kLINEAR && inOut[pos].type == DataType::kFLOAT;
    }
    void configurePlugin(const DynamicPluginTensorDesc*, int32_t, const DynamicPluginTensorDesc*,
                         int32_t) noexcept override {}
    size_t getWorkspaceSize(const PluginTensorDesc*, int32_t, const PluginTensorDesc*,
                            int32_t) const noexcept override {
        return 0;
    }
    int32_t enqueue(const PluginTensorDesc* inputDesc, const PluginTensorDesc*, const void* const* inputs,
                    void* const* outputs, void*, cudaStream_t) noexcept override {
        for (int64_t i = 0; i < volume(inputDesc[0].dims); ++i) {
            static_cast<float*>(outputs[0])[i] = -static_cast<const float*>(inputs[0])[i];
        }
        return 0;
    }
    DataType getOutputDataType(int32_t, const DataType* inputTypes, int32_t) const noexcept override {
        return inputTypes[0];
    }
    // The two broadcast questions are private in newer headers and pure in old ones: overriding them must compile.
    bool isOutputBroadcastAcrossBatch(int32_t, const bool*, int32_t) const noexcept override { return false; }
    bool canBroadcastInputAcrossBatch(int32_t) const noexcept override { return false; }
    const char* getPluginType() const noexcept override { return "CompatNegate"; }
    const char* getPluginVersion() const noexcept override { return "1"; }
    int32_t getNbOutputs() const noexcept override { return 1; }
    int32_t initialize() noexcept override { return 0; }
    void terminate() noexcept override {}
    size_t getSerializationSize() const noexcept override { return 0; }
    void serialize(void*) const noexcept override {}
    void destroy() noexcept override { delete this; }
    void setPluginNamespace(const char* libNamespace) noexcept override { mNamespace = libNamespace; }
    const char* getPluginNamespace() const noexcept override { return mNamespace.c_str(); }

private:
    std::string mNamespace;
};

class NegateCreator : public IPluginCreator {
public:
    const char* getPluginName() const noexcept override { return "CompatNegate"; }
    const char* getPluginVersion() const noexcept override { return "1"; }
    const PluginFieldCollection* getFieldNames() noexcept override { return &mCollection; }
    IPluginV2* createPlugin(const char*, const PluginFieldCollection*) noexcept override { return new NegatePlugin(); }
    IPluginV2* deserializePlugin(const char*, const void*, size_t) noexcept override { return new NegatePlugin(); }
    void setPluginNamespace(const char* libNamespace) noexcept override { mNamespace = libNamespace; }
    const char* getPluginNamespace() const noexcept override { return mNamespace.c_str(); }

private:
    std::string mNamespace;
    PluginFieldCollection mCollection{};
};

} // namespace

#define EXPORTED extern "C" __attribute__((visibility("default")))

EXPORTED void setLoggerFinder(ILoggerFinder* finder) { gFinder = finder; }

EXPORTED IPluginCreatorInterface* const* getCreators(int32_t& nbCreators) {
    static NegateCreator negate;
    static IPluginCreatorInterface* const creators[] = {&negate};
    nbCreators = 1;
    if (gFinder != nullptr && gFinder->findLogger() != nullptr) {
        gFinder->findLogger()->log(ILogger::Severity::kVERBOSE, "the plugin library lists its creators");
    }
    return creators;
}
