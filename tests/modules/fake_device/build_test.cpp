// Networks built for the host and the fake device together, through the public API: what falls where, times, replays, missing devices.
#include "api_test_tools.h"

#include "core/api/engine.h"
#include "core/plan/reader.h"
#include "core/runtime/device.h"
#include "core/schedule/tuning_database.h"
#include "registry/module_registry.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <cstring>
#include <map>
#include <thread>

namespace tenon::api::test {

using namespace nvinfer1;
using testing::HasSubstr;
using testing::Not;

namespace {

Dims dims(std::initializer_list<int64_t> extents) {
    Dims d{static_cast<int32_t>(extents.size()), {}};
    std::copy(extents.begin(), extents.end(), &d.d[0]);
    return d;
}

// The context's bindings in device memory, filled from and read to the host.
class Bound {
public:
    Bound(ICudaEngine& engine, IExecutionContext& context)
        : mPlan(static_cast<Engine&>(engine).plan()), mContext(context) {}
    void give(const char* name, const std::vector<float>& values) {
        const runtime::Device* device = at(name);
        if (device == nullptr) {
            ADD_FAILURE() << name << " is in host memory";
            return;
        }
        EXPECT_TRUE(mMemory[name].reserve(static_cast<int64_t>(values.size() * 4), name).ok());
        EXPECT_TRUE(
            device->copy(mMemory[name].data(), values.data(), static_cast<int64_t>(values.size() * 4), nullptr).ok());
        EXPECT_TRUE(mContext.setTensorAddress(name, mMemory[name].data()));
    }
    void room(const char* name, size_t count) {
        ASSERT_NE(at(name), nullptr);
        EXPECT_TRUE(mMemory[name].reserve(static_cast<int64_t>(count * 4), name).ok());
        EXPECT_TRUE(mContext.setTensorAddress(name, mMemory[name].data()));
    }
    std::vector<float> take(const char* name, size_t count) {
        std::vector<float> values(count);
        EXPECT_TRUE(at(name)->copy(values.data(), mMemory[name].data(), static_cast<int64_t>(count * 4), nullptr).ok());
        return values;
    }

private:
    const runtime::Device* at(const char* name) {
        const TnPlacement placement = mPlan.plan().bindings[static_cast<size_t>(mPlan.bindingOf(name))].placement;
        if (placement == TN_PLACEMENT_HOST) {
            return nullptr;
        }
        const runtime::Device& device = mPlan.devices().at(placement);
        mMemory.emplace(name, device.allocator());
        return &device;
    }

    const runtime::LoadedPlan& mPlan;
    IExecutionContext& mContext;
    std::map<std::string, runtime::GrowingBuffer> mMemory;
};

class DeviceBuild : public ::testing::Test {
protected:
    static void SetUpTestSuite() {
        const support::Status loaded = registry::ModuleRegistry::process().load(TENON_TEST_FAKEGPU);
        ASSERT_TRUE(loaded.ok()) << loaded.toString();
    }

    // y = softmax(relu(x) * w): products and relu on the device, softmax on the host alone. x is [N, 64].
    static void addNetwork(Session& s, int32_t level, const std::vector<float>& weights) {
        ITensor* x = s.network->addInput("x", DataType::kFLOAT, dims({-1, 64}));
        ITensor* h = s.network->addActivation(*x, ActivationType::kRELU)->getOutput(0);
        ITensor* w =
            s.network->addConstant(dims({64, 32}), Weights{DataType::kFLOAT, weights.data(), 64 * 32})->getOutput(0);
        h = s.network->addMatrixMultiply(*h, MatrixOperation::kNONE, *w, MatrixOperation::kNONE)->getOutput(0);
        ISoftMaxLayer* softmax = s.network->addSoftMax(*h);
        softmax->setAxes(2);
        softmax->getOutput(0)->setName("y");
        s.network->markOutput(*softmax->getOutput(0));
        IOptimizationProfile* profile = s.builder->createOptimizationProfile();
        profile->setDimensions("x", OptProfileSelector::kMIN, dims({1, 64}));
        profile->setDimensions("x", OptProfileSelector::kOPT, dims({4, 64}));
        profile->setDimensions("x", OptProfileSelector::kMAX, dims({16, 64}));
        s.config->addOptimizationProfile(profile);
        s.config->setBuilderOptimizationLevel(level);
    }

