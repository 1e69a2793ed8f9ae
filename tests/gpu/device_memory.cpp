#include "tests/gpu/device_memory.h"

#include <cstdlib>
#include <cstring>
#include <utility>

namespace tenon::gpu_test {

bool onHost() {
    const char* where = std::getenv("TENON_DEVICE_TEST_ON");
    return where != nullptr && std::string(where) == "host";
}

std::string whyAbsent() {
    if (onHost()) {
        return {};
    }
    int devices = 0;
    const cudaError_t error = cudaGetDeviceCount(&devices);
    if (error != cudaSuccess) {
        return std::string("no CUDA device: ") + cudaGetErrorString(error);
    }
    return devices > 0 ? "" : "no CUDA device: the driver reports none";
}

Stream::Stream() {
    if (!onHost() && cudaStreamCreateWithFlags(&mStream, cudaStreamNonBlocking) != cudaSuccess) {
        mStream = nullptr;
    }
}

Stream::~Stream() {
    if (mStream != nullptr) {
        cudaStreamSynchronize(mStream);
        cudaStreamDestroy(mStream);
    }
}

bool Stream::synchronize() const { return onHost() || cudaStreamSynchronize(mStream) == cudaSuccess; }

Buffer::Buffer(bool device, size_t bytes) : mDevice(device), mBytes(bytes) {
    constexpr size_t kAlignment = 256;
    if (!device) {
        mData = std::aligned_alloc(kAlignment, (bytes / kAlignment + 1) * kAlignment);
    } else if (cudaMalloc(&mData, bytes) != cudaSuccess) {
        mData = nullptr;
    }
}

Buffer::Buffer(Buffer&& other) noexcept
    : mDevice(other.mDevice), mBytes(other.mBytes), mData(std::exchange(other.mData, nullptr)) {}

Buffer::~Buffer() {
    if (mDevice) {
        cudaFree(mData);
    } else {
        std::free(mData);
    }
}

bool Buffer::write(const void* from, size_t bytes, cudaStream_t stream) {
    if (mData == nullptr || bytes > mBytes) {
        return false;
    }
    if (!mDevice) {
        std::memcpy(mData, from, bytes);
        return true;
    }
    return cudaMemcpyAsync(mData, from, bytes, cudaMemcpyHostToDevice, stream) == cudaSuccess &&
           cudaStreamSynchronize(stream) == cudaSuccess;
}

bool Buffer::read(void* to, size_t bytes, cudaStream_t stream) const {
    if (mData == nullptr || bytes > mBytes) {
        return false;
    }
    if (!mDevice) {
        std::memcpy(to, mData, bytes);
        return true;
    }
    return cudaMemcpyAsync(to, mData, bytes, cudaMemcpyDeviceToHost, stream) == cudaSuccess &&
           cudaStreamSynchronize(stream) == cudaSuccess;
}

} // namespace tenon::gpu_test
