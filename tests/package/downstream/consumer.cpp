#include <tenon/tenon.h>

#include <cstdio>
#include <memory>

namespace {

class Logger final : public nvinfer1::ILogger {
public:
    void log(Severity severity, const char* message) noexcept override {
        if (severity <= Severity::kWARNING) {
            std::fprintf(stderr, "%s\n", message);
        }
    }
};

} // namespace

int main() {
    Logger logger;
    const std::unique_ptr<nvinfer1::IBuilder> builder(nvinfer1::createInferBuilder(logger));
    if (builder == nullptr) {
        std::puts("no builder");
        return 1;
    }
    const std::unique_ptr<nvinfer1::INetworkDefinition> network(builder->createNetworkV2(0));
    nvinfer1::ITensor* const input = network->addInput("x", nvinfer1::DataType::kFLOAT, nvinfer1::Dims2{2, 3});
    std::printf("input %s with %d dimensions\n", input->getName(), static_cast<int>(input->getDimensions().nbDims));
    return input->getDimensions().nbDims == 2 ? 0 : 1;
}
