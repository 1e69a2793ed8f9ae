// Memory callbacks that applications implement: device memory for the library, and memory for outputs whose size only
// execution determines. Used by builder, runtime and execution context.
#pragma once

#include "tenon/dims.h"

#include <cstdlib>

namespace nvinfer1 {

enum class AllocatorFlag : int32_t {
    kRESIZABLE = 0, // reallocate() may be called on the block
};
TENON_ENUM_MAX(AllocatorFlag, 1)

using AllocatorFlags = uint32_t;

// Implemented by the application; called from any thread. Set on a runtime it gives the device's copy of the weights and what contexts hold there,
// set on a builder the memory that kernels are tried on; it must outlive the engines, or the builds. Pinned host memory and what libraries allocate
// for themselves do not come from it. For a plan that runs on host memory, "device" memory is ordinary memory that the CPU can reach: contexts ask
// for it, weights stay in the plan.
class IGpuAllocator : public IVersionedInterface {
public:
    // A block of `size` bytes aligned to `alignment` (0 or a power of two); null for size 0 or on failure.
    virtual void* allocate(uint64_t const size, uint64_t const alignment, AllocatorFlags const flags) noexcept = 0;

    ~IGpuAllocator() override = default;
    IGpuAllocator() = default;

    // Grows or shrinks a kRESIZABLE block, keeping its content. Null when that is not supported; the block stays valid.
    virtual void* reallocate(void* const /*baseAddr*/, uint64_t /*alignment*/, uint64_t /*newSize*/) noexcept {
        return nullptr;
    }

    // Releases a block. The default calls free(), which is what allocators written for 8.x implement.
    virtual bool deallocate(void* const memory) noexcept {
        free(memory);
        return true;
    }

    // As allocate(), ordered after the work already in `stream`.
    virtual void* allocateAsync(uint64_t const size, uint64_t const alignment, AllocatorFlags const flags,
                                cudaStream_t /*stream*/) noexcept {
        return allocate(size, alignment, flags);
    }

    virtual bool deallocateAsync(void* const memory, cudaStream_t /*stream*/) noexcept { return deallocate(memory); }

    // The 8.x name of deallocate(). Override one of the two. The default is the C library's free(), which is what an
    // overrider of deallocate() means when it writes free(memory).
    virtual void free(void* const memory) noexcept { std::free(memory); }

    InterfaceInfo getInterfaceInfo() const noexcept override { return {"IGpuAllocator", 1, 0}; }

protected:
    IGpuAllocator(IGpuAllocator const&) = default;
    IGpuAllocator(IGpuAllocator&&) = default;
    IGpuAllocator& operator=(IGpuAllocator const&) & = default;
    IGpuAllocator& operator=(IGpuAllocator&&) & = default;
};

// An allocator that only has the stream-ordered calls.
class IGpuAsyncAllocator : public IGpuAllocator {
public:
    IGpuAsyncAllocator() = default;
    ~IGpuAsyncAllocator() override = default;

    void* allocateAsync(uint64_t const size, uint64_t const alignment, AllocatorFlags const flags,
                        cudaStream_t stream) noexcept override = 0;
    bool deallocateAsync(void* const memory, cudaStream_t stream) noexcept override = 0;

    void* allocate(uint64_t const size, uint64_t const alignment, AllocatorFlags const flags) noexcept override {
        return allocateAsync(size, alignment, flags, nullptr);
    }
    bool deallocate(void* const memory) noexcept override { return deallocateAsync(memory, nullptr); }

    InterfaceInfo getInterfaceInfo() const noexcept override { return {"IGpuAllocator", 2, 0}; }

protected:
    IGpuAsyncAllocator(IGpuAsyncAllocator const&) = default;
    IGpuAsyncAllocator(IGpuAsyncAllocator&&) = default;
    IGpuAsyncAllocator& operator=(IGpuAsyncAllocator const&) & = default;
    IGpuAsyncAllocator& operator=(IGpuAsyncAllocator&&) & = default;
};

// Implemented by the application: memory for one output of one context. Called during enqueueV3, from its thread.
class IOutputAllocator : public IVersionedInterface {
public:
    // Memory for `size` bytes. May return `currentMemory` when that is large enough. Null makes the enqueue fail.
    virtual void* reallocateOutput(char const* /*tensorName*/, void* /*currentMemory*/, uint64_t /*size*/,
                                   uint64_t /*alignment*/) noexcept {
        return nullptr;
    }

    // As reallocateOutput(), ordered in `stream`. The library calls this one.
    virtual void* reallocateOutputAsync(char const* tensorName, void* currentMemory, uint64_t size, uint64_t alignment,
                                        cudaStream_t /*stream*/) {
        return reallocateOutput(tensorName, currentMemory, size, alignment);
    }

    // Tells the output's dimensions, always before enqueueV3 returns.
    virtual void notifyShape(char const* tensorName, Dims const& dims) noexcept = 0;

    // The 8.x way to ask for the version.
    virtual int32_t getInterfaceVersion() const noexcept { return 1; }

    InterfaceInfo getInterfaceInfo() const noexcept override { return {"IOutputAllocator", 1, 0}; }
};

} // namespace nvinfer1
