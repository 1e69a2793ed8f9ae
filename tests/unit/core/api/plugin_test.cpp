// Plugins of both generations: registry, type inference, tactics, serialization into a plan and back, errors.
#include "api_test_tools.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>

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

int64_t elements(const Dims& d) {
    int64_t product = 1;
    for (int32_t i = 0; i < d.nbDims; ++i) {
        product *= d.d[i];
    }
    return product;
}

// What the fake plugins were told, for the tests to look at.
struct Seen {
    int32_t tactic = -1;
    int32_t configured = 0;
    int32_t shapeChanges = 0;
    cudaStream_t stream = nullptr;
};
Seen gSeen; // NOLINT: plugins are made by creators that know no test

// y = factor * x, with the last dimension doubled by repetition; tactic 7 does the same.
class RepeatPlugin final : public IPluginV3,
                           public IPluginV3OneCore,
                           public IPluginV3OneBuild,
                           public IPluginV3OneRuntime {
public:
    explicit RepeatPlugin(float factor) : mFactor(factor) {}

    IPluginCapability* getCapabilityInterface(PluginCapabilityType type) noexcept override {
        switch (type) {
        case PluginCapabilityType::kCORE:
            return static_cast<IPluginV3OneCore*>(this);
        case PluginCapabilityType::kBUILD:
            return static_cast<IPluginV3OneBuild*>(this);
        case PluginCapabilityType::kRUNTIME:
            return static_cast<IPluginV3OneRuntime*>(this);
        }
        return nullptr;
    }
    IPluginV3* clone() noexcept override { return new RepeatPlugin(*this); }
    char const* getPluginName() const noexcept override { return "Repeat"; }
    char const* getPluginVersion() const noexcept override { return "1"; }
    char const* getPluginNamespace() const noexcept override { return "test"; }

    int32_t configurePlugin(DynamicPluginTensorDesc const* in, int32_t nbInputs, DynamicPluginTensorDesc const*,
                            int32_t nbOutputs) noexcept override {
        ++gSeen.configured;
        return nbInputs == 1 && nbOutputs == 1 && in[0].max.d[0] >= in[0].opt.d[0] ? 0 : 1;
    }
    int32_t getOutputDataTypes(DataType* outputTypes, int32_t, DataType const* inputTypes,
                               int32_t) const noexcept override {
        outputTypes[0] = inputTypes[0];
        return 0;
    }
    int32_t getOutputShapes(DimsExprs const* inputs, int32_t, DimsExprs const*, int32_t, DimsExprs* outputs, int32_t,
                            IExprBuilder& builder) noexcept override {
        outputs[0] = inputs[0];
        const int32_t last = inputs[0].nbDims - 1;
        outputs[0].d[last] = builder.operation(DimensionOperation::kPROD, *inputs[0].d[last], *builder.constant(2));
        return 0;
    }
    bool supportsFormatCombination(int32_t pos, DynamicPluginTensorDesc const* inOut, int32_t,
                                   int32_t) noexcept override {
        return inOut[pos].desc.format == TensorFormat::kLINEAR && inOut[pos].desc.type == DataType::kFLOAT;
    }
    int32_t getNbOutputs() const noexcept override { return 1; }
    size_t getWorkspaceSize(DynamicPluginTensorDesc const* inputs, int32_t, DynamicPluginTensorDesc const*,
                            int32_t) const noexcept override {
        return static_cast<size_t>(elements(inputs[0].max)) * sizeof(float);
    }
    int32_t getNbTactics() noexcept override { return 2; }
    int32_t getValidTactics(int32_t* tactics, int32_t) noexcept override {
        tactics[0] = 3;
        tactics[1] = 7;
        return 0;
    }
    int32_t setTactic(int32_t tactic) noexcept override {
        gSeen.tactic = tactic;
        return 0;
    }
    int32_t onShapeChange(PluginTensorDesc const*, int32_t, PluginTensorDesc const*, int32_t) noexcept override {
        ++gSeen.shapeChanges;
        return 0;
    }
    int32_t enqueue(PluginTensorDesc const* inputDesc, PluginTensorDesc const* outputDesc, void const* const* inputs,
                    void* const* outputs, void* workspace, cudaStream_t stream) noexcept override {
        gSeen.stream = stream;
        const int64_t count = elements(inputDesc[0].dims);
        const int64_t row = inputDesc[0].dims.d[inputDesc[0].dims.nbDims - 1];
        if (elements(outputDesc[0].dims) != 2 * count) {
            return 1;
        }
        std::memcpy(workspace, inputs[0], static_cast<size_t>(count) * sizeof(float));
        const auto* x = static_cast<const float*>(workspace);
        auto* y = static_cast<float*>(outputs[0]);
        for (int64_t i = 0; i < count; ++i) {
            const int64_t at = i / row * 2 * row + i % row;
            y[at] = y[at + row] = mFactor * x[i];
        }
        return 0;
    }
    IPluginV3* attachToContext(IPluginResourceContext*) noexcept override { return clone(); }
    PluginFieldCollection const* getFieldsToSerialize() noexcept override {
        mFields = {PluginField("factor", &mFactor, PluginFieldType::kFLOAT32, 1)};
        mCollection = {1, mFields.data()};
        return &mCollection;
    }

private:
    float mFactor;
    std::vector<PluginField> mFields;
    PluginFieldCollection mCollection;
};

