// Streams and memory of the device under test, through the CUDA runtime. With TENON_DEVICE_TEST_ON=host memory is the host's and streams are null:
// that is how the tests themselves are tested where there is no GPU.
// Knows nothing of Tenon but where it computes.
#pragma once

#include <cuda_runtime_api.h>

#include <cstddef>
#include <string>
#include <vector>

namespace tenon::gpu_test {

bool onHost();
// The reason why the tests cannot run; empty where they can.
std::string whyAbsent();

// Owned; waited for before it goes.
class Stream {
public:
    Stream();
    ~Stream();
    Stream(const Stream&) = delete;
    Stream& operator=(const Stream&) = delete;
    cudaStream_t get() const { return mStream; }
    bool synchronize() const;

private:
    cudaStream_t mStream = nullptr;
};

// Owned bytes on the device or on the host. data() is null where there was no memory.
class Buffer {
public:
    Buffer(bool device, size_t bytes);
    ~Buffer();
    Buffer(Buffer&& other) noexcept;
    Buffer(const Buffer&) = delete;
    Buffer& operator=(const Buffer&) = delete;
    Buffer& operator=(Buffer&&) = delete;

    void* data() const { return mData; }
    size_t bytes() const { return mBytes; }
    // Done when they return; ordered after what is on the stream.
    bool write(const void* from, size_t bytes, cudaStream_t stream);
    bool read(void* to, size_t bytes, cudaStream_t stream) const;

private:
    bool mDevice;
    size_t mBytes;
    void* mData = nullptr;
};

} // namespace tenon::gpu_test
