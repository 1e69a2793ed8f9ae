#include "tests/gpu/model_runner.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

namespace tenon::gpu_test {

Dims dims(const std::vector<int64_t>& extents) {
    Dims made{static_cast<int32_t>(extents.size()), {}};
    std::copy(extents.begin(), extents.end(), &made.d[0]);
    return made;
}

std::vector<float> pattern(size_t count, int seed) {
    std::vector<float> values(count);
    uint32_t state = static_cast<uint32_t>(seed) * 2654435761U + 1;
    for (float& value : values) {
        state = state * 1664525U + 1013904223U;
        value = static_cast<float>(static_cast<int32_t>(state >> 16) % 65 - 32) / 32.0F;
    }
    return values;
}

void Log::log(Severity severity, char const* text) noexcept {
    const std::lock_guard<std::mutex> lock(mMutex);
    mText += std::string(text) + "\n";
    if (severity <= Severity::kERROR) {
        mErrors += std::string(text) + "\n";
    }
}

std::string Log::text() const {
    const std::lock_guard<std::mutex> lock(mMutex);
    return mText;
}

std::string Log::takeErrors() {
    const std::lock_guard<std::mutex> lock(mMutex);
    return std::exchange(mErrors, {});
}

namespace {

std::vector<const char*> providersOf(const Model& model, Deployed::Side side) {
    if (side == Deployed::Side::kAnswers) {
        return onHost() ? std::vector<const char*>{"reference"} : std::vector<const char*>{"cpu", "reference"};
    }
    if (onHost()) {
        return {"cpu", "reference"};
    }
    std::vector<const char*> names = {"cuda", "cublaslt", "cudnn"};
    if (model.hostToo) {
        names.insert(names.end(), {"cpu", "reference"});
    }
    return names;
}

} // namespace

Deployed::Deployed(const Model& model, Side side, IGpuAllocator* building, IGpuAllocator* running)
    : mDevice(side == Side::kTested && !onHost()) {
    build(model, side, building, running);
}

void Deployed::build(const Model& model, Side side, IGpuAllocator* building, IGpuAllocator* running) {
    const std::unique_ptr<IBuilder> builder(createInferBuilder(log));
    ASSERT_NE(builder, nullptr);
    builder->setGpuAllocator(building);
    const auto typed = static_cast<uint32_t>(NetworkDefinitionCreationFlag::kSTRONGLY_TYPED);
    const std::unique_ptr<INetworkDefinition> network(builder->createNetworkV2(model.stronglyTyped ? 1U << typed : 0));
    const std::unique_ptr<IBuilderConfig> config(builder->createBuilderConfig());
    model.layers(*network);
    if (model.profile) {
        IOptimizationProfile* profile = builder->createOptimizationProfile();
        model.profile(*profile);
        config->addOptimizationProfile(profile);
    }
    config->clearFlag(BuilderFlag::kTF32);
    for (const BuilderFlag flag : model.flags) {
        config->setFlag(flag);
    }
    config->setBuilderOptimizationLevel(model.level);
    const std::vector<const char*> providers = providersOf(model, side);
    config->setTacticProviders(providers.data(), static_cast<int32_t>(providers.size()));
    mPlan.reset(builder->buildSerializedNetwork(*network, *config));
    ASSERT_NE(mPlan, nullptr) << log.text();
    runtime.reset(createInferRuntime(log));
    ASSERT_NE(runtime, nullptr);
    runtime->setGpuAllocator(running);
    engine = loadAgain(*runtime);
    ASSERT_NE(engine, nullptr) << log.text();
}

std::unique_ptr<ICudaEngine> Deployed::loadAgain(IRuntime& onto) const {
    return std::unique_ptr<ICudaEngine>(onto.deserializeCudaEngine(mPlan->data(), mPlan->size()));
}

std::string Deployed::inspect() const {
    const std::unique_ptr<IEngineInspector> inspector(engine->createEngineInspector());
    return inspector->getEngineInformation(LayerInformationFormat::kJSON);
}

Runner::Runner(const Deployed& model, cudaStream_t stream, std::unique_ptr<IExecutionContext> made)
    : mModel(model), mStream(model.onDevice() ? stream : nullptr), mContext(std::move(made)) {
    if (mContext == nullptr) {
        mContext.reset(model.engine->createExecutionContext());
    }
    EXPECT_NE(mContext, nullptr);
}

Buffer& Runner::memory(const std::string& name, size_t bytes, bool device) {
    auto found = mMemory.find(name);
    if (found != mMemory.end() && found->second.bytes() < bytes) {
        EXPECT_TRUE(!device || cudaStreamSynchronize(mStream) == cudaSuccess); // nothing may use what goes
        mMemory.erase(found);
        found = mMemory.end();
    }
    if (found == mMemory.end()) {
        found = mMemory.emplace(name, Buffer(device, std::max<size_t>(bytes, 1))).first;
    }
    EXPECT_TRUE(mContext->setTensorAddress(name.c_str(), found->second.data())) << name;
    return found->second;
}

void Runner::give(const std::string& name, const std::vector<int64_t>& extents, const std::vector<float>& values) {
    EXPECT_TRUE(mContext->setInputShape(name.c_str(), dims(extents))) << name;
    const size_t bytes = values.size() * sizeof(float);
    EXPECT_TRUE(memory(name, bytes, mModel.onDevice()).write(values.data(), bytes, mStream)) << name;
}

void Runner::refill(const std::string& name, const std::vector<float>& values) {
    EXPECT_TRUE(mMemory.at(name).write(values.data(), values.size() * sizeof(float), mStream)) << name;
}

void Runner::giveShape(const std::string& name, const std::vector<int64_t>& values) {
    const size_t bytes = values.size() * sizeof(int64_t);
    EXPECT_TRUE(memory(name, bytes, false).write(values.data(), bytes, mStream)) << name;
}

void Runner::room(const std::string& name, size_t count) {
    // What is left from before must not pass for an answer.
    const std::vector<float> nothing(count, std::nanf(""));
    EXPECT_TRUE(
        memory(name, count * sizeof(float), mModel.onDevice()).write(nothing.data(), count * sizeof(float), mStream))
        << name;
}

std::vector<float> Runner::take(const std::string& name, size_t count) {
    std::vector<float> values(count);
    EXPECT_TRUE(mMemory.at(name).read(values.data(), count * sizeof(float), mStream)) << name;
    return values;
}

void expectNear(const std::vector<float>& got, const std::vector<float>& wanted, double tolerance,
                const std::string& what) {
    ASSERT_EQ(got.size(), wanted.size()) << what;
    size_t worst = 0;
    double most = -1;
    for (size_t i = 0; i < got.size(); ++i) {
        const double error = std::fabs(static_cast<double>(got[i]) - static_cast<double>(wanted[i]));
        if (!(error <= most)) { // no number counts as the worst
            most = error;
            worst = i;
            if (std::isnan(error)) {
                break;
            }
        }
    }
    EXPECT_TRUE(most <= tolerance) << what << ": element " << worst << " is " << got[worst] << " instead of "
                                   << wanted[worst];
}

} // namespace tenon::gpu_test
