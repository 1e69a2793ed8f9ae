#include "backends/cuda/backend.h"

#include "backends/cuda/capture.h"
#include "backends/cuda/provider.h"
#include "backends/cuda/stream.h"
#include "backends/cuda/trace.h"
#include "tenon/module/host_memory.h"

#include <cuda_runtime_api.h>

#include <cstdint>

namespace tenon::cuda {

namespace {

using module::Code;
using module::Reason;

std::string versionText(int version) { return module::text(version / 1000, ".", version % 1000 / 10); }

std::string quoted(std::string_view plain) {
    std::string text = "\"";
    for (const char c : plain) {
        if (c == '"' || c == '\\') {
            text += '\\';
        }
        text += static_cast<unsigned char>(c) < 0x20 ? ' ' : c;
    }
    return text + "\"";
}

// Page-locked memory, which the copy engines reach without the driver's detour.
const TnHostMemory& hostMemoryTable() {
    static const TnHostMemory table{sizeof(TnHostMemory), 0, nullptr,
                                    [](void*, int32_t device, int64_t bytes) -> void* {
                                        void* memory = nullptr;
                                        if (cudaSetDevice(device) != cudaSuccess ||
                                            cudaMallocHost(&memory, static_cast<size_t>(bytes > 0 ? bytes : 1)) !=
                                                cudaSuccess) {
                                            cudaGetLastError();
                                            return nullptr;
                                        }
                                        return memory;
                                    },
                                    [](void*, int32_t, void* memory) { cudaFreeHost(memory); }};
    return table;
}

class CudaBackend final : public module::Backend {
public:
    std::string name() const override { return std::string(kBackendName); }
    std::string version() const override { return versionText(CUDART_VERSION); }

    int32_t deviceCount(Reason& reason) override {
        int count = 0;
        const cudaError_t error = cudaGetDeviceCount(&count);
        if (error != cudaSuccess) {
            cudaGetLastError();
            int driver = 0;
            cudaDriverGetVersion(&driver);
            if (driver == 0) {
                reason.environment("no CUDA device: no NVIDIA driver is loaded (libcuda.so.1)");
            } else {
                reason.environment("no CUDA device: ", cudaGetErrorString(error), " (driver for CUDA ",
                                   versionText(driver), ", module built with ", versionText(CUDART_VERSION), ")");
            }
            return 0;
        }
        if (count == 0) {
            reason.environment("no CUDA device: the driver shows none (CUDA_VISIBLE_DEVICES?)");
        }
        return count;
    }

    Code describe(int32_t device, std::string& json, std::string& fingerprint, Reason& reason) override {
        cudaDeviceProp properties{};
        const cudaError_t error = cudaGetDeviceProperties(&properties, device);
        if (error != cudaSuccess) {
            return reason.environment("CUDA device ", device, ": ", cudaGetErrorString(error));
        }
        int driver = 0;
        cudaDriverGetVersion(&driver);
        const auto attribute = [&](cudaDeviceAttr which) {
            int value = 0;
            cudaDeviceGetAttribute(&value, which, device);
            return value;
        };
        const int sm = properties.major * 10 + properties.minor;
        json = module::text("{\"backend\":\"cuda\",\"name\":", quoted(properties.name), ",\"sm\":", sm,
                            ",\"multiprocessors\":", properties.multiProcessorCount,
                            ",\"memory\":", properties.totalGlobalMem, ",\"l2\":", properties.l2CacheSize,
                            ",\"shared_per_block\":", properties.sharedMemPerBlockOptin,
                            ",\"shared_per_multiprocessor\":", properties.sharedMemPerMultiprocessor,
                            ",\"registers_per_multiprocessor\":", properties.regsPerMultiprocessor,
                            ",\"threads_per_multiprocessor\":", properties.maxThreadsPerMultiProcessor,
                            ",\"clock_khz\":", attribute(cudaDevAttrClockRate),
                            ",\"memory_clock_khz\":", attribute(cudaDevAttrMemoryClockRate),
                            ",\"memory_bus_bits\":", properties.memoryBusWidth, ",\"driver\":", driver,
                            ",\"runtime\":", CUDART_VERSION, "}");
        fingerprint = module::text("cuda|", properties.name, "|sm", sm, "|", properties.multiProcessorCount, "|",
                                   properties.totalGlobalMem >> 30, "GiB|driver", driver, "|runtime", CUDART_VERSION);
        return Code::kOk;
    }

