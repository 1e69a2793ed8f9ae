#include "core/api/runtime.h"

#include "core/api/device_allocator.h"
#include "core/api/modules.h"
#include "core/api/plugin_registry.h"
#include "core/plan/reader.h"
#include "registry/host_backend.h"

#include <cstdlib>
#include <cstring>

namespace tenon::api {

using nvinfer1::ErrorCode;
using nvinfer1::ICudaEngine;
using support::cat;
using support::Result;

namespace {

constexpr size_t kPlanAlignment = 64;
constexpr size_t kStreamPiece = size_t{1} << 20;

struct FreeMemory {
    void operator()(std::byte* memory) const noexcept { std::free(memory); }
};

// Aligned, so that constants can stay where they are.
std::shared_ptr<std::byte> alignedBytes(size_t size) {
    const size_t rounded = (size / kPlanAlignment + 1) * kPlanAlignment;
    auto* memory = static_cast<std::byte*>(std::aligned_alloc(kPlanAlignment, rounded));
    if (memory == nullptr) {
        throw std::bad_alloc();
    }
    return {memory, FreeMemory()};
}

} // namespace

Result<std::unique_ptr<Engine>> makeEngine(plan::Plan plan, const Reporter& reporter, const EngineOptions& options) {
    runtime::LoadOptions load;
    load.log = reporter.log();
    load.allocator = callbacksOf(options.allocator);
    const auto snapshot = snapshotForRun(plan, reporter);
    TN_ASSIGN_OR_RETURN(std::shared_ptr<const runtime::LoadedPlan> loaded,
                        runtime::LoadedPlan::load(std::move(plan), snapshot, load));
    return std::make_unique<Engine>(std::move(loaded), reporter, options);
}

void Runtime::setDLACore(int32_t dlaCore) noexcept {
    if (dlaCore >= 0) {
        mReporter.error(ErrorCode::kINVALID_ARGUMENT, "IRuntime::setDLACore: there is no DLA on this machine");
    }
}

bool Runtime::setMaxThreads(int32_t maxThreads) noexcept {
    if (maxThreads < 1) {
        mReporter.error(ErrorCode::kINVALID_ARGUMENT, "IRuntime::setMaxThreads: must be at least 1");
        return false;
    }
    mOptions.threads = maxThreads;
    return true;
}

bool Runtime::setThreadAffinity(int32_t const* processors, int32_t nbProcessors) noexcept {
    return guarded(mReporter, false, [&] {
        const bool listed = nbProcessors >= 0 && (processors != nullptr || nbProcessors == 0);
        if (!listed || std::any_of(processors, processors + nbProcessors, [](int32_t each) { return each < 0; })) {
            mReporter.error(ErrorCode::kINVALID_ARGUMENT,
                            "IRuntime::setThreadAffinity: wants a list of processors, numbered from 0");
            return false;
        }
        mOptions.processors.assign(processors, processors + nbProcessors);
        return true;
    });
}

int32_t Runtime::getMaxThreads() const noexcept {
    return mOptions.threads > 0 ? mOptions.threads
                                : guarded(mReporter, 1, [] { return std::max(1, registry::hostDescription().cores); });
}

void Runtime::setTemporaryDirectory(char const* path) noexcept {
    guarded(mReporter, 0, [&] {
        mTemporaryDirectory = path == nullptr ? "" : path;
        return 0;
    });
}

nvinfer1::IPluginRegistry& Runtime::getPluginRegistry() noexcept { return PluginRegistry::process(); }

nvinfer1::IRuntime* Runtime::loadRuntime(char const*) noexcept {
    mReporter.error(ErrorCode::kUNSUPPORTED_STATE,
                    "IRuntime::loadRuntime: plans of Tenon load in any runtime of their format version; there is no "
                    "other runtime to load");
    return nullptr;
}

// ---- plans ----------------------------------------------------------------------------------------------------------

ICudaEngine* Runtime::fromBytes(std::shared_ptr<const void> owner, const std::byte* bytes, size_t size) {
    Result<plan::Plan> plan = plan::readPlan({bytes, size}, std::move(owner));
    if (!plan) {
        mReporter.report(plan.status().withContext("while deserializing a plan"));
        return nullptr;
    }
    Result<std::unique_ptr<Engine>> engine = makeEngine(std::move(plan).value(), mReporter, mOptions);
    if (!engine) {
        mReporter.report(engine.status().withContext("while deserializing a plan"));
        return nullptr;
    }
    return std::move(engine).value().release();
}

ICudaEngine* Runtime::deserializeCudaEngine(void const* blob, std::size_t size) noexcept {
    return guarded(mReporter, static_cast<ICudaEngine*>(nullptr), [&]() -> ICudaEngine* {
        if (blob == nullptr || size == 0) {
            mReporter.error(ErrorCode::kINVALID_ARGUMENT, "IRuntime::deserializeCudaEngine: the plan is empty");
            return nullptr;
        }
        std::shared_ptr<std::byte> copy = alignedBytes(size);
        std::memcpy(copy.get(), blob, size);
        const std::byte* bytes = copy.get();
        return fromBytes(std::move(copy), bytes, size);
    });
}

template <class Read>
ICudaEngine* Runtime::fromStream(Read&& read) noexcept {
    return guarded(mReporter, static_cast<ICudaEngine*>(nullptr), [&]() -> ICudaEngine* {
        std::shared_ptr<std::byte> bytes = alignedBytes(kStreamPiece);
        size_t capacity = kStreamPiece;
        size_t size = 0;
        for (;;) {
            if (size == capacity) {
                std::shared_ptr<std::byte> larger = alignedBytes(capacity * 2);
                std::memcpy(larger.get(), bytes.get(), size);
                bytes = std::move(larger);
                capacity *= 2;
            }
            const int64_t wanted = static_cast<int64_t>(capacity - size);
            const int64_t got = read(bytes.get() + size, wanted);
            if (got < 0 || got > wanted) {
                mReporter.error(ErrorCode::kFAILED_INITIALIZATION,
                                cat("IRuntime::deserializeCudaEngine: the stream reader returned ", got, " after ",
                                    size, " bytes"));
                return nullptr;
            }
            size += static_cast<size_t>(got);
            if (got < wanted) {
                break;
            }
        }
        const std::byte* begin = bytes.get();
        return fromBytes(std::move(bytes), begin, size);
    });
}

ICudaEngine* Runtime::deserializeCudaEngine(nvinfer1::IStreamReader& streamReader) noexcept {
    return fromStream([&](void* to, int64_t bytes) { return streamReader.read(to, bytes); });
}

ICudaEngine* Runtime::deserializeCudaEngine(nvinfer1::IStreamReaderV2& streamReader) noexcept {
    return fromStream([&](void* to, int64_t bytes) { return streamReader.read(to, bytes, nullptr); });
}

ICudaEngine* Runtime::loadEngineFile(char const* path) noexcept {
    return guarded(mReporter, static_cast<ICudaEngine*>(nullptr), [&]() -> ICudaEngine* {
        if (path == nullptr) {
            mReporter.error(ErrorCode::kINVALID_ARGUMENT, "IRuntime::loadEngineFile: the path is null");
            return nullptr;
        }
        Result<plan::Plan> plan = plan::readPlanFile(path);
        if (!plan) {
            mReporter.report(plan.status()); // which names the file
            return nullptr;
        }
        Result<std::unique_ptr<Engine>> engine = makeEngine(std::move(plan).value(), mReporter, mOptions);
        if (!engine) {
            mReporter.report(engine.status().withContext(cat("while loading '", path, "'")));
            return nullptr;
        }
        return std::move(engine).value().release();
    });
}

} // namespace tenon::api

// ---- what libtenon_runtime exports ----------------------------------------------------------------------------------

extern "C" void* tenon_createInferRuntime(void* logger, int32_t version) noexcept {
    if (logger == nullptr) {
        return nullptr;
    }
    auto& sink = *static_cast<nvinfer1::ILogger*>(logger);
    const tenon::api::Reporter reporter(sink);
    if (version / 10000 != NV_TENSORRT_MAJOR) {
        return tenon::api::guarded(reporter, static_cast<void*>(nullptr), [&]() -> void* {
            reporter.error(nvinfer1::ErrorCode::kINVALID_ARGUMENT,
                           tenon::support::cat("createInferRuntime: the caller was compiled with headers of version ",
                                               version, ", this library has those of ", NV_TENSORRT_VERSION));
            return nullptr;
        });
    }
    tenon::api::rememberLogger(&sink);
    return tenon::api::guarded(reporter, static_cast<void*>(nullptr), [&]() -> void* {
        return static_cast<nvinfer1::IRuntime*>(new tenon::api::Runtime(sink));
    });
}
