// What plans for a GPU hold, and that they compute it: steps of both devices, element types, times of steps.
#include "tests/gpu/model_runner.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <set>

namespace tenon::gpu_test {
namespace {

using testing::HasSubstr;
using Side = Deployed::Side;
using Json = nlohmann::json;

class DevicePlan : public testing::Test {
protected:
    void SetUp() override { TENON_SKIP_WITHOUT_DEVICE(); }
};

ITensor* constantOf(INetworkDefinition& network, const std::vector<float>& values,
                    const std::vector<int64_t>& extents) {
    const Weights weights{DataType::kFLOAT, values.data(), static_cast<int64_t>(values.size())};
    return network.addConstant(dims(extents), weights)->getOutput(0);
}

IMatrixMultiplyLayer* product(INetworkDefinition& network, ITensor& a, ITensor& b) {
    return network.addMatrixMultiply(a, MatrixOperation::kNONE, b, MatrixOperation::kNONE);
}

void markOutput(INetworkDefinition& network, ITensor& tensor) {
    tensor.setName("y");
    network.markOutput(tensor);
}

std::vector<float> runOnce(const Deployed& model, const std::vector<int64_t>& extents, const std::vector<float>& x,
                           size_t outputs) {
    const Stream stream;
    Runner runner(model, stream.get());
    runner.give("x", extents, x);
    runner.room("y", outputs);
    EXPECT_TRUE(runner.enqueue()) << model.log.text();
    return runner.take("y", outputs);
}

// The layers of a plan as the inspector tells them.
std::vector<Json> layersOf(const Deployed& model) {
    const Json document = Json::parse(model.inspect());
    return document["Layers"].get<std::vector<Json>>();
}

// Whether a step reads or writes a tensor of the kind: key "Inputs" or "Outputs", field "Location" or "Format/Datatype".
bool has(const Json& layer, const char* key, const char* field, const std::string& value) {
    return std::any_of(layer[key].begin(), layer[key].end(),
                       [&](const Json& tensor) { return tensor[field].get<std::string>().rfind(value, 0) == 0; });
}

// The step that computes the layer of that name, alone or with others.
Json stepOf(const Deployed& model, const std::string& name) {
    for (const Json& layer : layersOf(model)) {
        if (layer["Name"].get<std::string>().find(name) != std::string::npos && layer["LayerType"] != "Reformat") {
            return layer;
        }
    }
    ADD_FAILURE() << "no step is named after '" << name << "': " << model.inspect();
    return Json{{"Inputs", Json::array()}, {"Outputs", Json::array()}};
}

// Rounded products, then a product of bytes, for which the device has no kernel, then a product again. So much goes into the first and comes out of
// the last that nobody would compute these on the host. All values are few bits wide: every sum is exact, and so are the answers.
TEST_F(DevicePlan, WhatTheDeviceCannotComputeTheHostDoes) {
    constexpr int64_t kRows = 1024;
    constexpr int64_t kWide = 2048;
    constexpr int64_t kNarrow = 32;
    Model model;
    model.hostToo = true;
    const std::vector<float> into = pattern(kWide * kNarrow, 1);
    const std::vector<float> out = pattern(kNarrow * kWide, 2);
    std::vector<int8_t> bytes(kNarrow * kNarrow);
    for (size_t i = 0; i < bytes.size(); ++i) {
        bytes[i] = static_cast<int8_t>(i * 37 % 15) - 7;
    }
    model.layers = [&](INetworkDefinition& network) {
        ITensor* x = network.addInput("x", DataType::kFLOAT, dims({kRows, kWide}));
        ITensor* h = product(network, *x, *constantOf(network, into, {kWide, kNarrow}))->getOutput(0);
        IActivationLayer* clip = network.addActivation(*h, ActivationType::kCLIP);
        clip->setAlpha(-100);
        clip->setBeta(100);
        h = network.addUnary(*clip->getOutput(0), UnaryOperation::kROUND)->getOutput(0);
        h = network.addCast(*h, DataType::kINT8)->getOutput(0);
        ITensor* b =
            network.addConstant(dims({kNarrow, kNarrow}), Weights{DataType::kINT8, bytes.data(), kNarrow * kNarrow})
                ->getOutput(0);
        ITensor* const operands[] = {h, b};
        ILayer* integers = network.addOperator("", "matmul_integer", 0, nullptr, 0, operands, 2, 1);
        ASSERT_NE(integers, nullptr);
        integers->setName("bytes");
        h = network.addCast(*integers->getOutput(0), DataType::kFLOAT)->getOutput(0);
        markOutput(network, *product(network, *h, *constantOf(network, out, {kNarrow, kWide}))->getOutput(0));
    };
    const Deployed mixed(model, Side::kTested);
    const Deployed cpu(model, Side::kAnswers);
    ASSERT_TRUE(mixed.engine != nullptr && cpu.engine != nullptr);
    const std::vector<int64_t> extents = {kRows, kWide};
    const std::vector<float> x = pattern(static_cast<size_t>(kRows * kWide), 3);
    const auto outputs = static_cast<size_t>(kRows * kWide);
    expectNear(runOnce(mixed, extents, x, outputs), runOnce(cpu, extents, x, outputs), 0, "both devices");
    if (onHost()) {
        return;
    }
    EXPECT_TRUE(has(stepOf(mixed, "bytes"), "Outputs", "Location", "Host"));
    std::vector<std::string> onTheHost;
    int onTheDevice = 0;
    for (const Json& layer : layersOf(mixed)) {
        if (has(layer, "Outputs", "Location", "Host")) {
            onTheHost.push_back(layer["Name"].get<std::string>());
        } else if (layer["LayerType"] != "Reformat") {
            ++onTheDevice;
        }
    }
    EXPECT_GE(onTheDevice, 2) << mixed.inspect();

    // Neither the context nor the application can record it, and both are told which step is in the way.
    const Stream stream;
    Runner runner(mixed, stream.get());
    runner.give("x", extents, x);
    runner.room("y", outputs);
    const auto namesAStep = [&](const std::string& message) {
        EXPECT_THAT(message, HasSubstr("runs on the host"));
        EXPECT_TRUE(std::any_of(onTheHost.begin(), onTheHost.end(), [&](const std::string& name) {
            return message.find(name) != std::string::npos;
        })) << message;
    };
    mixed.log.takeErrors();
    EXPECT_FALSE(runner.context().setGraphCapture(true));
    namesAStep(mixed.log.takeErrors());
    ASSERT_TRUE(runner.enqueue()) << mixed.log.text();
    ASSERT_TRUE(stream.synchronize());
    ASSERT_EQ(cudaStreamBeginCapture(stream.get(), cudaStreamCaptureModeThreadLocal), cudaSuccess);
    EXPECT_FALSE(runner.enqueue());
    cudaGraph_t graph = nullptr;
    EXPECT_EQ(cudaStreamEndCapture(stream.get(), &graph), cudaSuccess) << "work was issued before the refusal";
    size_t nodes = 0;
    EXPECT_EQ(cudaGraphGetNodes(graph, nullptr, &nodes), cudaSuccess);
    EXPECT_EQ(nodes, 0U);
    cudaGraphDestroy(graph);
    namesAStep(mixed.log.takeErrors());
    ASSERT_TRUE(runner.enqueue()) << "after a refusal: " << mixed.log.text();
}

constexpr int64_t kBatch = 16;
constexpr int64_t kUnits = 128;

TEST_F(DevicePlan, AStronglyTypedNetworkIsComputedInItsTypes) {
    Model model;
    model.stronglyTyped = true;
    model.flags = {};
    const std::vector<float> w = pattern(kUnits * kUnits, 4);
    const std::vector<float> b = pattern(kUnits, 5);
    model.layers = [&](INetworkDefinition& network) {
        const auto half = [&](ITensor* tensor) { return network.addCast(*tensor, DataType::kHALF)->getOutput(0); };
        ITensor* x = half(network.addInput("x", DataType::kFLOAT, dims({kBatch, kUnits})));
        IMatrixMultiplyLayer* first = product(network, *x, *half(constantOf(network, w, {kUnits, kUnits})));
        first->setName("first");
        ITensor* h = network
                         .addElementWise(*first->getOutput(0), *half(constantOf(network, b, {1, kUnits})),
                                         ElementWiseOperation::kSUM)
                         ->getOutput(0);
        h = network.addActivation(*h, ActivationType::kTANH)->getOutput(0);
        ISoftMaxLayer* softmax = network.addSoftMax(*h);
        softmax->setAxes(2);
        softmax->setName("last");
        EXPECT_EQ(softmax->getOutput(0)->getType(), DataType::kHALF);
        markOutput(network, *network.addCast(*softmax->getOutput(0), DataType::kFLOAT)->getOutput(0));
    };
    const Deployed typed(model, Side::kTested);
    const Deployed cpu(model, Side::kAnswers);
    ASSERT_TRUE(typed.engine != nullptr && cpu.engine != nullptr);
    const std::vector<float> x = pattern(kBatch * kUnits, 6);
    expectNear(runOnce(typed, {kBatch, kUnits}, x, x.size()), runOnce(cpu, {kBatch, kUnits}, x, x.size()), 2e-4,
               "a softmax over 128 in halves");
    if (!onHost()) { // which computes halves in wider types
        EXPECT_TRUE(has(stepOf(typed, "first"), "Inputs", "Format/Datatype", "f16")) << typed.inspect();
    }
}

TEST_F(DevicePlan, LayersHaveTheTypesThatWereDemanded) {
    Model model;
    model.flags = {BuilderFlag::kFP16, BuilderFlag::kOBEY_PRECISION_CONSTRAINTS};
    const std::vector<float> w = pattern(kUnits * kUnits, 7);
    const std::vector<float> v = pattern(kUnits * kUnits, 8);
    model.layers = [&](INetworkDefinition& network) {
        ITensor* x = network.addInput("x", DataType::kFLOAT, dims({kBatch, kUnits}));
        IMatrixMultiplyLayer* narrow = product(network, *x, *constantOf(network, w, {kUnits, kUnits}));
        narrow->setName("narrow");
        narrow->setPrecision(onHost() ? DataType::kFLOAT : DataType::kHALF);
        IMatrixMultiplyLayer* wide = product(network, *narrow->getOutput(0), *constantOf(network, v, {kUnits, kUnits}));
        wide->setName("wide");
        wide->setPrecision(DataType::kFLOAT);
        IActivationLayer* rounded = network.addActivation(*wide->getOutput(0), ActivationType::kTANH);
        rounded->setName("rounded");
        rounded->setPrecision(DataType::kFLOAT);
        rounded->setOutputType(0, DataType::kHALF);
        markOutput(network, *network.addCast(*rounded->getOutput(0), DataType::kFLOAT)->getOutput(0));
    };
    const Deployed tested(model, Side::kTested);
    // The CPU has no halves to obey with: the answers are those of the same network without the demand.
    Model free = model;
    free.flags = {};
    const Deployed cpu(free, Side::kAnswers);
    ASSERT_TRUE(tested.engine != nullptr && cpu.engine != nullptr);
    const std::vector<float> x = pattern(kBatch * kUnits, 9);
    const std::vector<float> y = runOnce(tested, {kBatch, kUnits}, x, x.size());
    // The first product's sums of about 4 are rounded to 11 bits and weighted into the second's: errors of about 1e-2 before the tanh.
    expectNear(y, runOnce(cpu, {kBatch, kUnits}, x, x.size()), 0.1, "halves");
    for (const float each : y) {
        uint32_t bits = 0;
        std::memcpy(&bits, &each, sizeof(bits));
        ASSERT_EQ(std::fabs(each) < 6e-5F ? 0U : bits & 0x1fffU, 0U) << each << " is no half";
    }
    if (!onHost()) {
        EXPECT_TRUE(has(stepOf(tested, "narrow"), "Inputs", "Format/Datatype", "f16")) << tested.inspect();
        EXPECT_TRUE(has(stepOf(tested, "wide"), "Inputs", "Format/Datatype", "f32")) << tested.inspect();
        EXPECT_FALSE(has(stepOf(tested, "wide"), "Inputs", "Format/Datatype", "f16")) << tested.inspect();
    }
}

// Values with all their bits, so that a product in TF32, whose factors keep ten bits behind the leading one, is off by more than one of f32 may be.
TEST_F(DevicePlan, WithoutTf32ProductsAreOf32Bits) {
    constexpr size_t kDepth = 512;
    constexpr size_t kSide = 64;
    const auto full = [](size_t count, int seed) {
        std::vector<float> values(count);
        for (size_t i = 0; i < count; ++i) {
            values[i] = static_cast<float>(std::sin(static_cast<double>(i) * 0.7391 + seed));
        }
        return values;
    };
    const std::vector<float> w = full(kDepth * kSide, 1);
    const std::vector<float> x = full(kSide * kDepth, 2);
    std::vector<float> y(kSide * kSide);
    double largest = 0;
    for (size_t i = 0; i < kSide; ++i) {
        for (size_t j = 0; j < kSide; ++j) {
            double sum = 0;
            double magnitude = 0;
            for (size_t k = 0; k < kDepth; ++k) {
                const double term = static_cast<double>(x[i * kDepth + k]) * static_cast<double>(w[k * kSide + j]);
                sum += term;
                magnitude += std::fabs(term);
            }
            y[i * kSide + j] = static_cast<float>(sum);
            largest = std::max(largest, magnitude);
        }
    }
    for (const bool tf32 : {false, true}) {
        Model model;
        if (tf32) {
            model.flags = {BuilderFlag::kTF32};
        }
        model.layers = [&](INetworkDefinition& network) {
            ITensor* in = network.addInput("x", DataType::kFLOAT, dims({kSide, kDepth}));
            markOutput(network, *product(network, *in, *constantOf(network, w, {kDepth, kSide}))->getOutput(0));
        };
        const Deployed deployed(model, Side::kTested);
        ASSERT_NE(deployed.engine, nullptr);
        // Of its sum of magnitudes, a product may lose what both factors lost.
        expectNear(runOnce(deployed, {kSide, kDepth}, x, y.size()), y, largest * (tf32 ? 0x1p-9 : 3e-7),
                   tf32 ? "TF32 allowed" : "TF32 off");
    }
}

// convolution + relu, pooling, a second convolution, mean, product: several kinds of kernels, each a step or part of one.
Model convolutions(const std::vector<float>& kernels, const std::vector<float>& weights) {
    Model model;
    model.layers = [&](INetworkDefinition& network) {
        ITensor* x = network.addInput("x", DataType::kFLOAT, dims({2, 8, 20, 20}));
        const Weights none{DataType::kFLOAT, nullptr, 0};
        const Weights first{DataType::kFLOAT, kernels.data(), 16 * 8 * 9};
        const Weights second{DataType::kFLOAT, kernels.data() + 16 * 8 * 9, 16 * 16 * 9};
        IConvolutionLayer* conv = network.addConvolutionNd(*x, 16, dims({3, 3}), first, none);
        conv->setName("entry");
        conv->setPaddingNd(dims({1, 1}));
        ITensor* h = network.addActivation(*conv->getOutput(0), ActivationType::kRELU)->getOutput(0);
        IPoolingLayer* pool = network.addPoolingNd(*h, PoolingType::kMAX, dims({2, 2}));
        pool->setName("pool");
        pool->setStrideNd(dims({2, 2}));
        conv = network.addConvolutionNd(*pool->getOutput(0), 16, dims({3, 3}), second, none);
        conv->setName("middle");
        h = network.addReduce(*conv->getOutput(0), ReduceOperation::kAVG, 0xc, false)->getOutput(0);
        IMatrixMultiplyLayer* last = product(network, *h, *constantOf(network, weights, {16, 10}));
        last->setName("head");
        markOutput(network, *last->getOutput(0));
    };
    return model;
}

class Times final : public IProfiler {
public:
    void reportLayerTime(char const* layerName, float ms) noexcept override { seen.emplace_back(layerName, ms); }
    std::vector<std::pair<std::string, float>> seen;
};

TEST_F(DevicePlan, EveryStepIsReportedToAProfiler) {
    const std::vector<float> kernels = pattern(16 * 8 * 9 + 16 * 16 * 9, 10);
    const std::vector<float> weights = pattern(16 * 10, 11);
    const Model model = convolutions(kernels, weights);
    const Deployed tested(model, Side::kTested);
    const Deployed cpu(model, Side::kAnswers);
    ASSERT_TRUE(tested.engine != nullptr && cpu.engine != nullptr);
    const std::vector<int64_t> extents = {2, 8, 20, 20};
    const std::vector<float> x = pattern(2 * 8 * 20 * 20, 12);
    const std::vector<float> y = runOnce(cpu, extents, x, 20);
    std::multiset<std::string> steps;
    for (const Json& layer : layersOf(tested)) {
        steps.insert(layer["Name"].get<std::string>());
    }
    const Stream stream;
    Runner runner(tested, stream.get());
    Times times;
    runner.context().setProfiler(&times);
    for (int run = 0; run < 3; ++run) {
        times.seen.clear();
        runner.give("x", extents, x);
        runner.room("y", 20);
        ASSERT_TRUE(runner.enqueue()) << tested.log.text();
        expectNear(runner.take("y", 20), y, 1e-4, "with a profiler");
        std::multiset<std::string> reported;
        std::string all;
        for (const auto& [name, ms] : times.seen) {
            EXPECT_GT(ms, 0.0F) << name;
            EXPECT_LT(ms, 1000.0F) << name;
            reported.insert(name);
            all += name + "\n";
        }
        EXPECT_EQ(reported, steps);
        for (const char* layer : {"entry", "pool", "middle", "head"}) {
            EXPECT_THAT(all, HasSubstr(layer));
        }
    }
    runner.context().setEnqueueEmitsProfile(false);
    times.seen.clear();
    ASSERT_TRUE(runner.enqueue());
    EXPECT_TRUE(times.seen.empty());
    EXPECT_TRUE(runner.context().reportToProfiler());
    EXPECT_EQ(times.seen.size(), steps.size());
    runner.context().setProfiler(nullptr);
    ASSERT_TRUE(runner.enqueue());
}

} // namespace
} // namespace tenon::gpu_test