class RepeatCreator final : public IPluginCreatorV3One {
public:
    IPluginV3* createPlugin(char const*, PluginFieldCollection const* fc, TensorRTPhase) noexcept override {
        float factor = 1.0F;
        for (int32_t i = 0; i < fc->nbFields; ++i) {
            if (std::strcmp(fc->fields[i].name, "factor") == 0 && fc->fields[i].type == PluginFieldType::kFLOAT32) {
                factor = *static_cast<const float*>(fc->fields[i].data);
            }
        }
        return new RepeatPlugin(factor);
    }
    PluginFieldCollection const* getFieldNames() noexcept override { return &mFields; }
    char const* getPluginName() const noexcept override { return "Repeat"; }
    char const* getPluginVersion() const noexcept override { return "1"; }
    char const* getPluginNamespace() const noexcept override { return "test"; }

private:
    PluginFieldCollection mFields;
};

// y = x + offset; the second generation.
class OffsetPlugin final : public IPluginV2DynamicExt {
public:
    explicit OffsetPlugin(float offset) : mOffset(offset) {}
    char const* getPluginType() const noexcept override { return "Offset"; }
    char const* getPluginVersion() const noexcept override { return "2"; }
    int32_t getNbOutputs() const noexcept override { return 1; }
    int32_t initialize() noexcept override { return 0; }
    void terminate() noexcept override {}
    size_t getSerializationSize() const noexcept override { return sizeof(mOffset); }
    void serialize(void* buffer) const noexcept override { std::memcpy(buffer, &mOffset, sizeof(mOffset)); }
    void destroy() noexcept override { delete this; }
    IPluginV2DynamicExt* clone() const noexcept override {
        auto* copy = new OffsetPlugin(mOffset);
        copy->setPluginNamespace(mNamespace.c_str());
        return copy;
    }
    void setPluginNamespace(char const* pluginNamespace) noexcept override { mNamespace = pluginNamespace; }
    char const* getPluginNamespace() const noexcept override { return mNamespace.c_str(); }
    DataType getOutputDataType(int32_t, DataType const* inputTypes, int32_t) const noexcept override {
        return inputTypes[0];
    }
    DimsExprs getOutputDimensions(int32_t, DimsExprs const* inputs, int32_t, IExprBuilder&) noexcept override {
        return inputs[0];
    }
    bool supportsFormatCombination(int32_t pos, PluginTensorDesc const* inOut, int32_t, int32_t) noexcept override {
        return inOut[pos].format == TensorFormat::kLINEAR && inOut[pos].type == DataType::kFLOAT;
    }
    void configurePlugin(DynamicPluginTensorDesc const*, int32_t, DynamicPluginTensorDesc const*,
                         int32_t) noexcept override {}
    size_t getWorkspaceSize(PluginTensorDesc const*, int32_t, PluginTensorDesc const*,
                            int32_t) const noexcept override {
        return 0;
    }
    int32_t enqueue(PluginTensorDesc const* inputDesc, PluginTensorDesc const*, void const* const* inputs,
                    void* const* outputs, void*, cudaStream_t) noexcept override {
        for (int64_t i = 0; i < elements(inputDesc[0].dims); ++i) {
            static_cast<float*>(outputs[0])[i] = static_cast<const float*>(inputs[0])[i] + mOffset;
        }
        return 0;
    }

private:
    float mOffset;
    std::string mNamespace;
};

