// What the API promises of threads: builders and engines side by side, over one runtime, and contexts of one engine. The registry, the log
// and the plugin runtime are the process's own: the sanitizer of threads looks at them here.
#include "core/support/text.h"
#include "tenon/tenon.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cmath>
#include <functional>
#include <memory>
#include <thread>
#include <vector>

namespace tenon::api::test {
namespace {

using namespace nvinfer1;

constexpr int kThreads = 4;
constexpr int64_t kMost = 64; // rows

// Loggers are called by whichever thread works.
class CountingLogger final : public ILogger {
public:
    void log(Severity severity, char const*) noexcept override { errors += severity <= Severity::kERROR ? 1 : 0; }
    std::atomic<int> errors{0};
};

void onThreads(const std::function<void(int)>& work) {
    std::vector<std::thread> threads;
    for (int i = 0; i < kThreads; ++i) {
        threads.emplace_back(work, i);
    }
    for (std::thread& thread : threads) {
        thread.join();
    }
}

// y = softmax(x w) over [N, 8], w being factor times the identity.
std::unique_ptr<IHostMemory> build(ILogger& logger, float factor) {
    const std::unique_ptr<IBuilder> builder(tenon::createInferBuilder(logger));
    builder->setMaxThreads(2);
    const std::unique_ptr<INetworkDefinition> network(builder->createNetworkV2(0));
    const std::unique_ptr<IBuilderConfig> config(builder->createBuilderConfig());
    ITensor* x = network->addInput("x", DataType::kFLOAT, Dims2(-1, 8));
    std::array<float, 64> weights{};
    for (size_t i = 0; i < 8; ++i) {
        weights[9 * i] = factor;
    }
    ITensor* w = network->addConstant(Dims2(8, 8), Weights{DataType::kFLOAT, weights.data(), 64})->getOutput(0);
    ITensor* product = network->addMatrixMultiply(*x, MatrixOperation::kNONE, *w, MatrixOperation::kNONE)->getOutput(0);
    ISoftMaxLayer* softmax = network->addSoftMax(*product);
    softmax->setAxes(2);
    softmax->getOutput(0)->setName("y");
    network->markOutput(*softmax->getOutput(0));
    IOptimizationProfile* profile = builder->createOptimizationProfile();
    profile->setDimensions("x", OptProfileSelector::kMIN, Dims2(1, 8));
    profile->setDimensions("x", OptProfileSelector::kOPT, Dims2(16, 8));
    profile->setDimensions("x", OptProfileSelector::kMAX, Dims2(kMost, 8));
    config->addOptimizationProfile(profile);
    return std::unique_ptr<IHostMemory>(builder->buildSerializedNetwork(*network, *config));
}

// Runs with ever other rows; what is wrong, or nothing.
std::string runs(ICudaEngine& engine, float factor, int times) {
    const std::unique_ptr<IExecutionContext> context(engine.createExecutionContext());
    if (context == nullptr) {
        return "no context";
    }
    std::vector<float> x(kMost * 8);
    std::vector<float> y(kMost * 8);
    for (size_t i = 0; i < x.size(); ++i) {
        x[i] = i % 8 == i / 8 % 8 ? 1.0F : 0.0F;
    }
    const float top = std::exp(factor) / (std::exp(factor) + 7);
    for (int turn = 0; turn < times; ++turn) {
        const int64_t rows = 1 + turn * 7 % kMost;
        std::fill(y.begin(), y.end(), -1.0F);
        if (!context->setInputShape("x", Dims2(rows, 8)) || !context->setTensorAddress("x", x.data()) ||
            !context->setTensorAddress("y", y.data()) || !context->enqueueV3(nullptr)) {
            return support::cat("run ", turn, " fails");
        }
        for (int64_t row = 0; row < rows; ++row) {
            if (const float found = y[static_cast<size_t>(row * 8 + row % 8)]; std::abs(found - top) > 1e-5F) {
                return support::cat("run ", turn, ": row ", row, " has ", found, " instead of ", top);
            }
        }
    }
    return {};
}

TEST(Concurrency, BuildsAndEnginesSideBySide) {
    CountingLogger logger;
    const std::unique_ptr<IRuntime> runtime(tenon::createInferRuntime(logger));
    std::array<std::string, kThreads> wrong;
    onThreads([&](int i) {
        const auto factor = static_cast<float>(i + 1);
        const std::unique_ptr<IHostMemory> plan = build(logger, factor);
        const std::unique_ptr<ICudaEngine> engine(
            plan != nullptr ? runtime->deserializeCudaEngine(plan->data(), plan->size()) : nullptr);
        wrong[static_cast<size_t>(i)] = engine != nullptr ? runs(*engine, factor, 30) : "no engine";
    });
    for (const std::string& each : wrong) {
        EXPECT_EQ(each, "");
    }
    EXPECT_EQ(logger.errors, 0);
}

TEST(Concurrency, ContextsOfOneEngine) {
    CountingLogger logger;
    const std::unique_ptr<IHostMemory> plan = build(logger, 2);
    ASSERT_NE(plan, nullptr);
    const std::unique_ptr<IRuntime> runtime(tenon::createInferRuntime(logger));
    const std::unique_ptr<ICudaEngine> engine(runtime->deserializeCudaEngine(plan->data(), plan->size()));
    ASSERT_NE(engine, nullptr);
    std::array<std::string, kThreads> wrong;
    onThreads([&](int i) { wrong[static_cast<size_t>(i)] = runs(*engine, 2, 200); });
    for (const std::string& each : wrong) {
        EXPECT_EQ(each, "");
    }
    EXPECT_EQ(logger.errors, 0);
}

} // namespace
} // namespace tenon::api::test
