// From networks to answers: builds, plans, engines, contexts, profiles, callbacks. Uses whatever backends are installed.
#include "api_test_tools.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <map>
#include <numeric>

namespace tenon::api::test {

using namespace nvinfer1;
using testing::HasSubstr;

namespace {

Dims dims(std::initializer_list<int64_t> extents) {
    Dims d{static_cast<int32_t>(extents.size()), {}};
    int32_t i = 0;
    for (const int64_t extent : extents) {
        d.d[i++] = extent;
    }
    return d;
}

constexpr int64_t kOne = 1;

class EngineTest : public testing::Test {
protected:
    // y = relu(x) * 2 + 1 over [N, 3], N in 1..8.
    void addAffine() {
        ITensor* x = s.network->addInput("x", DataType::kFLOAT, dims({-1, 3}));
        ITensor* y = s.network->addActivation(*x, ActivationType::kRELU)->getOutput(0);
        const Weights none{DataType::kFLOAT, nullptr, 0};
        y = s.network
                ->addScaleNd(*y, ScaleMode::kUNIFORM, Weights{DataType::kFLOAT, &one, 1},
                             Weights{DataType::kFLOAT, &two, 1}, none, 1)
                ->getOutput(0);
        y->setName("y");
        s.network->markOutput(*y);
        IOptimizationProfile* profile = s.builder->createOptimizationProfile();
        EXPECT_TRUE(profile->setDimensions("x", OptProfileSelector::kMIN, dims({1, 3})));
        EXPECT_TRUE(profile->setDimensions("x", OptProfileSelector::kOPT, dims({4, 3})));
        EXPECT_TRUE(profile->setDimensions("x", OptProfileSelector::kMAX, dims({8, 3})));
        EXPECT_EQ(s.config->addOptimizationProfile(profile), 0);
        s.config->setBuilderOptimizationLevel(0);
    }
    std::unique_ptr<ICudaEngine> engine() {
        std::unique_ptr<IHostMemory> plan(s.builder->buildSerializedNetwork(*s.network, *s.config));
        EXPECT_NE(plan, nullptr) << s.logger.text;
        if (plan == nullptr) {
            return nullptr;
        }
        runtime.reset(tenon::createInferRuntime(s.logger));
        std::unique_ptr<ICudaEngine> made(runtime->deserializeCudaEngine(plan->data(), plan->size()));
        EXPECT_NE(made, nullptr) << s.logger.text;
        return made;
    }