class OffsetCreator final : public IPluginCreator {
public:
    char const* getPluginName() const noexcept override { return "Offset"; }
    char const* getPluginVersion() const noexcept override { return "2"; }
    PluginFieldCollection const* getFieldNames() noexcept override { return &mFields; }
    IPluginV2* createPlugin(char const*, PluginFieldCollection const*) noexcept override {
        return new OffsetPlugin(0.5F);
    }
    IPluginV2* deserializePlugin(char const*, void const* data, size_t length) noexcept override {
        float offset = 0;
        if (length != sizeof(offset)) {
            return nullptr;
        }
        std::memcpy(&offset, data, sizeof(offset));
        return new OffsetPlugin(offset);
    }
    void setPluginNamespace(char const* pluginNamespace) noexcept override { mNamespace = pluginNamespace; }
    char const* getPluginNamespace() const noexcept override { return mNamespace.c_str(); }

private:
    PluginFieldCollection mFields;
    std::string mNamespace;
};

class PluginTest : public testing::Test {
protected:
    void SetUp() override {
        gSeen = {};
        ASSERT_TRUE(registry.registerCreator(repeat, ""));
        ASSERT_TRUE(registry.registerCreator(offset, "mine"));
    }
    void TearDown() override {
        registry.deregisterCreator(repeat);
        registry.deregisterCreator(offset);
    }
    std::unique_ptr<ICudaEngine> engine() {
        std::unique_ptr<IHostMemory> plan(s.builder->buildSerializedNetwork(*s.network, *s.config));
        EXPECT_NE(plan, nullptr) << s.logger.text;
        if (plan == nullptr) {
            return nullptr;
        }
        runtime.reset(tenon::createInferRuntime(s.logger));
        std::unique_ptr<ICudaEngine> made(runtime->deserializeCudaEngine(plan->data(), plan->size()));
        return made;
    }
    // x [N, 2] -> Repeat -> Offset -> y [N, 4]
    void addNetwork(int32_t level) {
        ITensor* x = s.network->addInput("x", DataType::kFLOAT, dims({-1, 2}));
        RepeatPlugin plugin(3.0F);
        ITensor* inputs[] = {x};
        IPluginV3Layer* first = s.network->addPluginV3(inputs, 1, nullptr, 0, plugin);
        ASSERT_NE(first, nullptr) << s.logger.text;
        EXPECT_EQ(text(first->getOutput(0)->getDimensions()), "[-1,4]");
        OffsetPlugin second(0.25F);
        second.setPluginNamespace("mine");
        ITensor* middle[] = {first->getOutput(0)};
        IPluginV2Layer* layer = s.network->addPluginV2(middle, 1, second);
        ASSERT_NE(layer, nullptr) << s.logger.text;
        layer->getOutput(0)->setName("y");
        s.network->markOutput(*layer->getOutput(0));
        IOptimizationProfile* profile = s.builder->createOptimizationProfile();
        profile->setDimensions("x", OptProfileSelector::kMIN, dims({1, 2}));
        profile->setDimensions("x", OptProfileSelector::kOPT, dims({2, 2}));
        profile->setDimensions("x", OptProfileSelector::kMAX, dims({4, 2}));
        s.config->addOptimizationProfile(profile);
        s.config->setBuilderOptimizationLevel(level);
    }

    IPluginRegistry& registry = *tenon::pluginRegistry();
    RepeatCreator repeat;
    OffsetCreator offset;
    Session s;
    std::unique_ptr<IRuntime> runtime;
};

TEST_F(PluginTest, TheRegistryFindsCreatorsByNameVersionAndNamespace) {
    EXPECT_EQ(registry.getCreator("Repeat", "1", "test"), &repeat);
    EXPECT_EQ(registry.getCreator("Repeat", "1", ""), nullptr);
    EXPECT_EQ(registry.getPluginCreator("Offset", "2", "mine"), &offset);
    EXPECT_EQ(registry.getPluginCreator("Repeat", "1", "test"), nullptr);
    EXPECT_FALSE(registry.registerCreator(repeat, ""));
    int32_t count = 0;
    IPluginCreatorInterface* const* all = registry.getAllCreators(&count);
    EXPECT_EQ(std::count(all, all + count, &repeat), 1);
    EXPECT_TRUE(registry.deregisterCreator(repeat));
    EXPECT_FALSE(registry.deregisterCreator(repeat));
}

