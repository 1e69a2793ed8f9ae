// Concatenations and slices that move no byte: which steps a plan keeps, and that answers stay those of arithmetic.
#include "api_test_tools.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>
#include <random>

namespace tenon::api::test {

using namespace nvinfer1;
using testing::HasSubstr;

namespace {

Dims4 image(int64_t channels, int64_t edge) { return {1, channels, edge, edge}; }

class ViewsTest : public testing::Test {
protected:
    ITensor* negated(ITensor* x) { return s.network->addUnary(*x, UnaryOperation::kNEG)->getOutput(0); }
    ITensor* sum(ITensor* x, ITensor* y) {
        return s.network->addElementWise(*x, *y, ElementWiseOperation::kSUM)->getOutput(0);
    }
    ITensor* joined(std::vector<ITensor*> parts) {
        IConcatenationLayer* layer = s.network->addConcatenation(parts.data(), static_cast<int32_t>(parts.size()));
        layer->setAxis(1);
        return layer->getOutput(0);
    }
    ITensor* channels(ITensor* x, int64_t first, int64_t count, int64_t edge) {
        return s.network->addSlice(*x, Dims4{0, first, 0, 0}, image(count, edge), Dims4{1, 1, 1, 1})->getOutput(0);
    }
    void output(ITensor* value, const char* name) {
        value->setName(name);
        s.network->markOutput(*value);
    }
    void build(int level) {
        s.config->setBuilderOptimizationLevel(level);
        std::unique_ptr<IHostMemory> plan(s.builder->buildSerializedNetwork(*s.network, *s.config));
        ASSERT_NE(plan, nullptr) << s.logger.text;
        runtime.reset(tenon::createInferRuntime(s.logger));
        engine.reset(runtime->deserializeCudaEngine(plan->data(), plan->size()));
        ASSERT_NE(engine, nullptr) << s.logger.text;
        context.reset(engine->createExecutionContext());
        ASSERT_NE(context, nullptr) << s.logger.text;
    }
    std::string steps() {
        std::unique_ptr<IEngineInspector> inspector(engine->createEngineInspector());
        return inspector->getEngineInformation(LayerInformationFormat::kJSON);
    }

