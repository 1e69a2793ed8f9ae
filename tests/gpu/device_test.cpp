// Engines on a GPU as an application runs them: contexts on threads, recordings, allocators, shapes that change. Answers are the CPU's.
#include "tests/gpu/model_runner.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <thread>

namespace tenon::gpu_test {
namespace {

using testing::HasSubstr;
using Side = Deployed::Side;

constexpr double kTolerance = 1e-5;
constexpr int64_t kWide = 64;
constexpr int64_t kNarrow = 32;

// y[N, 32] = softmax(tanh(x[N, 64] * w + b) * v), N from 1 to 64.
Model perceptron() {
    Model model;
    model.layers = [](INetworkDefinition& network) {
        static const std::vector<float> w = pattern(kWide * 128, 1);
        static const std::vector<float> b = pattern(128, 2);
        static const std::vector<float> v = pattern(128 * kNarrow, 3);
        const auto constant = [&](const std::vector<float>& values, int64_t rows) {
            const auto count = static_cast<int64_t>(values.size());
            return network.addConstant(dims({rows, count / rows}), Weights{DataType::kFLOAT, values.data(), count})
                ->getOutput(0);
        };
        ITensor* x = network.addInput("x", DataType::kFLOAT, dims({-1, kWide}));
        ITensor* h = network.addMatrixMultiply(*x, MatrixOperation::kNONE, *constant(w, kWide), MatrixOperation::kNONE)
                         ->getOutput(0);
        h = network.addElementWise(*h, *constant(b, 1), ElementWiseOperation::kSUM)->getOutput(0);
        h = network.addActivation(*h, ActivationType::kTANH)->getOutput(0);
        h = network.addMatrixMultiply(*h, MatrixOperation::kNONE, *constant(v, 128), MatrixOperation::kNONE)
                ->getOutput(0);
        ISoftMaxLayer* softmax = network.addSoftMax(*h);
        softmax->setAxes(2);
        softmax->getOutput(0)->setName("y");
        network.markOutput(*softmax->getOutput(0));
    };
    model.profile = [](IOptimizationProfile& profile) {
        profile.setDimensions("x", OptProfileSelector::kMIN, dims({1, kWide}));
        profile.setDimensions("x", OptProfileSelector::kOPT, dims({16, kWide}));
        profile.setDimensions("x", OptProfileSelector::kMAX, dims({64, kWide}));
    };
    return model;
}

struct Case {
    int64_t rows;
    std::vector<float> x;
    std::vector<float> y;
    size_t outputs() const { return y.size(); }
};

void run(Runner& runner, const Case& each, const std::string& what) {
    runner.give("x", {each.rows, kWide}, each.x);
    runner.room("y", each.outputs());
    ASSERT_TRUE(runner.enqueue()) << what;
    expectNear(runner.take("y", each.outputs()), each.y, kTolerance, what);
}

// The network above, deployed once for all tests, and questions with the CPU's answers.
class Device : public testing::Test {
protected:
    void SetUp() override {
        TENON_SKIP_WITHOUT_DEVICE();
        if (sModel == nullptr) {
            sModel = std::make_unique<Deployed>(perceptron(), Side::kTested);
            ASSERT_NE(sModel->engine, nullptr);
            const Deployed cpu(perceptron(), Side::kAnswers);
            ASSERT_NE(cpu.engine, nullptr);
            Runner runner(cpu);
            for (const int64_t rows : {7, 64, 1, 16, 7}) {
                const auto count = static_cast<size_t>(rows);
                Case each{rows, pattern(count * kWide, static_cast<int>(sCases.size()) + 11), {}};
                runner.give("x", {rows, kWide}, each.x);
                runner.room("y", count * kNarrow);
                ASSERT_TRUE(runner.enqueue()) << cpu.log.text();
                each.y = runner.take("y", count * kNarrow);
                sCases.push_back(each);
            }
        }
        ASSERT_NE(sModel->engine, nullptr);
    }
    static void TearDownTestSuite() {
        sModel.reset();
        sCases.clear();
    }
    // Of the last run or build of the model.
    static std::string errors() { return sModel->log.takeErrors(); }