TEST_F(PluginTest, BothGenerationsRunFromAPlan) {
    for (const int32_t level : {0, 3}) {
        s.network.reset(s.builder->createNetworkV2(0));
        s.config.reset(s.builder->createBuilderConfig());
        addNetwork(level);
        const auto e = engine();
        ASSERT_NE(e, nullptr) << s.logger.text;
        std::unique_ptr<IExecutionContext> context(e->createExecutionContext());
        ASSERT_NE(context, nullptr) << s.logger.text;
        EXPECT_TRUE(gSeen.tactic == 3 || gSeen.tactic == 7) << gSeen.tactic;
        EXPECT_GT(gSeen.configured, 0);
        const int before = gSeen.shapeChanges;
        float x[] = {1, 2, 3, 4};
        float y[8] = {};
        void* bindings[] = {x, y};
        ASSERT_TRUE(context->setInputShape("x", dims({2, 2})));
        ASSERT_TRUE(context->executeV2(bindings)) << s.logger.text;
        EXPECT_THAT(y, testing::ElementsAre(3.25F, 6.25F, 3.25F, 6.25F, 9.25F, 12.25F, 9.25F, 12.25F));
        EXPECT_GT(gSeen.shapeChanges, before);
        int anything = 0;
        const auto stream = reinterpret_cast<cudaStream_t>(&anything);
        ASSERT_TRUE(context->enqueueV3(stream)) << s.logger.text;
        EXPECT_EQ(gSeen.stream, stream);
    }
}

TEST_F(PluginTest, APlanSaysWhichCreatorIsMissing) {
    addNetwork(0);
    std::unique_ptr<IHostMemory> plan(s.builder->buildSerializedNetwork(*s.network, *s.config));
    ASSERT_NE(plan, nullptr) << s.logger.text;
    registry.deregisterCreator(repeat);
    s.logger.takeErrors();
    runtime.reset(tenon::createInferRuntime(s.logger));
    EXPECT_EQ(runtime->deserializeCudaEngine(plan->data(), plan->size()), nullptr);
    const std::string errors = s.logger.takeErrors();
    EXPECT_THAT(errors, HasSubstr("no plugin creator 'Repeat' version '1' in namespace 'test' is registered"));
    EXPECT_THAT(errors, HasSubstr("loadLibrary"));
}

TEST_F(PluginTest, AFormatThatDoesNotFitIsRefusedWithTheReason) {
    ITensor* x = s.network->addInput("x", DataType::kINT32, dims({2, 2}));
    RepeatPlugin plugin(3.0F);
    ITensor* inputs[] = {x};
    IPluginV3Layer* layer = s.network->addPluginV3(inputs, 1, nullptr, 0, plugin);
    s.network->markOutput(*layer->getOutput(0));
    s.logger.takeErrors();
    EXPECT_EQ(s.builder->buildSerializedNetwork(*s.network, *s.config), nullptr);
    EXPECT_THAT(s.logger.takeErrors(), HasSubstr("plugin 'Repeat' does not take kLINEAR kINT32 at input 0"));
}

TEST_F(PluginTest, LibrariesThatAreNoneAreRefused) {
    s.logger.takeErrors();
    EXPECT_EQ(registry.loadLibrary("/nowhere/libnothing.so"), nullptr);
    EXPECT_THAT(s.logger.takeErrors(), HasSubstr("/nowhere/libnothing.so"));
    EXPECT_EQ(registry.loadLibrary(nullptr), nullptr);
}

TEST_F(PluginTest, ResourcesAreSharedByKey) {
    static int released = 0;
    class Resource final : public IPluginResource {
    public:
        int32_t release() noexcept override {
            ++released;
            return 0;
        }
        IPluginResource* clone() noexcept override { return new Resource(); }
    } resource;
    released = 0;
    IPluginResource* first = registry.acquirePluginResource("table", &resource);
    ASSERT_NE(first, nullptr);
    EXPECT_NE(first, &resource);
    EXPECT_EQ(registry.acquirePluginResource("table", &resource), first);
    EXPECT_EQ(registry.releasePluginResource("table"), 0);
    EXPECT_EQ(released, 0);
    EXPECT_EQ(registry.releasePluginResource("table"), 0);
    EXPECT_EQ(released, 1);
    EXPECT_NE(registry.releasePluginResource("table"), 0);
}

} // namespace

} // namespace tenon::api::test
