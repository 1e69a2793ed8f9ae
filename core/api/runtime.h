// IRuntime's implementation: reads plans and makes engines. Thread-safe apart from the setters.
#pragma once

#include "core/api/engine.h"
#include "core/api/reporter.h"
#include "tenon/runtime.h"

#include <memory>
#include <string>

namespace tenon::api {

class Runtime final : public nvinfer1::IRuntime {
public:
    explicit Runtime(nvinfer1::ILogger& logger) : mReporter(logger) {}

    void setDLACore(int32_t dlaCore) noexcept override;
    int32_t getDLACore() const noexcept override { return -1; }
    int32_t getNbDLACores() const noexcept override { return 0; }
    void setGpuAllocator(nvinfer1::IGpuAllocator* allocator) noexcept override { mOptions.allocator = allocator; }
    void setErrorRecorder(nvinfer1::IErrorRecorder* recorder) noexcept override { mReporter.setRecorder(recorder); }
    nvinfer1::IErrorRecorder* getErrorRecorder() const noexcept override { return mReporter.recorder(); }
    nvinfer1::ICudaEngine* deserializeCudaEngine(void const* blob, std::size_t size) noexcept override;
    nvinfer1::ICudaEngine* deserializeCudaEngine(nvinfer1::IStreamReader& streamReader) noexcept override;
    nvinfer1::ICudaEngine* deserializeCudaEngine(nvinfer1::IStreamReaderV2& streamReader) noexcept override;
    nvinfer1::ILogger* getLogger() const noexcept override { return &mReporter.logger(); }
    bool setMaxThreads(int32_t maxThreads) noexcept override;
    int32_t getMaxThreads() const noexcept override;
    void setTemporaryDirectory(char const* path) noexcept override;
    char const* getTemporaryDirectory() const noexcept override { return mTemporaryDirectory.c_str(); }
    void setTempfileControlFlags(nvinfer1::TempfileControlFlags flags) noexcept override { mTempfileFlags = flags; }
    nvinfer1::TempfileControlFlags getTempfileControlFlags() const noexcept override { return mTempfileFlags; }
    nvinfer1::IPluginRegistry& getPluginRegistry() noexcept override;
    nvinfer1::IRuntime* loadRuntime(char const* path) noexcept override;
    void setEngineHostCodeAllowed(bool allowed) noexcept override { mHostCodeAllowed = allowed; }
    bool getEngineHostCodeAllowed() const noexcept override { return mHostCodeAllowed; }
    nvinfer1::ICudaEngine* loadEngineFile(char const* path) noexcept override;
    bool setThreadAffinity(int32_t const* processors, int32_t nbProcessors) noexcept override;

private:
    nvinfer1::ICudaEngine* fromBytes(std::shared_ptr<const void> owner, const std::byte* bytes, size_t size);
    template <class Read>
    nvinfer1::ICudaEngine* fromStream(Read&& read) noexcept;

    Reporter mReporter;
    EngineOptions mOptions;
    std::string mTemporaryDirectory;
    nvinfer1::TempfileControlFlags mTempfileFlags = 3;
    bool mHostCodeAllowed = false;
};

// Loads a plan and wraps it.
support::Result<std::unique_ptr<Engine>> makeEngine(plan::Plan plan, const Reporter& reporter,
                                                    const EngineOptions& options);

} // namespace tenon::api