    Session s;
    std::unique_ptr<IRuntime> runtime;
    std::unique_ptr<ICudaEngine> engine;
    std::unique_ptr<IExecutionContext> context;
};

std::vector<float> numbers(size_t count) {
    std::vector<float> values(count);
    std::iota(values.begin(), values.end(), 1.0F);
    return values;
}

TEST_F(ViewsTest, PartsAreWrittenIntoTheOutput) {
    ITensor* x = s.network->addInput("x", DataType::kFLOAT, image(2, 4));
    ITensor* y = s.network->addInput("y", DataType::kFLOAT, image(1, 4));
    output(joined({negated(x), negated(y)}), "z");
    build(0);
    EXPECT_EQ(engine->getNbLayers(), 2) << steps();
    std::vector<float> first = numbers(32);
    std::vector<float> second = numbers(16);
    std::vector<float> z(48);
    ASSERT_TRUE(context->setTensorAddress("x", first.data()) && context->setTensorAddress("y", second.data()) &&
                context->setTensorAddress("z", z.data()));
    ASSERT_TRUE(context->enqueueV3(nullptr)) << s.logger.text;
    for (size_t i = 0; i < z.size(); ++i) {
        EXPECT_EQ(z[i], i < 32 ? -first[i] : -second[i - 32]) << i;
    }
}

TEST_F(ViewsTest, SlicesOfAnInputAreReadWhereTheyLie) {
    ITensor* x = s.network->addInput("x", DataType::kFLOAT, image(6, 4));
    output(sum(channels(x, 0, 2, 4), channels(x, 3, 2, 4)), "z");
    build(0);
    EXPECT_EQ(engine->getNbLayers(), 1) << steps();
    std::vector<float> values = numbers(96);
    std::vector<float> z(32);
    ASSERT_TRUE(context->setTensorAddress("x", values.data()) && context->setTensorAddress("z", z.data()));
    ASSERT_TRUE(context->enqueueV3(nullptr)) << s.logger.text;
    for (size_t i = 0; i < z.size(); ++i) {
        EXPECT_EQ(z[i], values[i] + values[i + 48]) << i;
    }
}

TEST_F(ViewsTest, UnalignedPartsAndTheUsersMemoryAreCopied) {
    ITensor* x = s.network->addInput("x", DataType::kFLOAT, image(2, 3));
    output(joined({negated(x), negated(negated(x))}), "unaligned");
    ITensor* y = s.network->addInput("y", DataType::kFLOAT, image(2, 4));
    output(joined({y, negated(y)}), "of an input");
    build(0);
    std::vector<float> small = numbers(18);
    std::vector<float> large = numbers(32);
    std::vector<float> a(36);
    std::vector<float> b(64);
    ASSERT_TRUE(context->setTensorAddress("x", small.data()) && context->setTensorAddress("y", large.data()));
    ASSERT_TRUE(context->setTensorAddress("unaligned", a.data()) && context->setTensorAddress("of an input", b.data()));
    ASSERT_TRUE(context->enqueueV3(nullptr)) << s.logger.text;
    EXPECT_THAT(steps(), HasSubstr("concat"));
    EXPECT_EQ(a[17], -18);
    EXPECT_EQ(a[18], 1);
    EXPECT_EQ(b[31], 32);
    EXPECT_EQ(b[32], -1);
}

std::string numbered(const char* name, size_t number) { return std::string(name).append(std::to_string(number)); }

// A value of a random network, and what it must be.
struct Known {
    ITensor* tensor = nullptr;
    int64_t channels = 0;
    std::vector<float> values;
    bool isRead = false;
};

Known opposite(const Known& x, ITensor* tensor) {
    Known made{tensor, x.channels, x.values};
    std::transform(made.values.begin(), made.values.end(), made.values.begin(), std::negate<>());
    return made;
}

class RandomViews : public ViewsTest, public testing::WithParamInterface<int> {};

// Joins, cuts and sums in any order, of parts that fill whole lines of the cache (edge 4) and that do not (edge 3). All arithmetic is exact.
TEST_P(RandomViews, AnswersAreThoseOfArithmetic) {
    std::mt19937 random(static_cast<unsigned>(GetParam()));
    const int64_t edge = GetParam() % 4 == 3 ? 3 : 4;
    const auto pixels = static_cast<size_t>(edge * edge);
    const auto below = [&](size_t end) { return static_cast<size_t>(random()) % end; };
    std::vector<Known> known;
    std::vector<std::vector<float>> inputs;
    for (int i = 0; i < 2; ++i) {
        const int64_t count = 2 + static_cast<int64_t>(below(3));
        const std::string name = numbered("x", inputs.size());
        ITensor* tensor = s.network->addInput(name.c_str(), DataType::kFLOAT, image(count, edge));
        std::vector<float> values(static_cast<size_t>(count) * pixels);
        std::generate(values.begin(), values.end(), [&] { return static_cast<float>(below(64)); });
        inputs.push_back(values);
        // What is the user's memory cannot be a part: the network begins behind it.
        known.push_back(opposite({tensor, count, values}, negated(tensor)));
    }
    const auto pick = [&]() -> const Known& {
        Known& picked = known[below(known.size())];
        picked.isRead = true;
        return picked;
    };
    for (int i = 0; i < 32; ++i) {
        const Known& a = pick();
        Known made;
        switch (below(4)) {
        case 0:
            made = opposite(a, negated(a.tensor));
            break;
        case 1: {
            const auto fits = [&](const Known& other) { return other.channels == a.channels; };
            std::vector<Known> others;
            std::copy_if(known.begin(), known.end(), std::back_inserter(others), fits);
            const Known b = others[below(others.size())];
            made = {sum(a.tensor, b.tensor), a.channels, a.values};
            std::transform(a.values.begin(), a.values.end(), b.values.begin(), made.values.begin(), std::plus<>());
            break;
        }
        case 2: {
            std::vector<ITensor*> parts;
            for (size_t part = 0; part < 2 + below(2); ++part) {
                const Known& each = pick();
                parts.push_back(each.tensor);
                made.channels += each.channels;
                made.values.insert(made.values.end(), each.values.begin(), each.values.end());
            }
            made.tensor = joined(parts);
            break;
        }
        default: {
            const auto count = 1 + static_cast<int64_t>(below(static_cast<size_t>(a.channels)));
            const auto first = static_cast<int64_t>(below(static_cast<size_t>(a.channels - count + 1)));
            const auto begin = a.values.begin() + first * edge * edge;
            made = {channels(a.tensor, first, count, edge), count, {begin, begin + count * edge * edge}};
            break;
        }
        }
        if (made.channels <= 24) {
            known.push_back(std::move(made));
        }
    }
    // Nor can memory of outputs: what nobody reads leaves the network through a step.
    std::vector<std::vector<float>> outputs;
    std::vector<Known> expected;
    for (const Known& each : known) {
        if (!each.isRead) {
            expected.push_back(opposite(each, negated(each.tensor)));
            output(expected.back().tensor, numbered("z", outputs.size()).c_str());
            outputs.emplace_back(each.values.size(), -1e9F);
        }
    }
    build(GetParam() % 2 == 0 ? 0 : 1);
    for (size_t i = 0; i < inputs.size(); ++i) {
        context->setTensorAddress(numbered("x", i).c_str(), inputs[i].data());
    }
    for (size_t i = 0; i < outputs.size(); ++i) {
        context->setTensorAddress(numbered("z", i).c_str(), outputs[i].data());
    }
    for (int run = 0; run < 2; ++run) {
        ASSERT_TRUE(context->enqueueV3(nullptr)) << s.logger.text;
        for (size_t i = 0; i < outputs.size(); ++i) {
            EXPECT_EQ(outputs[i], expected[i].values) << "output " << i << "\n" << steps();
        }
    }
}

INSTANTIATE_TEST_SUITE_P(Seeds, RandomViews, testing::Range(0, 40));

} // namespace
} // namespace tenon::api::test
