// A user's IGpuAllocator as the core calls it.
// Used by builder, runtime and execution contexts. Knows no plan and no device.
#pragma once

#include "core/runtime/device_memory.h"
#include "tenon/allocator.h"

namespace tenon::api {

// No functions for null. Blocks outlive streams and are used on any of them, so they are asked for with allocate(), not with allocateAsync(),
// whose memory is there for one stream alone.
runtime::AllocatorCallbacks callbacksOf(nvinfer1::IGpuAllocator* allocator);

} // namespace tenon::api