    static std::vector<float> pattern(size_t count, int seed) {
        std::vector<float> values(count);
        for (size_t i = 0; i < count; ++i) {
            values[i] = static_cast<float>((i * 37 + static_cast<size_t>(seed) * 101) % 64) / 32.0F - 1.0F;
        }
        return values;
    }

    static std::vector<float> answer(const std::vector<float>& x, const std::vector<float>& w) {
        std::vector<float> y;
        for (size_t n = 0; n < x.size() / 64; ++n) {
            std::vector<double> row(32, 0.0);
            double sum = 0;
            for (size_t j = 0; j < 32; ++j) {
                for (size_t k = 0; k < 64; ++k) {
                    row[j] += double{std::max(x[n * 64 + k], 0.0F)} * double{w[k * 32 + j]};
                }
            }
            const double most = *std::max_element(row.begin(), row.end());
            for (double& each : row) {
                sum += each = std::exp(each - most);
            }
            for (const double each : row) {
                y.push_back(static_cast<float>(each / sum));
            }
        }
        return y;
    }

    static void expectNear(const std::vector<float>& a, const std::vector<float>& b) {
        ASSERT_EQ(a.size(), b.size());
        for (size_t i = 0; i < a.size(); ++i) {
            ASSERT_NEAR(a[i], b[i], 1e-5) << i;
        }
    }

    // Only what the device computes and the host's softmax, so that the placement does not depend on times.
    static std::unique_ptr<IHostMemory> build(Session& s) {
        const char* names[] = {"fakegpu", "reference"};
        EXPECT_TRUE(s.config->setTacticProviders(&names[0], 2));
        std::unique_ptr<IHostMemory> plan(s.builder->buildSerializedNetwork(*s.network, *s.config));
        EXPECT_NE(plan, nullptr) << s.logger.text;
        return plan;
    }

    static std::unique_ptr<ICudaEngine> load(Session& s, IRuntime& runtime, const IHostMemory& plan) {
        std::unique_ptr<ICudaEngine> made(runtime.deserializeCudaEngine(plan.data(), plan.size()));
        EXPECT_NE(made, nullptr) << s.logger.text;
        return made;
    }

    static plan::Plan read(const IHostMemory& bytes) {
        auto plan = plan::readPlan({static_cast<const std::byte*>(bytes.data()), bytes.size()}, nullptr);
        EXPECT_TRUE(plan.ok()) << plan.status().toString();
        return plan.ok() ? *plan : plan::Plan();
    }

