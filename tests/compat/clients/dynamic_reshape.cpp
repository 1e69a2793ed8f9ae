// Run-time dimensions: a resizing preprocessor with two profiles, an error recorder, shape queries, enqueueV3.
#include "common.h"

#include <algorithm>
#include <atomic>
#include <mutex>
#include <vector>

using namespace nvinfer1;

namespace {

class ErrorRecorder : public IErrorRecorder {
    using Error = std::pair<ErrorCode, std::string>;

public:
    int32_t getNbErrors() const noexcept final { return static_cast<int32_t>(mErrors.size()); }
    ErrorCode getErrorCode(int32_t i) const noexcept final { return mErrors[static_cast<size_t>(i)].first; }
    ErrorDesc getErrorDesc(int32_t i) const noexcept final { return mErrors[static_cast<size_t>(i)].second.c_str(); }
    bool hasOverflowed() const noexcept final { return false; }
    void clear() noexcept final {
        std::lock_guard<std::mutex> guard(mLock);
        mErrors.clear();
    }
    bool reportError(ErrorCode val, ErrorDesc desc) noexcept final {
        std::lock_guard<std::mutex> guard(mLock);
        mErrors.emplace_back(val, desc);
        return false;
    }
    RefCount incRefCount() noexcept final { return ++mRefCount; }
    RefCount decRefCount() noexcept final { return --mRefCount; }

private:
    std::mutex mLock;
    std::atomic<RefCount> mRefCount{0};
    std::vector<Error> mErrors;
};

class Monitor : public IProgressMonitor {
public:
    void phaseStart(const char*, const char*, int32_t) noexcept final { ++mStarted; }
    bool stepComplete(const char*, int32_t) noexcept final { return true; }
    void phaseFinish(const char*) noexcept final { ++mFinished; }
    int mStarted{0};
    int mFinished{0};
};

} // namespace

int main() {
    Logger logger;
    ErrorRecorder recorder;
    Monitor monitor;
    auto builder = UniquePtr<IBuilder>(createInferBuilder(logger));
    CHECK(builder);
    builder->setErrorRecorder(&recorder);
    auto network = UniquePtr<INetworkDefinition>(builder->createNetworkV2(0));
    CHECK(!network->hasImplicitBatchDimension());

    // [-1, 1, -1, -1] -> [-1, 1, 4, 4]
    auto* input = network->addInput("input", DataType::kFLOAT, Dims4{-1, 1, -1, -1});
    auto* shape = network->addShape(*input);
    const int64_t zero = 0;
    auto* index = network->addConstant(Dims{1, {1}}, Weights{DataType::kINT64, &zero, 1});
    auto* batch = network->addGather(*shape->getOutput(0), *index->getOutput(0), 0);
    const int64_t rest[] = {1, 4, 4};
    auto* tail = network->addConstant(Dims{1, {3}}, Weights{DataType::kINT64, rest, 3});
    ITensor* parts[] = {batch->getOutput(0), tail->getOutput(0)};
    auto* wanted = network->addConcatenation(parts, 2);
    wanted->setAxis(0);
    auto* resize = network->addResize(*input);
    resize->setInput(1, *wanted->getOutput(0));
    resize->setResizeMode(InterpolationMode::kNEAREST);
    resize->setCoordinateTransformation(ResizeCoordinateTransformation::kASYMMETRIC);
    auto* output = resize->getOutput(0);
    output->setName("output");
    network->markOutput(*output);
    const Dims inferred = output->getDimensions();
    CHECK(inferred.nbDims == 4 && inferred.d[0] == -1 && inferred.d[1] == 1 && inferred.d[3] == 4);

    auto config = UniquePtr<IBuilderConfig>(builder->createBuilderConfig());
    config->setProgressMonitor(&monitor);
    config->setBuilderOptimizationLevel(0);
    for (int64_t largest : {8, 16}) {
        auto* profile = builder->createOptimizationProfile();
        CHECK(profile->setDimensions("input", OptProfileSelector::kMIN, Dims4{1, 1, 1, 1}));
        CHECK(profile->setDimensions("input", OptProfileSelector::kOPT, Dims4{1, 1, 4, 4}));
        CHECK(profile->setDimensions("input", OptProfileSelector::kMAX, Dims4{2, 1, largest, largest}));
        CHECK(profile->isValid());
        CHECK(config->addOptimizationProfile(profile) >= 0);
    }
    UniquePtr<IHostMemory> plan{builder->buildSerializedNetwork(*network, *config)};
    CHECK(plan);
    CHECK(monitor.mStarted > 0 && monitor.mStarted == monitor.mFinished);
    CHECK(recorder.getNbErrors() == 0);

    auto runtime = UniquePtr<IRuntime>(createInferRuntime(logger));
    auto engine = UniquePtr<ICudaEngine>(runtime->deserializeCudaEngine(plan->data(), plan->size()));
    CHECK(engine && engine->getNbOptimizationProfiles() == 2);
    CHECK(engine->getProfileShape("input", 1, OptProfileSelector::kMAX).d[3] == 16);
    auto context = UniquePtr<IExecutionContext>(engine->createExecutionContext());
    context->setErrorRecorder(&recorder);
    CHECK(context->setOptimizationProfileAsync(0, nullptr));
    CHECK(!context->setInputShape("input", Dims4{1, 1, 16, 16}));
    CHECK(recorder.getNbErrors() == 1 && recorder.getErrorCode(0) == ErrorCode::kINVALID_ARGUMENT);
    CHECK(context->setOptimizationProfileAsync(1, nullptr));
    CHECK(!context->allInputDimensionsSpecified());
    CHECK(context->setInputShape("input", Dims4{2, 1, 16, 16}));
    CHECK(context->allInputDimensionsSpecified());
    CHECK(context->inferShapes(0, nullptr) == 0);
    CHECK(context->getTensorShape("output").d[0] == 2);

    std::vector<float> from(2 * 16 * 16);
    for (size_t i = 0; i < from.size(); ++i) {
        from[i] = static_cast<float>(i);
    }
    std::vector<float> to(2 * 4 * 4, -1.0F);
    CHECK(context->setInputTensorAddress("input", from.data()));
    CHECK(context->setOutputTensorAddress("output", to.data()));
    CHECK(context->enqueueV3(nullptr));
    for (size_t n = 0; n < 2; ++n) {
        for (size_t y = 0; y < 4; ++y) {
            for (size_t x = 0; x < 4; ++x) {
                CHECK(to[(n * 4 + y) * 4 + x] == from[(n * 16 + 4 * y) * 16 + 4 * x]);
            }
        }
    }
    std::puts("PASSED");
    return 0;
}
