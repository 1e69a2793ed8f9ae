// Every header under TensorRT's names, and uses that break when a name or a type of the interface changes.
#include "NvInfer.h"
#include "NvInferLegacyDims.h"
#include "NvInferPlugin.h"
#include "NvInferPluginBase.h"
#include "NvInferPluginUtils.h"
#include "NvInferRuntime.h"
#include "NvInferRuntimeBase.h"
#include "NvInferRuntimeCommon.h"
#include "NvInferRuntimePlugin.h"
#include "NvInferVersion.h"
#include "NvOnnxParser.h"

#include <cstdio>
#include <type_traits>

namespace nvinfer1 {
class ILogger; // as client headers do
} // namespace nvinfer1

using namespace nvinfer1;

static_assert(NV_TENSORRT_VERSION == 101601, "the interface that is offered");
static_assert(EnumMax<LayerType>() == 57 && EnumMax<BuilderFlag>() == 29 && EnumMax<DataType>() == 12, "");
static_assert(EnumMax<ActivationType>() == 14 && EnumMax<UnaryOperation>() == 25, "");
static_assert(static_cast<int32_t>(LayerType::kDIST_COLLECTIVE) == 56, "");
static_assert(static_cast<int32_t>(BuilderFlag::kDISTRIBUTIVE_INDEPENDENCE) == 28, "");
static_assert(static_cast<int32_t>(ErrorCode::kUNSUPPORTED_STATE) == 10, "");
static_assert(nvonnxparser::EnumMax<nvonnxparser::ErrorCode>() == 15, "");
static_assert(std::is_same<decltype(Dims::d[0]), int64_t(&)>::value || sizeof(Dims::d[0]) == 8, "");
static_assert(std::is_same<SliceMode, SampleMode>::value && std::is_same<ResizeMode, InterpolationMode>::value, "");
static_assert(std::is_base_of<IPluginV3OneBuild, IPluginV3OneBuildV2>::value, "");
static_assert(std::is_base_of<IVersionedInterface, v_1_0::IPluginV3OneCore>::value, "");
static_assert(std::is_same<PluginFormat, TensorFormat>::value, "");
static_assert(sizeof(cudaStream_t) == sizeof(void*), "");

TRT_DEPRECATED int oldFunction();

namespace {

class Allocator : public IGpuAllocator {
public:
    void* allocate(uint64_t const size, uint64_t const, AllocatorFlags const) noexcept override {
        return ::operator new(size);
    }
    bool deallocate(void* const memory) noexcept override {
        ::operator delete(memory);
        return true;
    }
};

class OutputAllocator : public IOutputAllocator {
public:
    void* reallocateOutputAsync(char const*, void*, uint64_t, uint64_t, cudaStream_t) override { return nullptr; }
    void notifyShape(char const*, Dims const&) noexcept override {}
};

class Calibrator : public IInt8EntropyCalibrator2 {
public:
    int32_t getBatchSize() const noexcept override { return 1; }
    bool getBatch(void*[], char const*[], int32_t) noexcept override { return false; }
    void const* readCalibrationCache(std::size_t& length) noexcept override {
        length = 0;
        return nullptr;
    }
    void writeCalibrationCache(void const*, std::size_t) noexcept override {}
};

class OldCalibrator : public IInt8Calibrator { // 8.x code derives from the root
public:
    int32_t getBatchSize() const noexcept override { return 1; }
    bool getBatch(void*[], char const*[], int32_t) noexcept override { return false; }
    void const* readCalibrationCache(std::size_t&) noexcept override { return nullptr; }
    void writeCalibrationCache(void const*, std::size_t) noexcept override {}
    CalibrationAlgoType getAlgorithm() noexcept override { return CalibrationAlgoType::kMINMAX_CALIBRATION; }
};

class Reader : public IStreamReaderV2 {
public:
    int64_t read(void*, int64_t, cudaStream_t) noexcept override { return 0; }
    bool seek(int64_t, SeekPosition) noexcept override { return true; }
};

class Listener : public IDebugListener {
public:
    bool processDebugTensor(void const*, TensorLocation, DataType, Dims const&, char const*, cudaStream_t) override {
        return true;
    }
};

} // namespace

int main() {
    Allocator allocator;
    OutputAllocator output;
    Calibrator calibrator;
    OldCalibrator old;
    Reader reader;
    Listener listener;
    // Addresses of single methods, as bindings take them.
    auto setFlag = &IBuilderConfig::setFlag;
    auto enqueue = &IExecutionContext::enqueueV3;
    auto name = static_cast<char const* (ILayer::*)() const noexcept>(&ILayer::getName);
    (void)setFlag;
    (void)enqueue;
    (void)name;
    DimsHW hw{3, 4};
    hw.h() = 5;
    const Dims3 three{1, 2, 3};
    const Weights empty{DataType::kFLOAT, nullptr, 0};
    Permutation permutation{{0, 2, 1}};
    if (hw.d[0] != 5 || three.nbDims != 3 || empty.count != 0 || permutation.order[1] != 2 ||
        getNvOnnxParserVersion() != NV_ONNX_PARSER_VERSION || !initLibNvInferPlugins(nullptr, "")) {
        return 1;
    }
    std::puts("PASSED");
    return 0;
}
