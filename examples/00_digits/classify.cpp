// The first program one writes: an ONNX model with a dynamic batch becomes an engine, and the engine reads digits.
// It is TensorRT code as it stands: only the stream is null here, because this engine runs on the host.
//
//   classify MODEL IMAGES LABELS      images as raw f32[n, 1, 8, 8], labels as raw i32[n]
#include <NvInfer.h>
#include <NvOnnxParser.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <fstream>
#include <iterator>
#include <memory>
#include <string>
#include <vector>

namespace {

constexpr int64_t kLargestBatch = 64;
constexpr int64_t kPixels = 64;
constexpr int64_t kDigits = 10;

class Logger final : public nvinfer1::ILogger {
    void log(Severity severity, char const* text) noexcept override {
        if (severity <= Severity::kWARNING) {
            std::fprintf(stderr, "%s\n", text);
        }
    }
};

template <class Number>
std::vector<Number> readAll(const char* path) {
    std::ifstream file(path, std::ios::binary);
    const std::vector<char> bytes((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
    std::vector<Number> numbers(bytes.size() / sizeof(Number));
    std::copy_n(bytes.data(), numbers.size() * sizeof(Number), reinterpret_cast<char*>(numbers.data()));
    return numbers;
}

std::unique_ptr<nvinfer1::IHostMemory> build(const char* model, nvinfer1::ILogger& logger) {
    std::unique_ptr<nvinfer1::IBuilder> builder(nvinfer1::createInferBuilder(logger));
    std::unique_ptr<nvinfer1::INetworkDefinition> network(builder->createNetworkV2(0));
    std::unique_ptr<nvonnxparser::IParser> parser(nvonnxparser::createParser(*network, logger));
    if (!parser->parseFromFile(model, static_cast<int>(nvinfer1::ILogger::Severity::kWARNING))) {
        for (int i = 0; i < parser->getNbErrors(); ++i) {
            std::fprintf(stderr, "%s\n", parser->getError(i)->desc());
        }
        return nullptr;
    }
    nvinfer1::IOptimizationProfile* profile = builder->createOptimizationProfile();
    profile->setDimensions("image", nvinfer1::OptProfileSelector::kMIN, nvinfer1::Dims4(1, 1, 8, 8));
    profile->setDimensions("image", nvinfer1::OptProfileSelector::kOPT, nvinfer1::Dims4(16, 1, 8, 8));
    profile->setDimensions("image", nvinfer1::OptProfileSelector::kMAX, nvinfer1::Dims4(kLargestBatch, 1, 8, 8));
    std::unique_ptr<nvinfer1::IBuilderConfig> config(builder->createBuilderConfig());
    config->addOptimizationProfile(profile);
    return std::unique_ptr<nvinfer1::IHostMemory>(builder->buildSerializedNetwork(*network, *config));
}

} // namespace

int main(int argc, char** argv) {
    if (argc != 4) {
        std::fprintf(stderr, "usage: classify MODEL IMAGES LABELS\n");
        return 2;
    }
    Logger logger;
    const std::unique_ptr<nvinfer1::IHostMemory> plan = build(argv[1], logger);
    if (!plan) {
        return 1;
    }
    std::unique_ptr<nvinfer1::IRuntime> runtime(nvinfer1::createInferRuntime(logger));
    std::unique_ptr<nvinfer1::ICudaEngine> engine(runtime->deserializeCudaEngine(plan->data(), plan->size()));
    std::unique_ptr<nvinfer1::IExecutionContext> context(engine ? engine->createExecutionContext() : nullptr);
    if (!context) {
        return 1;
    }

    std::vector<float> images = readAll<float>(argv[2]);
    const std::vector<int32_t> labels = readAll<int32_t>(argv[3]);
    const auto count = static_cast<int64_t>(labels.size());
    if (count == 0 || static_cast<int64_t>(images.size()) != count * kPixels) {
        std::fprintf(stderr, "%s and %s do not belong together\n", argv[2], argv[3]);
        return 3;
    }
    int64_t right = 0;
    std::vector<float> probability(kLargestBatch * kDigits);
    for (int64_t begin = 0; begin < count; begin += kLargestBatch) {
        const int64_t batch = std::min(kLargestBatch, count - begin); // the last one is smaller
        if (!context->setInputShape("image", nvinfer1::Dims4(batch, 1, 8, 8)) ||
            !context->setTensorAddress("image", images.data() + begin * kPixels) ||
            !context->setTensorAddress("probability", probability.data()) || !context->enqueueV3(nullptr)) {
            return 1;
        }
        for (int64_t i = 0; i < batch; ++i) {
            const auto row = probability.begin() + i * kDigits;
            const auto digit = std::max_element(row, row + kDigits) - row;
            right += digit == labels[static_cast<size_t>(begin + i)] ? 1 : 0;
        }
    }
    std::printf("%lld of %lld digits read right, accuracy %.4f\n", static_cast<long long>(right),
                static_cast<long long>(count), static_cast<double>(right) / static_cast<double>(count));
    return 0;
}
