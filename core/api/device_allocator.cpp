#include "core/api/device_allocator.h"

namespace tenon::api {

runtime::AllocatorCallbacks callbacksOf(nvinfer1::IGpuAllocator* allocator) {
    runtime::AllocatorCallbacks callbacks;
    if (allocator == nullptr) {
        return callbacks;
    }
    callbacks.context = allocator;
    callbacks.allocate = [](void* context, int64_t bytes, int64_t alignment) {
        return static_cast<nvinfer1::IGpuAllocator*>(context)->allocate(static_cast<uint64_t>(bytes),
                                                                        static_cast<uint64_t>(alignment), 0);
    };
    callbacks.deallocate = [](void* context, void* memory) {
        static_cast<nvinfer1::IGpuAllocator*>(context)->deallocate(memory);
    };
    return callbacks;
}

} // namespace tenon::api