    float one = 1.0F;
    float two = 2.0F;
    Session s;
    std::unique_ptr<IRuntime> runtime;
};

// Two parts that compute the same on extents of the same range share a task, but each reads its own extents.
TEST_F(EngineTest, EqualTasksKeepTheirOwnExtents) {
    const auto lastElement = [this](const char* name, const char* result) {
        ITensor* input = s.network->addInput(name, DataType::kFLOAT, dims({-1}));
        ITensor* length = s.network->addShape(*input)->getOutput(0);
        ITensor* oneElement = s.network->addConstant(dims({1}), Weights{DataType::kINT64, &kOne, 1})->getOutput(0);
        ITensor* start = s.network->addElementWise(*length, *oneElement, ElementWiseOperation::kSUB)->getOutput(0);
        ISliceLayer* slice = s.network->addSlice(*input, dims({0}), dims({1}), dims({1}));
        slice->setInput(1, *start);
        slice->getOutput(0)->setName(result);
        s.network->markOutput(*slice->getOutput(0));
    };
    lastElement("p", "last_p");
    lastElement("q", "last_q");
    IOptimizationProfile* profile = s.builder->createOptimizationProfile();
    for (const char* name : {"p", "q"}) {
        profile->setDimensions(name, OptProfileSelector::kMIN, dims({1}));
        profile->setDimensions(name, OptProfileSelector::kOPT, dims({4}));
        profile->setDimensions(name, OptProfileSelector::kMAX, dims({8}));
    }
    s.config->addOptimizationProfile(profile);
    s.config->setBuilderOptimizationLevel(0);
    const auto e = engine();
    ASSERT_NE(e, nullptr);
    std::unique_ptr<IExecutionContext> context(e->createExecutionContext());
    const float p[] = {1, 2, 3};
    const float q[] = {10, 20, 30, 40, 50};
    float lastP = 0;
    float lastQ = 0;
    ASSERT_TRUE(context->setInputShape("p", dims({3})) && context->setInputShape("q", dims({5})));
    ASSERT_TRUE(context->setInputTensorAddress("p", p) && context->setInputTensorAddress("q", q));
    ASSERT_TRUE(context->setTensorAddress("last_p", &lastP) && context->setTensorAddress("last_q", &lastQ));
    ASSERT_TRUE(context->enqueueV3(nullptr)) << s.logger.takeErrors();
    EXPECT_EQ(lastP, 3.0F);
    EXPECT_EQ(lastQ, 50.0F);
}

// Names that differ only in characters which the IR's text does not hold.
TEST_F(EngineTest, DimensionsOfAlikeNamesAreTheirOwn) {
    ITensor* x = s.network->addInput("x.1", DataType::kFLOAT, dims({-1}));
    ITensor* y = s.network->addInput("x_1", DataType::kFLOAT, dims({-1}));
    x->setDimensionName(0, "s+1");
    y->setDimensionName(0, "s-1");
    ITensor* inputs[] = {x, y};
    ITensor* both = s.network->addConcatenation(inputs, 2)->getOutput(0);
    both->setName("both");
    s.network->markOutput(*both);
    IOptimizationProfile* profile = s.builder->createOptimizationProfile();
    for (const char* name : {"x.1", "x_1"}) {
        profile->setDimensions(name, OptProfileSelector::kMIN, dims({1}));
        profile->setDimensions(name, OptProfileSelector::kOPT, dims({2}));
        profile->setDimensions(name, OptProfileSelector::kMAX, dims({4}));
    }
    s.config->addOptimizationProfile(profile);
    s.config->setBuilderOptimizationLevel(0);
    const auto e = engine();
    ASSERT_NE(e, nullptr);
    std::unique_ptr<IExecutionContext> context(e->createExecutionContext());
    EXPECT_TRUE(context->setInputShape("x.1", dims({3})));
    EXPECT_TRUE(context->setInputShape("x_1", dims({1})));
    EXPECT_EQ(text(context->getTensorShape("both")), "[4]");
}

// A build that is stopped gives a plan all the same, and says what it is.
TEST_F(EngineTest, StopFlagEndsTheBuildWithItsBestPlan) {
    addAffine();
    s.config->setBuilderOptimizationLevel(5);
    const std::atomic<bool> stop{true};
    s.config->setStopFlag(&stop);
    const auto e = engine();
    ASSERT_NE(e, nullptr);
    EXPECT_NE(s.logger.text.find("stopped early"), std::string::npos) << s.logger.text;
    EXPECT_NE(s.logger.text.find("not compared with the reference"), std::string::npos) << s.logger.text;
    std::unique_ptr<IExecutionContext> context(e->createExecutionContext());
    float x[] = {-1, 2, 3};
    float y[3] = {};
    ASSERT_TRUE(context->setInputShape("x", dims({1, 3})));
    ASSERT_TRUE(context->setTensorAddress("x", x) && context->setTensorAddress("y", y));
    ASSERT_TRUE(context->enqueueV3(nullptr)) << s.logger.text;
    EXPECT_EQ(y[1], 5.0F);
    s.config->setStopFlag(nullptr);
    s.logger.text.clear();
    EXPECT_NE(engine(), nullptr);
    EXPECT_EQ(s.logger.text.find("stopped early"), std::string::npos) << s.logger.text;
}

TEST_F(EngineTest, RunsAtSeveralShapes) {
    addAffine();
    const auto e = engine();
    ASSERT_NE(e, nullptr);
    EXPECT_EQ(e->getNbIOTensors(), 2);
    EXPECT_STREQ(e->getIOTensorName(0), "x");
    EXPECT_EQ(e->getTensorIOMode("y"), TensorIOMode::kOUTPUT);
    EXPECT_EQ(text(e->getTensorShape("x")), "[-1,3]");
    EXPECT_EQ(text(e->getTensorShape("y")), "[-1,3]");
    EXPECT_EQ(text(e->getProfileShape("x", 0, OptProfileSelector::kMAX)), "[8,3]");
    EXPECT_STREQ(e->getTensorFormatDesc("x"), "Row-major linear FP32 format");
    std::unique_ptr<IExecutionContext> context(e->createExecutionContext());
    ASSERT_NE(context, nullptr) << s.logger.text;
    const char* missing[2] = {};
    EXPECT_EQ(context->inferShapes(2, missing), 1);
    EXPECT_STREQ(missing[0], "x");
    for (const int64_t n : {1, 8, 5}) {
        std::vector<float> x(static_cast<size_t>(n) * 3);
        std::iota(x.begin(), x.end(), -4.0F);
        std::vector<float> y(x.size(), -99.0F);
        ASSERT_TRUE(context->setInputShape("x", dims({n, 3}))) << s.logger.text;
        EXPECT_EQ(text(context->getTensorShape("y")), support::cat("[", n, ",3]"));
        EXPECT_EQ(text(context->getTensorStrides("y")), "[3,1]");
        ASSERT_TRUE(context->setTensorAddress("x", x.data()));
        ASSERT_TRUE(context->setTensorAddress("y", y.data()));
        ASSERT_TRUE(context->enqueueV3(nullptr)) << s.logger.text;
        for (size_t i = 0; i < x.size(); ++i) {
            EXPECT_FLOAT_EQ(y[i], std::max(x[i], 0.0F) * 2 + 1) << i;
        }
    }
}

TEST_F(EngineTest, RefusesShapesOutsideTheProfile) {
    addAffine();
    const auto e = engine();
    ASSERT_NE(e, nullptr);
    std::unique_ptr<IExecutionContext> context(e->createExecutionContext());
    s.logger.takeErrors();
    EXPECT_FALSE(context->setInputShape("x", dims({9, 3})));
    EXPECT_THAT(s.logger.takeErrors(), HasSubstr("'x'"));
    EXPECT_FALSE(context->setInputShape("z", dims({1, 3})));
    EXPECT_THAT(s.logger.takeErrors(), HasSubstr("no input or output named 'z'"));
    EXPECT_FALSE(context->enqueueV3(nullptr));
    EXPECT_FALSE(s.logger.takeErrors().empty());
}

TEST_F(EngineTest, ExecuteTakesAddressesInOrder) {
    addAffine();
    const auto e = engine();
    ASSERT_NE(e, nullptr);
    std::unique_ptr<IExecutionContext> context(e->createExecutionContext());
    ASSERT_TRUE(context->setInputShape("x", dims({1, 3})));
    float x[] = {1, -2, 3};
    float y[3] = {};
    void* bindings[] = {x, y};
    ASSERT_TRUE(context->executeV2(bindings)) << s.logger.text;
    EXPECT_THAT(y, testing::ElementsAre(3, 1, 7));
}

TEST_F(EngineTest, AnOutputAllocatorGivesTheMemory) {
    addAffine();
    const auto e = engine();
    ASSERT_NE(e, nullptr);
    class Allocator final : public IOutputAllocator {
    public:
        void* reallocateOutputAsync(char const*, void*, uint64_t size, uint64_t, cudaStream_t) override {
            memory.resize(size / sizeof(float));
            return memory.data();
        }
        void notifyShape(char const* name, Dims const& d) noexcept override { shapes[name] = text(d); }
        std::vector<float> memory;
        std::map<std::string, std::string> shapes;
    } allocator;
    std::unique_ptr<IExecutionContext> context(e->createExecutionContext());
    ASSERT_TRUE(context->setInputShape("x", dims({2, 3})));
    float x[] = {1, 2, 3, 4, 5, 6};
    ASSERT_TRUE(context->setInputTensorAddress("x", x));
    ASSERT_TRUE(context->setOutputAllocator("y", &allocator));
    ASSERT_TRUE(context->enqueueV3(nullptr)) << s.logger.text;
    EXPECT_EQ(allocator.shapes["y"], "[2,3]");
    EXPECT_THAT(allocator.memory, testing::ElementsAre(3, 5, 7, 9, 11, 13));
}

TEST_F(EngineTest, ReportsTimesOfLayers) {
    addAffine();
    const auto e = engine();
    ASSERT_NE(e, nullptr);
    class Profiler final : public IProfiler {
    public:
        void reportLayerTime(char const* name, float ms) noexcept override { times[name] += ms; }
        std::map<std::string, float> times;
    } profiler;
    std::unique_ptr<IExecutionContext> context(e->createExecutionContext());
    context->setProfiler(&profiler);
    ASSERT_TRUE(context->setInputShape("x", dims({1, 3})));
    float x[] = {1, -2, 3};
    float y[3] = {};
    void* bindings[] = {x, y};
    ASSERT_TRUE(context->executeV2(bindings)) << s.logger.text;
    EXPECT_FALSE(profiler.times.empty());
}

TEST_F(EngineTest, TheInspectorKnowsLayersAndBindings) {
    addAffine();
    const auto e = engine();
    ASSERT_NE(e, nullptr);
    std::unique_ptr<IEngineInspector> inspector(e->createEngineInspector());
    ASSERT_GT(e->getNbLayers(), 0);
    EXPECT_NE(inspector->getLayerInformation(e->getNbLayers() - 1, LayerInformationFormat::kONELINE), nullptr);
    EXPECT_EQ(inspector->getLayerInformation(e->getNbLayers(), LayerInformationFormat::kJSON), nullptr);
    EXPECT_THAT(inspector->getEngineInformation(LayerInformationFormat::kJSON), HasSubstr("\"Bindings\""));
    EXPECT_THAT(inspector->getEngineInformation(LayerInformationFormat::kONELINE), HasSubstr("TacticName"));
}

TEST_F(EngineTest, PlansSurviveSerializationAndStreams) {
    addAffine();
    const auto e = engine();
    ASSERT_NE(e, nullptr);
    std::unique_ptr<IHostMemory> plan(e->serialize());
    ASSERT_NE(plan, nullptr) << s.logger.text;
    class Reader final : public IStreamReader {
    public:
        explicit Reader(const IHostMemory& memory) : mMemory(memory) {}
        int64_t read(void* to, int64_t bytes) override {
            const int64_t left = static_cast<int64_t>(mMemory.size()) - mAt;
            const int64_t count = std::min(bytes, left);
            std::memcpy(to, static_cast<const char*>(mMemory.data()) + mAt, static_cast<size_t>(count));
            mAt += count;
            return count;
        }

    private:
        const IHostMemory& mMemory;
        int64_t mAt = 0;
    } reader(*plan);
    std::unique_ptr<ICudaEngine> again(runtime->deserializeCudaEngine(reader));
    ASSERT_NE(again, nullptr) << s.logger.text;
    EXPECT_EQ(again->getNbLayers(), e->getNbLayers());
    // A damaged plan is refused with a reason.
    std::vector<char> damaged(static_cast<const char*>(plan->data()),
                              static_cast<const char*>(plan->data()) + plan->size());
    damaged[damaged.size() / 2] = static_cast<char>(damaged[damaged.size() / 2] ^ 1);
    s.logger.takeErrors();
    EXPECT_EQ(runtime->deserializeCudaEngine(damaged.data(), damaged.size()), nullptr);
    EXPECT_FALSE(s.logger.takeErrors().empty());
    EXPECT_EQ(runtime->deserializeCudaEngine(damaged.data(), 10), nullptr);
    EXPECT_EQ(runtime->deserializeCudaEngine(nullptr, 0), nullptr);
}

TEST_F(EngineTest, BuildsFailWithReasons) {
    EXPECT_EQ(s.builder->buildSerializedNetwork(*s.network, *s.config), nullptr);
    EXPECT_THAT(s.logger.takeErrors(), HasSubstr("the network has no output"));
    ITensor* x = s.network->addInput("x", DataType::kFLOAT, dims({-1, 3}));
    ITensor* y = s.network->addActivation(*x, ActivationType::kRELU)->getOutput(0);
    s.network->markOutput(*y);
    EXPECT_EQ(s.builder->buildSerializedNetwork(*s.network, *s.config), nullptr);
    EXPECT_THAT(s.logger.takeErrors(), HasSubstr("add an optimization profile"));
    IOptimizationProfile* profile = s.builder->createOptimizationProfile();
    profile->setDimensions("q", OptProfileSelector::kMIN, dims({1}));
    EXPECT_EQ(s.config->addOptimizationProfile(profile), -1);
    EXPECT_THAT(s.logger.takeErrors(), HasSubstr("input 'q' has no opt dimensions"));
    profile->setDimensions("q", OptProfileSelector::kOPT, dims({1}));
    profile->setDimensions("q", OptProfileSelector::kMAX, dims({1}));
    EXPECT_EQ(s.config->addOptimizationProfile(profile), 0);
    EXPECT_EQ(s.builder->buildSerializedNetwork(*s.network, *s.config), nullptr);
    EXPECT_THAT(s.logger.takeErrors(), HasSubstr("no input named 'q'"));
}

TEST_F(EngineTest, EveryBrokenLayerIsNamedInOneBuild) {
    ITensor* x = s.network->addInput("x", DataType::kFLOAT, dims({2, 3}));
    ITensor* z = s.network->addInput("z", DataType::kFLOAT, dims({4, 5}));
    for (const char* name : {"first", "second"}) {
        IElementWiseLayer* layer = s.network->addElementWise(*x, *z, ElementWiseOperation::kSUM);
        layer->setName(name);
        layer->getOutput(0)->setName((std::string(name) + "_y").c_str());
        s.network->markOutput(*layer->getOutput(0));
    }
    EXPECT_EQ(s.builder->buildSerializedNetwork(*s.network, *s.config), nullptr);
    const std::string errors = s.logger.takeErrors();
    EXPECT_THAT(errors, HasSubstr("layer 'first'"));
    EXPECT_THAT(errors, HasSubstr("layer 'second'"));
}

TEST_F(EngineTest, APrecisionThatMustHoldIsNotReplaced) {
    ITensor* x = s.network->addInput("x", DataType::kFLOAT, dims({2, 3}));
    ISoftMaxLayer* softmax = s.network->addSoftMax(*x);
    softmax->setName("probabilities");
    softmax->setPrecision(DataType::kFP8); // what nothing computes a softmax in
    softmax->getOutput(0)->setName("y");
    s.network->markOutput(*softmax->getOutput(0));
    s.config->setBuilderOptimizationLevel(0);
    EXPECT_NE(engine(), nullptr) << "a wish";
    s.config->setFlag(BuilderFlag::kOBEY_PRECISION_CONSTRAINTS);
    EXPECT_EQ(s.builder->buildSerializedNetwork(*s.network, *s.config), nullptr);
    const std::string errors = s.logger.takeErrors();
    EXPECT_THAT(errors, HasSubstr("probabilities"));
    EXPECT_THAT(errors, HasSubstr("the layer's precision allows f8e4m3"));
}

TEST_F(EngineTest, ShapeInputsDecideDimensions) {
    ITensor* x = s.network->addInput("x", DataType::kFLOAT, dims({1, 1, 2, 2}));
    ITensor* shape = s.network->addInput("shape", DataType::kINT32, dims({4}));
    IResizeLayer* resize = s.network->addResize(*x);
    resize->setInput(1, *shape);
    ITensor* y = s.network->addUnary(*resize->getOutput(0), UnaryOperation::kNEG)->getOutput(0);
    y->setName("y");
    s.network->markOutput(*y);
    EXPECT_TRUE(shape->isShapeTensor());
    IOptimizationProfile* profile = s.builder->createOptimizationProfile();
    const int64_t least[] = {1, 1, 1, 1};
    const int64_t best[] = {1, 1, 4, 4};
    const int64_t most[] = {1, 1, 8, 8};
    EXPECT_TRUE(profile->setShapeValuesV2("shape", OptProfileSelector::kMIN, least, 4));
    EXPECT_TRUE(profile->setShapeValuesV2("shape", OptProfileSelector::kOPT, best, 4));
    EXPECT_EQ(s.config->addOptimizationProfile(profile), -1); // incomplete
    EXPECT_TRUE(profile->setShapeValuesV2("shape", OptProfileSelector::kMAX, most, 4));
    EXPECT_EQ(s.config->addOptimizationProfile(profile), 0);
    s.config->setBuilderOptimizationLevel(0);
    const auto e = engine();
    ASSERT_NE(e, nullptr);
    EXPECT_TRUE(e->isShapeInferenceIO("shape"));
    EXPECT_EQ(e->getTensorLocation("shape"), TensorLocation::kHOST);
    EXPECT_EQ(e->getProfileTensorValuesV2("shape", 0, OptProfileSelector::kOPT)[2], 4);
    EXPECT_EQ(e->getProfileTensorValues("shape", 0, OptProfileSelector::kMAX)[3], 8);
    std::unique_ptr<IExecutionContext> context(e->createExecutionContext());
    int32_t wanted[] = {1, 1, 2, 4};
    float in[] = {1, 2, 3, 4};
    float out[8] = {};
    ASSERT_TRUE(context->setTensorAddress("shape", wanted)) << s.logger.text;
    ASSERT_TRUE(context->setTensorAddress("x", in));
    ASSERT_TRUE(context->setTensorAddress("y", out));
    EXPECT_EQ(context->inferShapes(0, nullptr), 0) << s.logger.text;
    EXPECT_EQ(text(context->getTensorShape("y")), "[1,1,2,4]");
    ASSERT_TRUE(context->enqueueV3(nullptr)) << s.logger.text;
    EXPECT_THAT(out, testing::ElementsAre(-1, -1, -2, -2, -3, -3, -4, -4));
}

TEST_F(EngineTest, BuildEngineWithConfigOutlivesTheNetwork) {
    addAffine();
    std::unique_ptr<ICudaEngine> e(s.builder->buildEngineWithConfig(*s.network, *s.config));
    ASSERT_NE(e, nullptr) << s.logger.text;
    s.network.reset();
    std::unique_ptr<IExecutionContext> context(e->createExecutionContext());
    ASSERT_TRUE(context->setInputShape("x", dims({1, 3})));
    float x[] = {1, -2, 3};
    float y[3] = {};
    void* bindings[] = {x, y};
    one = two = 0.0F;
    ASSERT_TRUE(context->executeV2(bindings)) << s.logger.text;
    EXPECT_THAT(y, testing::ElementsAre(3, 1, 7));
}

TEST_F(EngineTest, ATimingCacheIsFilledAndUsed) {
    addAffine();
    s.config->setBuilderOptimizationLevel(3);
    std::unique_ptr<ITimingCache> cache(s.config->createTimingCache(nullptr, 0));
    ASSERT_NE(cache, nullptr);
    ASSERT_TRUE(s.config->setTimingCache(*cache, false));
    std::unique_ptr<IHostMemory> first(s.builder->buildSerializedNetwork(*s.network, *s.config));
    ASSERT_NE(first, nullptr) << s.logger.text;
    std::unique_ptr<IHostMemory> blob(cache->serialize());
    ASSERT_NE(blob, nullptr);
    std::unique_ptr<ITimingCache> again(s.config->createTimingCache(blob->data(), blob->size()));
    ASSERT_NE(again, nullptr);
    // With every time known, a build that may not measure succeeds.
    ASSERT_TRUE(s.config->setTimingCache(*again, false));
    s.config->setFlag(BuilderFlag::kERROR_ON_TIMING_CACHE_MISS);
    std::unique_ptr<IHostMemory> second(s.builder->buildSerializedNetwork(*s.network, *s.config));
    EXPECT_NE(second, nullptr) << s.logger.text;
    EXPECT_EQ(s.config->createTimingCache("nonsense", 8), nullptr);
}

TEST_F(EngineTest, AMonitorIsToldOfPhases) {
    addAffine();
    class Monitor final : public IProgressMonitor {
    public:
        void phaseStart(char const* phase, char const* parent, int32_t) noexcept override {
            phases.emplace_back(parent == nullptr ? "" : parent, phase);
            liesInItsParent = liesInItsParent && (open.empty() ? "" : open.back()) == phases.back().first;
            open.emplace_back(phase);
        }
        bool stepComplete(char const*, int32_t) noexcept override { return true; }
        void phaseFinish(char const* phase) noexcept override {
            liesInItsParent = liesInItsParent && !open.empty() && open.back() == phase;
            open.pop_back();
        }
        std::vector<std::string> open;
        std::vector<std::pair<std::string, std::string>> phases;
        bool liesInItsParent = true;
    } monitor;
    s.config->setProgressMonitor(&monitor);
    std::unique_ptr<IHostMemory> plan(s.builder->buildSerializedNetwork(*s.network, *s.config));
    ASSERT_NE(plan, nullptr) << s.logger.text;
    EXPECT_TRUE(monitor.open.empty());
    EXPECT_TRUE(monitor.liesInItsParent);
    ASSERT_GE(monitor.phases.size(), 3U);
    EXPECT_THAT(monitor.phases,
                testing::Contains(std::pair<std::string, std::string>("select and verify", "measure conversions")))
        << "the longest of what is measured for selection";
    EXPECT_EQ(monitor.phases[0].first, "");
    EXPECT_EQ(monitor.phases[1].first, monitor.phases[0].second);
}

TEST_F(EngineTest, TwoContextsRunOnTheirOwn) {
    addAffine();
    const auto e = engine();
    ASSERT_NE(e, nullptr);
    std::unique_ptr<IExecutionContext> a(e->createExecutionContext());
    std::unique_ptr<IExecutionContext> b(e->createExecutionContext(ExecutionContextAllocationStrategy::kUSER_MANAGED));
    ASSERT_NE(b, nullptr) << s.logger.text;
    std::vector<char> arena(static_cast<size_t>(e->getDeviceMemorySizeV2()) + 64);
    void* aligned = arena.data();
    size_t room = arena.size();
    std::align(64, room - 64, aligned, room);
    b->setDeviceMemoryV2(aligned, e->getDeviceMemorySizeV2());
    ASSERT_TRUE(a->setInputShape("x", dims({1, 3})));
    ASSERT_TRUE(b->setInputShape("x", dims({2, 3})));
    float x[] = {1, -2, 3, 4, 5, 6};
    float ya[3] = {};
    float yb[6] = {};
    void* forA[] = {x, ya};
    void* forB[] = {x, yb};
    ASSERT_TRUE(a->executeV2(forA)) << s.logger.text;
    ASSERT_TRUE(b->executeV2(forB)) << s.logger.text;
    EXPECT_FLOAT_EQ(ya[2], 7);
    EXPECT_FLOAT_EQ(yb[5], 13);
}

} // namespace

} // namespace tenon::api::test
