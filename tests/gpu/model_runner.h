// Networks as the device tests describe them, built for the device and, for the answers, for the CPU; and runs of both.
#pragma once

#include "tenon/tenon.h"
#include "tests/gpu/device_memory.h"

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

namespace tenon::gpu_test {

using namespace nvinfer1;

Dims dims(const std::vector<int64_t>& extents);
// Values in [-1, 1] that are multiples of 1/32: each has few bits, so that products of them are exact in every type.
std::vector<float> pattern(size_t count, int seed);

// Keeps what is said, from any thread.
class Log final : public ILogger {
public:
    void log(Severity severity, char const* text) noexcept override;
    std::string text() const;
    // Errors since the last call.
    std::string takeErrors();

private:
    mutable std::mutex mMutex;
    std::string mText;
    std::string mErrors;
};

struct Model {
    std::function<void(INetworkDefinition&)> layers;
    std::function<void(IOptimizationProfile&)> profile; // null: nothing is dynamic
    std::vector<BuilderFlag> flags;                     // besides those of a new config, of which TF32 is taken away
    bool stronglyTyped = false;
    bool hostToo = false; // the CPU's kernels may be in the plan; else the device has to compute everything
    int32_t level = 3;
};

// A plan, its runtime and its engine. `engine` is null, with a test failure, where something went wrong.
class Deployed {
public:
    enum class Side {
        kTested,  // the device, or the CPU's kernels with TENON_DEVICE_TEST_ON=host
        kAnswers, // the CPU's kernels, or the reference's then
    };
    Deployed(const Model& model, Side side, IGpuAllocator* building = nullptr, IGpuAllocator* running = nullptr);

    bool onDevice() const { return mDevice; }
    // Loads the same plan again; null where that fails.
    std::unique_ptr<ICudaEngine> loadAgain(IRuntime& onto) const;
    // The inspector's JSON.
    std::string inspect() const;

    mutable Log log; // told of runs, too
    std::unique_ptr<IRuntime> runtime;
    std::unique_ptr<ICudaEngine> engine;

private:
    void build(const Model& model, Side side, IGpuAllocator* building, IGpuAllocator* running);

    bool mDevice;
    std::unique_ptr<IHostMemory> mPlan;
};

// A context with memory for its bindings. One thread.
class Runner {
public:
    explicit Runner(const Deployed& model, cudaStream_t stream = nullptr, std::unique_ptr<IExecutionContext> made = {});

    IExecutionContext& context() { return *mContext; }
    // Sets the shape of a dynamic input and what is in it. The memory of a binding stays where it is while it is large enough.
    void give(const std::string& name, const std::vector<int64_t>& extents, const std::vector<float>& values);
    // Only what is in it: also between replays of a recording.
    void refill(const std::string& name, const std::vector<float>& values);
    void giveShape(const std::string& name, const std::vector<int64_t>& values);
    void room(const std::string& name, size_t count);
    // Other memory for all bindings from here on.
    void forgetMemory() { mMemory.clear(); }
    bool enqueue() { return mContext->enqueueV3(mStream); }
    std::vector<float> take(const std::string& name, size_t count);

private:
    Buffer& memory(const std::string& name, size_t bytes, bool device);

    const Deployed& mModel;
    cudaStream_t mStream;
    std::unique_ptr<IExecutionContext> mContext;
    std::map<std::string, Buffer> mMemory;
};

// Reports the worst difference as a test failure if it is above `tolerance`.
void expectNear(const std::vector<float>& got, const std::vector<float>& wanted, double tolerance,
                const std::string& what);

// Skips with the reason where there is no device.
#define TENON_SKIP_WITHOUT_DEVICE()                                                                                    \
    if (const std::string why = tenon::gpu_test::whyAbsent(); !why.empty()) {                                          \
        GTEST_SKIP() << why;                                                                                           \
    }

} // namespace tenon::gpu_test
