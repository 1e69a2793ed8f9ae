// An application that teaches the parser an op without any module: acme::Doubler becomes x + x. by_api MODEL
#include <tenon/tenon.h>

#include <cstdio>
#include <memory>

namespace {

class Logger final : public nvinfer1::ILogger {
    void log(Severity severity, char const* text) noexcept override {
        if (severity <= Severity::kWARNING) {
            std::fprintf(stderr, "%s\n", text);
        }
    }
};

class Doubler final : public nvonnxparser::IOnnxNodeImporter {
    bool importNode(tenon::IOnnxNode& node, nvinfer1::INetworkDefinition& network) noexcept override {
        nvinfer1::ITensor* x = node.getInput(0);
        nvinfer1::IElementWiseLayer* sum =
            x != nullptr ? network.addElementWise(*x, *x, nvinfer1::ElementWiseOperation::kSUM) : nullptr;
        if (sum == nullptr) {
            node.setError("x + x could not be added");
            return false;
        }
        node.setOutput(0, *sum->getOutput(0));
        return true;
    }
};

} // namespace

int main(int argc, char** argv) {
    Logger logger;
    Doubler doubler;
    std::unique_ptr<nvinfer1::IBuilder> builder(nvinfer1::createInferBuilder(logger));
    std::unique_ptr<nvinfer1::INetworkDefinition> network(builder->createNetworkV2(0));
    std::unique_ptr<nvonnxparser::IParser> parser(nvonnxparser::createParser(*network, logger));
    if (argc != 2 || !parser || !parser->registerImporter({"acme", "Doubler", 1, INT64_MAX, &doubler}) ||
        !parser->parseFromFile(argv[1], 2)) {
        return 1;
    }
    std::unique_ptr<nvinfer1::IBuilderConfig> config(builder->createBuilderConfig());
    std::unique_ptr<nvinfer1::IHostMemory> plan(builder->buildSerializedNetwork(*network, *config));
    std::unique_ptr<nvinfer1::IRuntime> runtime(nvinfer1::createInferRuntime(logger));
    std::unique_ptr<nvinfer1::ICudaEngine> engine(plan ? runtime->deserializeCudaEngine(plan->data(), plan->size())
                                                       : nullptr);
    std::unique_ptr<nvinfer1::IExecutionContext> context(engine ? engine->createExecutionContext() : nullptr);
    float x[4] = {1, -2, 3.5F, 0};
    float y[4] = {};
    if (!context || !context->setTensorAddress("x", x) || !context->setTensorAddress("y", y) ||
        !context->enqueueV3(nullptr)) {
        return 1;
    }
    for (int i = 0; i < 4; ++i) {
        if (y[i] != 2 * x[i]) {
            std::fprintf(stderr, "y[%d] is %g, expected %g\n", i, static_cast<double>(y[i]),
                         static_cast<double>(2 * x[i]));
            return 1;
        }
    }
    std::printf("PASSED: the application's importer was used\n");
    return 0;
}