    static std::unique_ptr<Deployed> sModel;
    static std::vector<Case> sCases; // the first and the last have one shape
};

std::unique_ptr<Deployed> Device::sModel;
std::vector<Case> Device::sCases;

TEST_F(Device, RunsWithAndWithoutAStream) {
    const Stream stream;
    Runner with(*sModel, stream.get());
    Runner without(*sModel);
    for (const Case& each : sCases) {
        run(with, each, "with a stream");
        run(without, each, "without");
    }
}

TEST_F(Device, ContextsOfOneEngineRunAtOnce) {
    for (const bool recorded : {false, true}) {
        if (recorded && onHost()) {
            continue; // nothing to record
        }
        std::vector<std::thread> threads;
        for (size_t t = 0; t < 4; ++t) {
            threads.emplace_back([t, recorded] {
                const Stream stream;
                Runner runner(*sModel, stream.get());
                EXPECT_EQ(runner.context().setGraphCapture(recorded), true) << errors();
                for (size_t i = 0; i < 60; ++i) {
                    run(runner, sCases[(i + t) % sCases.size()],
                        "thread " + std::to_string(t) + (recorded ? ", recorded, run " : ", run ") + std::to_string(i));
                }
            });
        }
        for (std::thread& thread : threads) {
            thread.join();
        }
    }
}

// Many runs are on their way at once on each stream: nothing waits between them.
TEST_F(Device, RunsOfOneContextKeepTheirOrder) {
    const Stream stream;
    Runner runner(*sModel, stream.get());
    for (int round = 0; round < 3; ++round) {
        for (const Case& each : sCases) {
            runner.give("x", {each.rows, kWide}, each.x);
            runner.room("y", each.outputs());
            for (int i = 0; i < 20; ++i) {
                ASSERT_TRUE(runner.enqueue()) << errors();
            }
            expectNear(runner.take("y", each.outputs()), each.y, kTolerance, "after 20 runs");
        }
    }
}

TEST_F(Device, AContextRecordsEachSetOfShapesOnce) {
    if (onHost()) {
        GTEST_SKIP() << "the host records nothing";
    }
    const Stream stream;
    Runner runner(*sModel, stream.get());
    ASSERT_TRUE(runner.context().setGraphCapture(true)) << errors();
    EXPECT_TRUE(runner.context().getGraphCapture());
    const Case& a = sCases.front();
    const Case& b = sCases[1];
    const Case& again = sCases.back();
    for (const Case* each : {&a, &b, &again, &a, &b, &again}) {
        run(runner, *each, std::to_string(each->rows) + " rows");
    }
    // New inputs in the same memory, the same shape.
    runner.refill("x", a.x);
    ASSERT_TRUE(runner.enqueue()) << errors();
    expectNear(runner.take("y", a.outputs()), a.y, kTolerance, "new inputs");
    runner.forgetMemory();
    for (const Case* each : {&a, &b}) {
        run(runner, *each, "other memory");
    }
    ASSERT_TRUE(runner.context().setGraphCapture(false));
    run(runner, again, "no longer recorded");
}

// The graph that an application recorded, and its end.
class UserGraph {
public:
    explicit UserGraph(cudaGraph_t graph) {
        if (cudaGraphInstantiate(&mGraph, graph, 0) != cudaSuccess) {
            mGraph = nullptr;
        }
        cudaGraphDestroy(graph);
    }
    ~UserGraph() {
        if (mGraph != nullptr) {
            cudaGraphExecDestroy(mGraph);
        }
    }
    UserGraph(const UserGraph&) = delete;
    UserGraph& operator=(const UserGraph&) = delete;
    bool launch(cudaStream_t stream) const { return cudaGraphLaunch(mGraph, stream) == cudaSuccess; }

private:
    cudaGraphExec_t mGraph = nullptr;
};

TEST_F(Device, AnApplicationMayRecordARun) {
    if (onHost()) {
        GTEST_SKIP() << "the host records nothing";
    }
    const Stream stream;
    Runner runner(*sModel, stream.get());
    const Case& a = sCases.front();
    const Case& again = sCases.back();
    run(runner, a, "before the recording");
    ASSERT_EQ(cudaStreamBeginCapture(stream.get(), cudaStreamCaptureModeThreadLocal), cudaSuccess);
    EXPECT_TRUE(runner.enqueue()) << errors();
    cudaGraph_t recorded = nullptr;
    ASSERT_EQ(cudaStreamEndCapture(stream.get(), &recorded), cudaSuccess);
    const UserGraph graph(recorded);
    for (const Case* each : {&again, &a, &again}) {
        runner.refill("x", each->x);
        runner.room("y", each->outputs());
        ASSERT_TRUE(graph.launch(stream.get()));
        expectNear(runner.take("y", each->outputs()), each->y, kTolerance, "a replay");
    }
}

// Counts what an engine holds on the device.
class CountingAllocator final : public IGpuAllocator {
public:
    void* allocate(uint64_t const size, uint64_t const alignment, AllocatorFlags const) noexcept override {
        const std::lock_guard<std::mutex> lock(mMutex);
        if (mRefuses) {
            return nullptr;
        }
        Buffer block(!onHost(), size);
        EXPECT_EQ(alignment == 0 ? 0 : reinterpret_cast<uintptr_t>(block.data()) % alignment, 0U);
        void* const memory = block.data();
        if (memory != nullptr) {
            mBytes += size;
            mHeld.emplace(memory, std::move(block));
        }
        return memory;
    }
    bool deallocate(void* const memory) noexcept override {
        const std::lock_guard<std::mutex> lock(mMutex);
        EXPECT_EQ(mHeld.erase(memory), 1U) << "a block that this allocator did not give";
        return true;
    }
    void refuse() { mRefuses = true; }
    size_t held() const { return mHeld.size(); }
    uint64_t bytes() const { return mBytes; } // ever

private:
    std::mutex mMutex;
    std::map<void*, Buffer> mHeld;
    uint64_t mBytes = 0;
    bool mRefuses = false;
};

TEST_F(Device, MemoryComesFromTheApplicationsAllocator) {
    CountingAllocator building;
    CountingAllocator running;
    {
        const Deployed model(perceptron(), Side::kTested, &building, &running);
        ASSERT_NE(model.engine, nullptr);
        EXPECT_EQ(building.held(), 0U) << "what the build tried kernels on";
        const uint64_t weights = running.bytes();
        if (!onHost()) { // whose weights stay in the plan
            EXPECT_GT(building.bytes(), 0U);
            EXPECT_GE(weights, static_cast<uint64_t>((kWide * 128 + 128 + 128 * kNarrow) * 4));
        }
        const Stream stream;
        Runner runner(model, stream.get());
        EXPECT_GE(running.bytes() - weights, static_cast<uint64_t>(model.engine->getDeviceMemorySizeV2()));
        for (const Case& each : sCases) {
            run(runner, each, "memory of an allocator");
        }
        EXPECT_GT(running.held(), 0U);
    }
    EXPECT_EQ(running.held(), 0U) << "not given back";
}

TEST_F(Device, AnAllocatorWithoutMemoryIsSaidSo) {
    CountingAllocator none;
    none.refuse();
    Log log;
    const std::unique_ptr<IRuntime> runtime(createInferRuntime(log));
    runtime->setGpuAllocator(&none);
    const std::unique_ptr<ICudaEngine> engine = sModel->loadAgain(*runtime);
    if (onHost()) {
        ASSERT_NE(engine, nullptr);
        EXPECT_EQ(std::unique_ptr<IExecutionContext>(engine->createExecutionContext()), nullptr);
    } else {
        EXPECT_EQ(engine, nullptr);
    }
    EXPECT_THAT(log.takeErrors(), HasSubstr("the application's allocator gave none"));
}

TEST_F(Device, AContextMayUseTheApplicationsMemory) {
    const int64_t bytes = sModel->engine->getDeviceMemorySizeV2();
    const Buffer arena(sModel->onDevice(), static_cast<size_t>(std::max<int64_t>(bytes, 1)));
    const Stream stream;
    Runner runner(*sModel, stream.get(),
                  std::unique_ptr<IExecutionContext>(sModel->engine->createExecutionContextWithoutDeviceMemory()));
    runner.context().setDeviceMemoryV2(arena.data(), bytes);
    for (const Case& each : sCases) {
        run(runner, each, "in the application's memory");
    }
}

// y = 2 * relu(the first rows and columns of x, as many as s says): extents that depend on the values of an input, which the runtime reads on the
// host.
TEST_F(Device, ShapesMayDependOnAnInputsValues) {
    constexpr int64_t kRows = 8;
    constexpr int64_t kColumns = 24;
    Model model;
    model.layers = [](INetworkDefinition& network) {
        ITensor* x = network.addInput("x", DataType::kFLOAT, dims({kRows, kColumns}));
        ITensor* s = network.addInput("s", DataType::kINT64, dims({2}));
        ISliceLayer* slice = network.addSlice(*x, dims({0, 0}), dims({1, 1}), dims({1, 1}));
        slice->setInput(2, *s);
        ITensor* h = network.addActivation(*slice->getOutput(0), ActivationType::kRELU)->getOutput(0);
        h = network.addElementWise(*h, *h, ElementWiseOperation::kSUM)->getOutput(0);
        h->setName("y");
        network.markOutput(*h);
    };
    model.profile = [](IOptimizationProfile& profile) {
        const auto set = [&](OptProfileSelector select, const std::vector<int64_t>& values) {
            profile.setShapeValuesV2("s", select, values.data(), 2);
        };
        set(OptProfileSelector::kMIN, {1, 1});
        set(OptProfileSelector::kOPT, {4, 12});
        set(OptProfileSelector::kMAX, {kRows, kColumns});
    };
    const Deployed deployed(model, Side::kTested);
    ASSERT_NE(deployed.engine, nullptr);
    EXPECT_TRUE(deployed.engine->isShapeInferenceIO("s"));
    if (!onHost()) {
        EXPECT_EQ(deployed.engine->getTensorLocation("x"), TensorLocation::kDEVICE);
        EXPECT_EQ(deployed.engine->getTensorLocation("s"), TensorLocation::kHOST);
    }
    const std::vector<float> x = pattern(kRows * kColumns, 12);
    const Stream stream;
    for (const bool recorded : {false, true}) {
        if (recorded && onHost()) {
            continue;
        }
        Runner runner(deployed, stream.get());
        ASSERT_TRUE(runner.context().setGraphCapture(recorded)) << deployed.log.text();
        runner.give("x", {kRows, kColumns}, x);
        for (const std::vector<int64_t>& size : std::vector<std::vector<int64_t>>{{4, 12}, {8, 24}, {4, 12}, {1, 7}}) {
            std::vector<float> y;
            for (int64_t row = 0; row < size[0]; ++row) {
                for (int64_t column = 0; column < size[1]; ++column) {
                    y.push_back(2 * std::max(x[static_cast<size_t>(row * kColumns + column)], 0.0F));
                }
            }
            runner.giveShape("s", size);
            runner.room("y", y.size());
            ASSERT_TRUE(runner.enqueue()) << deployed.log.text();
            const Dims shape = runner.context().getTensorShape("y");
            ASSERT_EQ(shape.nbDims, 2);
            EXPECT_EQ(shape.d[0], size[0]);
            EXPECT_EQ(shape.d[1], size[1]);
            expectNear(runner.take("y", y.size()), y, 0, std::to_string(y.size()) + " elements");
        }
    }
}

} // namespace
} // namespace tenon::gpu_test
