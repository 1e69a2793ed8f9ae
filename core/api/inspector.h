// IEngineInspector over the JSON that a plan carries.
#pragma once

#include "core/api/engine.h"
#include "tenon/inspector.h"

#include <string>
#include <vector>

namespace tenon::api {

class EngineInspector final : public nvinfer1::IEngineInspector {
public:
    explicit EngineInspector(const Engine& engine);

    bool setExecutionContext(nvinfer1::IExecutionContext const* context) noexcept override;
    nvinfer1::IExecutionContext const* getExecutionContext() const noexcept override { return mContext; }
    char const* getLayerInformation(int32_t layerIndex,
                                    nvinfer1::LayerInformationFormat format) const noexcept override;
    char const* getEngineInformation(nvinfer1::LayerInformationFormat format) const noexcept override;
    void setErrorRecorder(nvinfer1::IErrorRecorder* recorder) noexcept override { mReporter.setRecorder(recorder); }
    nvinfer1::IErrorRecorder* getErrorRecorder() const noexcept override { return mReporter.recorder(); }

private:
    Reporter mReporter;
    const Engine& mEngine;
    nvinfer1::IExecutionContext const* mContext = nullptr;
    // Made once: texts of single layers, and of the engine.
    std::vector<std::string> mLayerJson;
    std::vector<std::string> mLayerLines;
    std::string mEngineJson;
    std::string mEngineLines;
};

} // namespace tenon::api
