// The weight program of built plans: from the user's weights it makes what folding and packing made when the plan was built, bit for bit.
#include "api_test_tools.h"

#include "core/plan/reader.h"
#include "core/runtime/weight_program.h"
#include "registry/module_registry.h"

#include <gtest/gtest.h>

#include <cstring>
#include <map>

namespace tenon::api::test {

using namespace nvinfer1;

namespace {

std::vector<float> numbers(size_t count, float step) {
    std::vector<float> values(count);
    for (size_t i = 0; i < count; ++i) {
        values[i] = step * static_cast<float>(static_cast<int>((i * 29) % 41) - 20);
    }
    return values;
}

Weights weightsOf(const std::vector<float>& values) {
    return {DataType::kFLOAT, values.data(), static_cast<int64_t>(values.size())};
}

// Two convolutions with scales per channel, which fold into their weights, and a product whose weights some backends pack.
class WeightProgramOfPlan : public ::testing::TestWithParam<int32_t> {
protected:
    void SetUp() override {
        ITensor* x = s.network->addInput("x", DataType::kFLOAT, Dims{4, {1, 16, 12, 12}});
        for (const char* name : {"first", "second"}) {
            const std::vector<float>& kernel = named(std::string(name) + ".kernel", 16 * 16 * 9, 0.01F);
            const std::vector<float>& bias = named(std::string(name) + ".bias", 16, 0.1F);
            IConvolutionLayer* conv =
                s.network->addConvolutionNd(*x, 16, Dims{2, {3, 3}}, weightsOf(kernel), weightsOf(bias));
            conv->setPaddingNd(Dims{2, {1, 1}});
            const std::vector<float>& scale = named(std::string(name) + ".scale", 16, 0.05F);
            const std::vector<float>& shift = named(std::string(name) + ".shift", 16, 0.02F);
            x = s.network
                    ->addScale(*conv->getOutput(0), ScaleMode::kCHANNEL, weightsOf(shift), weightsOf(scale), Weights{})
                    ->getOutput(0);
        }
        IShuffleLayer* rows = s.network->addShuffle(*x);
        rows->setReshapeDimensions(Dims{2, {16, 144}});
        const std::vector<float>& matrix = named("product", 144 * 64, 0.01F);
        ITensor* w = s.network->addConstant(Dims{2, {144, 64}}, weightsOf(matrix))->getOutput(0);
        ITensor* y =
            s.network->addMatrixMultiply(*rows->getOutput(0), MatrixOperation::kNONE, *w, MatrixOperation::kNONE)
                ->getOutput(0);
        s.network->markOutput(*y);
        for (const auto& [name, values] : mValues) {
            EXPECT_TRUE(s.network->setWeightsName(weightsOf(values), name.c_str())) << name << s.logger.text;
        }
        s.config->setBuilderOptimizationLevel(GetParam());
    }

    const std::vector<float>& named(const std::string& name, size_t count, float step) {
        return mValues.emplace(name, numbers(count, step)).first->second;
    }

    Session s;
    std::map<std::string, std::vector<float>> mValues; // by name of the weights
};

} // namespace

TEST_P(WeightProgramOfPlan, MakesTheStoredBytesFromTheUsersWeights) {
    const std::unique_ptr<IHostMemory> serialized(s.builder->buildSerializedNetwork(*s.network, *s.config));
    ASSERT_NE(serialized, nullptr) << s.logger.text;
    const support::Result<plan::Plan> read =
        plan::readPlan({static_cast<const std::byte*>(serialized->data()), serialized->size()});
    ASSERT_TRUE(read.ok()) << read.status().toString();
    const plan::Plan& plan = *read;

    runtime::WeightProgramOptions options;
    options.source = [&](int32_t constant) -> const std::byte* {
        const auto known = mValues.find(plan.constants[static_cast<size_t>(constant)].identity);
        return known == mValues.end() ? nullptr : reinterpret_cast<const std::byte*>(known->second.data());
    };
    const auto derived = runtime::runWeightProgram(plan, registry::ModuleRegistry::process().snapshot(), options);
    ASSERT_TRUE(derived.ok()) << derived.status().toString();

    size_t compared = 0;
    for (const runtime::DerivedConstant& made : *derived) {
        const plan::PlanConstant& stored = plan.constants[static_cast<size_t>(made.constant)];
        if (stored.data == nullptr) {
            continue; // an intermediate result
        }
        ASSERT_EQ(made.bytes, stored.bytes) << stored.name;
        EXPECT_EQ(std::memcmp(made.data.get(), stored.data, static_cast<size_t>(made.bytes)), 0) << stored.name;
        ++compared;
    }
    size_t expected = 0;
    for (const plan::PlanConstant& constant : plan.constants) {
        expected += constant.derived && constant.data != nullptr ? 1 : 0;
    }
    EXPECT_EQ(compared, expected) << "every derived constant of the plan has its steps";
    EXPECT_GE(compared, 4U) << "kernels and biases of two folded convolutions at least";
}

INSTANTIATE_TEST_SUITE_P(Levels, WeightProgramOfPlan, ::testing::Values(0, 3));

} // namespace tenon::api::test
