// IRefitter: replaces weights of a loaded engine. The factory function is at the end.
#pragma once

#include "tenon/runtime.h"

namespace nvinfer1 {

// Which of a layer's weights are meant.
enum class WeightsRole : int32_t {
    kKERNEL = 0,
    kBIAS = 1,
    kSHIFT = 2,
    kSCALE = 3,
    kCONSTANT = 4,
    kANY = 5,
};
TENON_ENUM_MAX(WeightsRole, 6)

// Deleted by its user before the engine. Not thread-safe; the engine must not run while it is refitted.
class IRefitter : public INoCopy {
public:
    ~IRefitter() noexcept override = default;

    virtual bool setWeights(char const* layerName, WeightsRole role, Weights weights) noexcept = 0;
    virtual bool refitCudaEngine() noexcept = 0;
    virtual int32_t getMissing(int32_t size, char const** layerNames, WeightsRole* roles) noexcept = 0;
    virtual int32_t getAll(int32_t size, char const** layerNames, WeightsRole* roles) noexcept = 0;
    virtual void setErrorRecorder(IErrorRecorder* recorder) noexcept = 0;
    virtual IErrorRecorder* getErrorRecorder() const noexcept = 0;
    virtual bool setNamedWeights(char const* name, Weights weights) noexcept = 0;
    virtual int32_t getMissingWeights(int32_t size, char const** weightsNames) noexcept = 0;
    virtual int32_t getAllWeights(int32_t size, char const** weightsNames) noexcept = 0;
    virtual ILogger* getLogger() const noexcept = 0;
    virtual bool setMaxThreads(int32_t maxThreads) noexcept = 0;
    virtual int32_t getMaxThreads() const noexcept = 0;
    virtual bool setNamedWeights(char const* name, Weights weights, TensorLocation location) noexcept = 0;
    virtual Weights getNamedWeights(char const* weightsName) const noexcept = 0;
    virtual TensorLocation getWeightsLocation(char const* weightsName) const noexcept = 0;
    virtual bool unsetNamedWeights(char const* weightsName) noexcept = 0;
    virtual void setWeightsValidation(bool weightsValidation) noexcept = 0;
    virtual bool getWeightsValidation() const noexcept = 0;
    virtual bool refitCudaEngineAsync(cudaStream_t stream) noexcept = 0;
    virtual Weights getWeightsPrototype(char const* weightsName) const noexcept = 0;

    void destroy() noexcept { delete this; }
};

} // namespace nvinfer1

extern "C" {
// `engine` is an nvinfer1::ICudaEngine*, `logger` an nvinfer1::ILogger*. Null, with an error logged, if the engine was
// not built for refitting.
TENSORRTAPI void* TENON_ENTRY(tenon_createInferRefitter, createInferRefitter_INTERNAL)(void* engine, void* logger,
                                                                                       int32_t version) noexcept;
}

namespace nvinfer1 {
inline namespace TENON_ENTRY_NAMESPACE {

inline IRefitter* createInferRefitter(ICudaEngine& engine, ILogger& logger) noexcept {
    return static_cast<IRefitter*>(TENON_ENTRY(tenon_createInferRefitter, createInferRefitter_INTERNAL)(
        &engine, &logger, static_cast<int32_t>(NV_TENSORRT_VERSION)));
}

} // namespace TENON_ENTRY_NAMESPACE
} // namespace nvinfer1