    void* allocate(int32_t device, int64_t bytes, int64_t alignment) override {
        void* memory = nullptr;
        if (cudaSetDevice(device) != cudaSuccess ||
            cudaMalloc(&memory, static_cast<size_t>(bytes > 0 ? bytes : 1)) != cudaSuccess) {
            cudaGetLastError();
            return nullptr;
        }
        // cudaMalloc aligns to 256 bytes at least.
        if (alignment > 0 && reinterpret_cast<uintptr_t>(memory) % static_cast<uintptr_t>(alignment) != 0) {
            cudaFree(memory);
            return nullptr;
        }
        return memory;
    }
    void release(int32_t, void* memory) override { cudaFree(memory); }

    Code copy(void* to, const void* from, int64_t bytes, TnStream* stream, Reason& reason) override {
        if (bytes <= 0 || to == from) {
            return Code::kOk;
        }
        // The driver stages pageable host memory through pinned pages of its own.
        const auto size = static_cast<size_t>(bytes);
        cudaError_t error = cudaSuccess;
        if (stream != nullptr) {
            error = cudaMemcpyAsync(to, from, size, cudaMemcpyDefault, stream->stream);
        } else {
            // cudaMemcpy returns when a small source is staged, not when it has arrived, and our streams do not wait for the default one.
            error = cudaMemcpy(to, from, size, cudaMemcpyDefault);
            error = error == cudaSuccess ? cudaStreamSynchronize(cudaStreamLegacy) : error;
        }
        return error == cudaSuccess ? Code::kOk
                                    : reason.internal("a copy of ", bytes, " bytes fails: ", cudaGetErrorString(error));
    }

    bool hasStreams() const override { return true; }
    TnStream* createStream(int32_t device, Reason& reason) override {
        cudaStream_t stream = nullptr;
        cudaError_t error = cudaSetDevice(device);
        if (error == cudaSuccess) {
            error = cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking);
        }
        if (error != cudaSuccess) {
            reason.environment("no stream on CUDA device ", device, ": ", cudaGetErrorString(error));
            return nullptr;
        }
        return new TnStream{stream};
    }
    void destroyStream(TnStream* stream) override {
        if (stream != nullptr) {
            cudaStreamDestroy(stream->stream);
            delete stream;
        }
    }
    Code synchronize(TnStream* stream, Reason& reason) override {
        const cudaError_t error = cudaStreamSynchronize(stream != nullptr ? stream->stream : nullptr);
        return error == cudaSuccess ? Code::kOk
                                    : reason.internal("work on the device failed: ", cudaGetErrorString(error));
    }

    bool hasEvents() const override { return true; }
    TnEvent* createEvent(int32_t device, Reason& reason) override {
        cudaEvent_t event = nullptr;
        cudaError_t error = cudaSetDevice(device);
        if (error == cudaSuccess) {
            error = cudaEventCreate(&event);
        }
        if (error != cudaSuccess) {
            reason.environment("no event on CUDA device ", device, ": ", cudaGetErrorString(error));
            return nullptr;
        }
        return new TnEvent{event};
    }
    void destroyEvent(TnEvent* event) override {
        if (event != nullptr) {
            cudaEventDestroy(event->event);
            delete event;
        }
    }
    Code record(TnEvent* event, TnStream* stream) override {
        return codeOf(cudaEventRecord(event->event, stream->stream));
    }
    Code wait(TnEvent* event, TnStream* stream) override {
        return codeOf(cudaStreamWaitEvent(stream->stream, event->event, 0));
    }
    Code elapsedUs(TnEvent* begin, TnEvent* end, double& out) override {
        float milliseconds = 0;
        cudaError_t error = cudaEventSynchronize(end->event);
        if (error == cudaSuccess) {
            error = cudaEventElapsedTime(&milliseconds, begin->event, end->event);
        }
        out = static_cast<double>(milliseconds) * 1000.0;
        return codeOf(error);
    }

    const void* extension(std::string_view name) override {
        if (name == TN_HOST_MEMORY_EXTENSION) {
            return &hostMemoryTable();
        }
        if (name == TN_TRACE_EXTENSION) {
            return &traceTable();
        }
        return name == TN_CAPTURE_EXTENSION ? &captureTable() : nullptr;
    }

private:
    static Code codeOf(cudaError_t error) { return error == cudaSuccess ? Code::kOk : Code::kInternal; }
};

} // namespace

std::unique_ptr<module::Backend> makeBackend() { return std::make_unique<CudaBackend>(); }

} // namespace tenon::cuda
