// An ONNX file to answers, in the style of TensorRT's ONNX samples. Arguments: the model, and its inputs as raw bytes.
#include "common.h"

#include "NvOnnxParser.h"

#include <cmath>
#include <fstream>
#include <iterator>
#include <vector>

using namespace nvinfer1;

namespace {

int64_t volume(const Dims& d) {
    int64_t product = 1;
    for (int32_t i = 0; i < d.nbDims; ++i) {
        product *= d.d[i];
    }
    return product;
}

} // namespace

int main(int argc, char** argv) {
    CHECK(argc >= 2);
    Logger logger;
    auto builder = UniquePtr<IBuilder>(createInferBuilder(logger));
    auto network = UniquePtr<INetworkDefinition>(builder->createNetworkV2(0));
    auto config = UniquePtr<IBuilderConfig>(builder->createBuilderConfig());
    auto parser = UniquePtr<nvonnxparser::IParser>(nvonnxparser::createParser(*network, logger));
    CHECK(parser);
    if (!parser->parseFromFile(argv[1], static_cast<int>(ILogger::Severity::kWARNING))) {
        for (int i = 0; i < parser->getNbErrors(); ++i) {
            std::fprintf(stderr, "%s\n", parser->getError(i)->desc());
        }
        return 1;
    }
    CHECK(network->getNbOutputs() > 0 && network->getNbLayers() > 0);
    auto* profile = builder->createOptimizationProfile();
    for (int32_t i = 0; i < network->getNbInputs(); ++i) {
        ITensor* input = network->getInput(i);
        Dims dims = input->getDimensions();
        for (int32_t d = 0; d < dims.nbDims; ++d) {
            dims.d[d] = dims.d[d] < 0 ? 1 : dims.d[d];
        }
        for (auto select : {OptProfileSelector::kMIN, OptProfileSelector::kOPT, OptProfileSelector::kMAX}) {
            CHECK(profile->setDimensions(input->getName(), select, dims));
        }
    }
    CHECK(config->addOptimizationProfile(profile) == 0);
    config->setBuilderOptimizationLevel(0);
    UniquePtr<IHostMemory> plan{builder->buildSerializedNetwork(*network, *config)};
    CHECK(plan);
    auto runtime = UniquePtr<IRuntime>(createInferRuntime(logger));
    auto engine = UniquePtr<ICudaEngine>(runtime->deserializeCudaEngine(plan->data(), plan->size()));
    CHECK(engine);
    auto context = UniquePtr<IExecutionContext>(engine->createExecutionContext());
    std::vector<std::vector<char>> buffers;
    int file = 2;
    for (int32_t i = 0; i < engine->getNbIOTensors(); ++i) {
        const char* name = engine->getIOTensorName(i);
        const bool isInput = engine->getTensorIOMode(name) == TensorIOMode::kINPUT;
        if (isInput) {
            CHECK(context->setInputShape(name, engine->getProfileShape(name, 0, OptProfileSelector::kOPT)));
        }
        const int64_t bytes = volume(context->getTensorShape(name)) * engine->getTensorBytesPerComponent(name);
        buffers.emplace_back(static_cast<size_t>(bytes), '\0');
        if (isInput && file < argc) {
            std::ifstream in(argv[file++], std::ios::binary);
            std::vector<char> content((std::istreambuf_iterator<char>(in)), std::istreambuf_iterator<char>());
            CHECK(content.size() == buffers.back().size());
            buffers.back() = content;
        }
        CHECK(context->setTensorAddress(name, buffers.back().data()));
    }
    CHECK(context->enqueueV3(nullptr));
    for (int32_t i = 0; i < engine->getNbIOTensors(); ++i) {
        const char* name = engine->getIOTensorName(i);
        if (engine->getTensorIOMode(name) == TensorIOMode::kOUTPUT &&
            engine->getTensorDataType(name) == DataType::kFLOAT) {
            const auto* values = reinterpret_cast<const float*>(buffers[static_cast<size_t>(i)].data());
            std::printf("%s:", name);
            for (int64_t v = 0; v < volume(context->getTensorShape(name)); ++v) {
                CHECK(std::isfinite(values[v]));
                std::printf(" %g", static_cast<double>(values[v]));
            }
            std::printf("\n");
        }
    }
    std::puts("PASSED");
    return 0;
}
