// A small classifier by hand: builder, config, network, serialized plan, runtime, context, executeV2.
#include "common.h"

#include <cmath>
#include <numeric>
#include <vector>

using namespace nvinfer1;

namespace {

class Classifier {
public:
    bool build();
    bool infer();

private:
    bool constructNetwork(UniquePtr<INetworkDefinition>& network);

    static constexpr int kCLASSES = 3;
    Logger mLogger;
    std::vector<float> mConv = std::vector<float>(2 * 1 * 3 * 3);
    std::vector<float> mConvBias{0.5F, -0.5F};
    std::vector<float> mDense = std::vector<float>(2 * 3 * 3 * kCLASSES);
    std::shared_ptr<IRuntime> mRuntime;
    std::shared_ptr<ICudaEngine> mEngine;
};

bool Classifier::build() {
    std::iota(mConv.begin(), mConv.end(), -8.0F);
    for (size_t i = 0; i < mDense.size(); ++i) {
        mDense[i] = 0.01F * static_cast<float>(static_cast<int>(i % 7) - 3);
    }
    auto builder = UniquePtr<IBuilder>(createInferBuilder(mLogger));
    if (!builder) {
        return false;
    }
    auto network = UniquePtr<INetworkDefinition>(
        builder->createNetworkV2(1U << static_cast<uint32_t>(NetworkDefinitionCreationFlag::kSTRONGLY_TYPED)));
    auto config = UniquePtr<IBuilderConfig>(builder->createBuilderConfig());
    if (!network || !config || !constructNetwork(network)) {
        return false;
    }
    config->setMemoryPoolLimit(MemoryPoolType::kWORKSPACE, 16 << 20);
    auto timingCache = UniquePtr<ITimingCache>(config->createTimingCache(nullptr, 0));
    config->setTimingCache(*timingCache, false);
    UniquePtr<IHostMemory> plan{builder->buildSerializedNetwork(*network, *config)};
    if (!plan) {
        return false;
    }
    mRuntime = std::shared_ptr<IRuntime>(createInferRuntime(mLogger));
    mEngine = std::shared_ptr<ICudaEngine>(mRuntime->deserializeCudaEngine(plan->data(), plan->size()), InferDeleter());
    return mEngine != nullptr;
}

bool Classifier::constructNetwork(UniquePtr<INetworkDefinition>& network) {
    ITensor* data = network->addInput("data", DataType::kFLOAT, Dims4{1, 1, 8, 8});
    CHECK(data);
    auto* conv = network->addConvolutionNd(
        *data, 2, Dims{2, {3, 3}}, Weights{DataType::kFLOAT, mConv.data(), static_cast<int64_t>(mConv.size())},
        Weights{DataType::kFLOAT, mConvBias.data(), static_cast<int64_t>(mConvBias.size())});
    CHECK(conv);
    conv->setStrideNd(DimsHW{1, 1});
    conv->setName("conv");
    auto* relu = network->addActivation(*conv->getOutput(0), ActivationType::kRELU);
    auto* pool = network->addPoolingNd(*relu->getOutput(0), PoolingType::kMAX, Dims{2, {2, 2}});
    pool->setStrideNd(DimsHW{2, 2});
    Dims pooled = pool->getOutput(0)->getDimensions();
    CHECK(pooled.nbDims == 4 && pooled.d[1] == 2 && pooled.d[2] == 3 && pooled.d[3] == 3);
    auto* flat = network->addShuffle(*pool->getOutput(0));
    flat->setReshapeDimensions(Dims{2, {1, -1}});
    auto* weights = network->addConstant(Dims2{18, kCLASSES},
                                         Weights{DataType::kFLOAT, mDense.data(), static_cast<int64_t>(mDense.size())});
    auto* dense = network->addMatrixMultiply(*flat->getOutput(0), MatrixOperation::kNONE, *weights->getOutput(0),
                                             MatrixOperation::kNONE);
    auto* prob = network->addSoftMax(*dense->getOutput(0));
    prob->setAxes(1U << 1);
    prob->getOutput(0)->setName("prob");
    network->markOutput(*prob->getOutput(0));
    return true;
}

bool Classifier::infer() {
    auto context = UniquePtr<IExecutionContext>(mEngine->createExecutionContext());
    if (!context) {
        return false;
    }
    std::vector<float> data(64);
    for (size_t i = 0; i < data.size(); ++i) {
        data[i] = std::sin(static_cast<float>(i));
    }
    std::vector<float> prob(kCLASSES, -1.0F);
    std::vector<void*> bindings(static_cast<size_t>(mEngine->getNbIOTensors()));
    for (int32_t i = 0; i < mEngine->getNbIOTensors(); ++i) {
        const char* name = mEngine->getIOTensorName(i);
        void* memory = mEngine->getTensorIOMode(name) == TensorIOMode::kINPUT ? data.data() : prob.data();
        bindings[static_cast<size_t>(i)] = memory;
        context->setTensorAddress(name, memory);
    }
    if (!context->executeV2(bindings.data())) {
        return false;
    }
    // The same by plain loops.
    double logits[kCLASSES] = {};
    for (int m = 0; m < 2; ++m) {
        for (int py = 0; py < 3; ++py) {
            for (int px = 0; px < 3; ++px) {
                double best = 0.0;
                for (int y = 2 * py; y < 2 * py + 2; ++y) {
                    for (int x = 2 * px; x < 2 * px + 2; ++x) {
                        double sum = mConvBias[static_cast<size_t>(m)];
                        for (int k = 0; k < 9; ++k) {
                            sum += static_cast<double>(mConv[static_cast<size_t>(m * 9 + k)]) *
                                   data[static_cast<size_t>((y + k / 3) * 8 + x + k % 3)];
                        }
                        best = std::max(best, sum);
                    }
                }
                for (int c = 0; c < kCLASSES; ++c) {
                    logits[c] += best * mDense[static_cast<size_t>((m * 9 + py * 3 + px) * kCLASSES + c)];
                }
            }
        }
    }
    double total = 0.0;
    for (double& logit : logits) {
        logit = std::exp(logit);
        total += logit;
    }
    for (int c = 0; c < kCLASSES; ++c) {
        CHECK(std::fabs(prob[static_cast<size_t>(c)] - logits[c] / total) < 1e-4);
    }
    return true;
}

} // namespace

int main() {
    static_assert(NV_TENSORRT_MAJOR >= 10, "written for 10.x");
    CHECK(getInferLibVersion() == NV_TENSORRT_VERSION);
    Classifier classifier;
    CHECK(classifier.build());
    CHECK(classifier.infer());
    std::puts("PASSED");
    return 0;
}