    std::vector<float> weights = pattern(64 * 32, 3);
};

TEST_F(DeviceBuild, OpsWithoutADeviceKernelFallToTheHost) {
    for (const int32_t level : {0, 3}) {
        Session s;
        addNetwork(s, level, weights);
        const auto bytes = build(s);
        ASSERT_NE(bytes, nullptr);
        const plan::Plan plan = read(*bytes);
        ASSERT_EQ(plan.devices.size(), 1U);
        EXPECT_EQ(plan.devices[0].backend, "fakegpu");
        EXPECT_EQ(plan.bindings[0].placement, 1);
        EXPECT_EQ(plan.bindings[1].placement, 1);
        std::map<std::string, TnPlacement> where;
        int copies = 0;
        for (const plan::PlanStep& step : plan.programs[0].steps) {
            where[step.op] = step.placement;
            copies += step.kind == plan::StepKind::kCopy ? 1 : 0;
        }
        EXPECT_EQ(where["matmul"], 1) << "level " << level;
        EXPECT_EQ(where["softmax"], TN_PLACEMENT_HOST);
        EXPECT_EQ(copies, 2) << "down to the softmax and up to the output";

        std::unique_ptr<IRuntime> runtime(tenon::createInferRuntime(s.logger));
        const auto engine = load(s, *runtime, *bytes);
        ASSERT_NE(engine, nullptr);
        EXPECT_EQ(engine->getTensorLocation("x"), TensorLocation::kDEVICE);
        std::unique_ptr<IExecutionContext> context(engine->createExecutionContext());
        Bound bound(*engine, *context);
        for (const int64_t n : {1, 16, 5}) {
            const std::vector<float> x = pattern(static_cast<size_t>(n) * 64, static_cast<int>(n));
            ASSERT_TRUE(context->setInputShape("x", dims({n, 64})));
            bound.give("x", x);
            bound.room("y", static_cast<size_t>(n) * 32);
            ASSERT_TRUE(context->enqueueV3(nullptr)) << s.logger.text;
            expectNear(bound.take("y", static_cast<size_t>(n) * 32), answer(x, weights));
        }
        // A step on the host stands in the way of a recording.
        s.logger.takeErrors();
        EXPECT_FALSE(context->setGraphCapture(true));
        EXPECT_THAT(s.logger.takeErrors(), HasSubstr("runs on the host"));
    }
}

TEST_F(DeviceBuild, PackedWeightsAreMadeAtLoad) {
    Session s;
    addNetwork(s, 0, weights); // estimates prefer the packed product
    const auto bytes = build(s);
    ASSERT_NE(bytes, nullptr);
    const plan::Plan plan = read(*bytes);
    ASSERT_EQ(plan.weightProgram.steps.size(), 1U);
    EXPECT_EQ(plan.weightProgram.steps[0].placement, 1);
    int present = 0;
    for (const plan::PlanConstant& constant : plan.constants) {
        EXPECT_EQ(constant.data == nullptr, constant.derived) << constant.name;
        present += constant.data != nullptr ? 1 : 0;
    }
    EXPECT_EQ(present, 1);
}

TEST_F(DeviceBuild, ReplaysAndCachedTimesGiveTheSamePlan) {
    Session first;
    addNetwork(first, 3, weights);
    const auto bytes = build(first);
    ASSERT_NE(bytes, nullptr);
    const plan::Plan plan = read(*bytes);

    Session replayed;
    addNetwork(replayed, 3, weights);
    ASSERT_TRUE(replayed.config->setReplayLedger(std::string(plan.ledgerJson.view()).c_str())) << replayed.logger.text;
    const auto again = build(replayed);
    ASSERT_NE(again, nullptr);
    EXPECT_EQ(read(*again).contentHash, plan.contentHash);
    EXPECT_EQ(read(*again).ledgerJson.view(), plan.ledgerJson.view());

    // A cache that was written and read, and nothing measured: every time of both placements was in it.
    Session cached;
    addNetwork(cached, 3, weights);
    std::unique_ptr<ITimingCache> cache(cached.config->createTimingCache(nullptr, 0));
    ASSERT_TRUE(cached.config->setTimingCache(*cache, false));
    ASSERT_NE(build(cached), nullptr);
    std::unique_ptr<IHostMemory> stored(cached.config->getTimingCache()->serialize());
    Session strict;
    addNetwork(strict, 3, weights);
    std::unique_ptr<ITimingCache> known(strict.config->createTimingCache(stored->data(), stored->size()));
    ASSERT_TRUE(strict.config->setTimingCache(*known, false));
    strict.config->setFlag(BuilderFlag::kERROR_ON_TIMING_CACHE_MISS);
    EXPECT_NE(build(strict), nullptr);
}

TEST_F(DeviceBuild, ATuningDatabaseStandsInForTheDevice) {
    Session tuned;
    addNetwork(tuned, 3, weights);
    ASSERT_TRUE(tuned.config->setTuningDatabase("", 0));
    const auto here = build(tuned);
    ASSERT_NE(here, nullptr);
    std::unique_ptr<IHostMemory> database(tuned.config->getTuningDatabase());
    ASSERT_NE(database, nullptr);

    setenv("FAKEGPU_DEVICES", "0", 1);
    Session remote;
    addNetwork(remote, 3, weights);
    EXPECT_TRUE(remote.config->setTuningDatabase(static_cast<const char*>(database->data()), database->size()));
    const auto there = build(remote);
    Session unknown;
    addNetwork(unknown, 3, weights);
    schedule::TuningDatabase empty;
    empty.device = schedule::RecordedTarget{"fakegpu", "{}", "fakegpu-1"};
    const std::string text = empty.serialize();
    EXPECT_TRUE(unknown.config->setTuningDatabase(text.data(), text.size()));
    const auto estimated = build(unknown);
    unsetenv("FAKEGPU_DEVICES");
    ASSERT_NE(there, nullptr) << remote.logger.text;
    ASSERT_NE(estimated, nullptr) << unknown.logger.text;
    // All times known: the same choice, and nothing to note. None known: a plan all the same, which says so.
    const auto tactics = [](const plan::Plan& plan) {
        std::vector<std::string> names;
        for (const plan::PlanStep& step : plan.programs[0].steps) {
            names.push_back(step.kernel < 0 ? step.op : plan.kernels[static_cast<size_t>(step.kernel)].tactic);
        }
        return names;
    };
    EXPECT_EQ(tactics(read(*there)), tactics(read(*here)));
    EXPECT_THAT(read(*there).ledgerJson.view(), Not(HasSubstr("have no recorded time")));
    EXPECT_THAT(read(*estimated).ledgerJson.view(), HasSubstr("have no recorded time"));
    EXPECT_THAT(unknown.logger.text, HasSubstr("have no recorded time"));
    EXPECT_EQ(read(*estimated).devices.size(), 1U);
    // Both run where the device is.
    for (const IHostMemory* bytes : {there.get(), estimated.get()}) {
        std::unique_ptr<IRuntime> runtime(tenon::createInferRuntime(remote.logger));
        const auto engine = load(remote, *runtime, *bytes);
        ASSERT_NE(engine, nullptr);
        std::unique_ptr<IExecutionContext> context(engine->createExecutionContext());
        Bound bound(*engine, *context);
        const std::vector<float> x = pattern(3 * 64, 8);
        ASSERT_TRUE(context->setInputShape("x", dims({3, 64})));
        bound.give("x", x);
        bound.room("y", 3 * 32);
        ASSERT_TRUE(context->enqueueV3(nullptr)) << remote.logger.text;
        expectNear(bound.take("y", 3 * 32), answer(x, weights));
    }
    EXPECT_FALSE(remote.config->setTuningDatabase("{}", 2));
}

// A plan must not be wrong because there was no time to compare: not of small nodes, which the reference computes, nor of those of millions of
// elements, which another exact kernel of the device does.
TEST_F(DeviceBuild, WrongKernelsAreFoundOutWhateverTheBudget) {
    for (const char* lie : {"half", "inplace"}) {
        for (const int64_t rows : {4, 1 << 16}) {
            for (const float budget : {1e-9F, 10.0F}) {
                setenv("FAKEGPU_LIES", lie, 1);
                Session s;
                ITensor* x = s.network->addInput("x", DataType::kFLOAT, dims({rows, 64}));
                ITensor* y = s.network->addActivation(*x, ActivationType::kRELU)->getOutput(0);
                y->setName("y");
                s.network->markOutput(*y);
                s.config->setBuilderOptimizationLevel(0); // the estimates decide, and they prefer the lie
                s.config->setVerificationBudget(budget);
                const auto bytes = build(s);
                unsetenv("FAKEGPU_LIES");
                ASSERT_NE(bytes, nullptr);
                EXPECT_THAT(s.logger.text, HasSubstr(std::string("dropped tactic '") + lie + "'")) << rows;
                EXPECT_THAT(s.logger.text, HasSubstr("differs from the reference")) << rows;
                EXPECT_THAT(s.logger.text, Not(HasSubstr("were not compared")));
                EXPECT_THAT(read(*bytes).ledgerJson.view(), HasSubstr("\"verified\""));
                EXPECT_EQ(s.logger.text.find("in place:") != std::string::npos, std::string(lie) == "inplace");
            }
        }
    }
}

// On the device as on the host. The largest extents get what the budget leaves, and it is said when that is nothing.
TEST_F(DeviceBuild, TheEndsOfAProfileAreComparedToo) {
    for (const float budget : {1e-9F, 10.0F}) {
        Session s;
        addNetwork(s, 0, weights);
        s.config->setVerificationBudget(budget);
        const auto bytes = build(s);
        ASSERT_NE(bytes, nullptr);
        const plan::Plan plan = read(*bytes);
        const std::string ledger(plan.ledgerJson.view());
        EXPECT_THAT(ledger, HasSubstr("\"minimum\": \"\""));
        EXPECT_THAT(ledger, HasSubstr("\"optimum\": \"\""));
        const bool isSpent = budget < 1;
        EXPECT_EQ(ledger.find("\"maximum\": \"\"") == std::string::npos, isSpent);
        EXPECT_EQ(ledger.find("[16,64]: the verification budget of") != std::string::npos, isSpent);
        EXPECT_EQ(s.logger.text.find("everywhere in the profile; `tenon explain`") != std::string::npos, isSpent);
    }
}

TEST_F(DeviceBuild, EveryTacticIsComparedWhereThatIsAskedFor) {
    for (const bool everything : {false, true}) {
        setenv("FAKEGPU_LIES", "half", 1);
        setenv("FAKEGPU_LIES_SLOW", "1", 1); // so that nobody would choose it
        Session s;
        ITensor* x = s.network->addInput("x", DataType::kFLOAT, dims({4, 64}));
        ITensor* y = s.network->addActivation(*x, ActivationType::kRELU)->getOutput(0);
        s.network->markOutput(*y);
        s.config->setBuilderOptimizationLevel(0);
        s.config->setVerificationBudget(everything ? INFINITY : 10);
        EXPECT_NE(build(s), nullptr);
        unsetenv("FAKEGPU_LIES");
        unsetenv("FAKEGPU_LIES_SLOW");
        EXPECT_EQ(s.logger.text.find("dropped tactic 'half'") != std::string::npos, everything);
    }
}

TEST_F(DeviceBuild, AllOnTheDeviceCanBeRecorded) {
    Session s;
    ITensor* x = s.network->addInput("x", DataType::kFLOAT, dims({4, 4}));
    ITensor* h = s.network->addActivation(*x, ActivationType::kRELU)->getOutput(0);
    h = s.network->addElementWise(*h, *x, ElementWiseOperation::kSUM)->getOutput(0);
    h->setName("y");
    s.network->markOutput(*h);
    const auto bytes = build(s);
    ASSERT_NE(bytes, nullptr);
    std::unique_ptr<IRuntime> runtime(tenon::createInferRuntime(s.logger));
    const auto engine = load(s, *runtime, *bytes);
    ASSERT_NE(engine, nullptr);
    std::unique_ptr<IExecutionContext> context(engine->createExecutionContext());
    EXPECT_TRUE(context->setGraphCapture(true)) << s.logger.text;
    EXPECT_TRUE(context->getGraphCapture());
    Bound bound(*engine, *context);
    bound.room("y", 16);
    for (int i = 0; i < 3; ++i) {
        const std::vector<float> values = pattern(16, i);
        bound.give("x", values);
        ASSERT_TRUE(context->enqueueV3(nullptr)) << s.logger.text;
        const std::vector<float> y = bound.take("y", 16);
        for (size_t k = 0; k < 16; ++k) {
            EXPECT_FLOAT_EQ(y[k], values[k] + std::max(values[k], 0.0F));
        }
    }
}

TEST_F(DeviceBuild, ContextsOnThreads) {
    Session s;
    addNetwork(s, 0, weights);
    const auto bytes = build(s);
    ASSERT_NE(bytes, nullptr);
    std::unique_ptr<IRuntime> runtime(tenon::createInferRuntime(s.logger));
    const auto engine = load(s, *runtime, *bytes);
    ASSERT_NE(engine, nullptr);
    std::vector<std::thread> threads;
    for (int t = 0; t < 3; ++t) {
        threads.emplace_back([&, t] {
            std::unique_ptr<IExecutionContext> context(engine->createExecutionContext());
            Bound bound(*engine, *context);
            for (int i = 0; i < 8; ++i) {
                const auto n = static_cast<int64_t>(1 + (i + t * 3) % 16);
                const std::vector<float> x = pattern(static_cast<size_t>(n) * 64, i * 7 + t);
                EXPECT_TRUE(context->setInputShape("x", dims({n, 64})));
                bound.give("x", x);
                bound.room("y", static_cast<size_t>(n) * 32);
                EXPECT_TRUE(context->enqueueV3(nullptr));
                expectNear(bound.take("y", static_cast<size_t>(n) * 32), answer(x, weights));
            }
        });
    }
    for (std::thread& thread : threads) {
        thread.join();
    }
}

// The device's memory, counted.
class CountingAllocator final : public IGpuAllocator {
public:
    void* allocate(uint64_t const size, uint64_t const alignment, AllocatorFlags const) noexcept override {
        void* memory = mOwn.allocate(mOwn.context, static_cast<int64_t>(size), static_cast<int64_t>(alignment));
        held[memory] = size;
        bytes += size;
        return memory;
    }
    bool deallocate(void* const memory) noexcept override {
        EXPECT_EQ(held.erase(memory), 1U);
        mOwn.deallocate(mOwn.context, memory);
        return true;
    }
    // What an ordering with a stream would make of memory that every stream uses.
    void* allocateAsync(uint64_t const, uint64_t const, AllocatorFlags const, cudaStream_t) noexcept override {
        ADD_FAILURE() << "memory of one stream";
        return nullptr;
    }
    std::map<void*, uint64_t> held;
    uint64_t bytes = 0; // ever

private:
    std::shared_ptr<const registry::RegistrySnapshot> mSnapshot = registry::ModuleRegistry::process().snapshot();
    runtime::Device mDevice{*mSnapshot->backend("fakegpu"), 0};
    runtime::AllocatorCallbacks mOwn = mDevice.allocator();
};

TEST_F(DeviceBuild, DeviceMemoryComesFromTheApplicationsAllocator) {
    Session s;
    addNetwork(s, 3, weights);
    CountingAllocator building;
    s.builder->setGpuAllocator(&building);
    const auto bytes = build(s);
    ASSERT_NE(bytes, nullptr);
    EXPECT_GT(building.bytes, 0U) << "kernels were tried on other memory";
    EXPECT_TRUE(building.held.empty());

    CountingAllocator running;
    {
        std::unique_ptr<IRuntime> runtime(tenon::createInferRuntime(s.logger));
        runtime->setGpuAllocator(&running);
        const auto engine = load(s, *runtime, *bytes);
        ASSERT_NE(engine, nullptr);
        EXPECT_GE(running.bytes, weights.size() * sizeof(float)) << "weights";
        const uint64_t ofWeights = running.bytes;
        std::unique_ptr<IExecutionContext> context(engine->createExecutionContext());
        EXPECT_GE(running.bytes, ofWeights + static_cast<uint64_t>(engine->getDeviceMemorySizeV2()));
        EXPECT_GT(engine->getDeviceMemorySizeV2(), 0);
        Bound bound(*engine, *context);
        const std::vector<float> x = pattern(3 * 64, 2);
        ASSERT_TRUE(context->setInputShape("x", dims({3, 64})));
        bound.give("x", x);
        bound.room("y", 3 * 32);
        ASSERT_TRUE(context->enqueueV3(nullptr)) << s.logger.text;
        expectNear(bound.take("y", 3 * 32), answer(x, weights));
        EXPECT_FALSE(running.held.empty());
    }
    EXPECT_TRUE(running.held.empty()) << running.held.size() << " blocks were not given back";
}

TEST_F(DeviceBuild, WithoutItsDeviceAPlanDoesNotLoad) {
    Session s;
    addNetwork(s, 0, weights);
    const auto bytes = build(s);
    ASSERT_NE(bytes, nullptr);
    setenv("FAKEGPU_DEVICES", "0", 1);
    std::unique_ptr<IRuntime> runtime(tenon::createInferRuntime(s.logger));
    s.logger.takeErrors();
    EXPECT_EQ(runtime->deserializeCudaEngine(bytes->data(), bytes->size()), nullptr);
    const std::string errors = s.logger.takeErrors();
    EXPECT_THAT(errors, HasSubstr("backend 'fakegpu'"));
    EXPECT_THAT(errors, HasSubstr("FAKEGPU_DEVICES says that there is none"));
    // And a build goes on with the host.
    Session host;
    addNetwork(host, 0, weights);
    const char* names[] = {"reference"};
    EXPECT_TRUE(host.config->setTacticProviders(&names[0], 1));
    std::unique_ptr<IHostMemory> plan(host.builder->buildSerializedNetwork(*host.network, *host.config));
    unsetenv("FAKEGPU_DEVICES");
    ASSERT_NE(plan, nullptr) << host.logger.text;
    EXPECT_TRUE(read(*plan).devices.empty());
}

} // namespace
} // namespace tenon::api::test
