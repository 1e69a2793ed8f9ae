// IEngineInspector: what an engine consists of, as text or JSON.
#pragma once

#include "tenon/types.h"

namespace nvinfer1 {

enum class LayerInformationFormat : int32_t {
    kONELINE = 0,
    kJSON = 1,
};
TENON_ENUM_MAX(LayerInformationFormat, 2)

// Made by ICudaEngine::createEngineInspector, deleted by its user before the engine. Returned texts are owned by the
// inspector and valid until its next call. Not thread-safe.
class IEngineInspector : public INoCopy {
public:
    ~IEngineInspector() noexcept override = default;

    // With a context, dimensions and tactics are those of its current shapes.
    virtual bool setExecutionContext(IExecutionContext const* context) noexcept = 0;
    virtual IExecutionContext const* getExecutionContext() const noexcept = 0;
    // Null for an index out of range.
    virtual char const* getLayerInformation(int32_t layerIndex, LayerInformationFormat format) const noexcept = 0;
    virtual char const* getEngineInformation(LayerInformationFormat format) const noexcept = 0;
    virtual void setErrorRecorder(IErrorRecorder* recorder) noexcept = 0;
    virtual IErrorRecorder* getErrorRecorder() const noexcept = 0;

    void destroy() noexcept { delete this; }
};

} // namespace nvinfer1
