// The kernel runtime "plugin": runs users' plugins as kernels of a plan, through their creators.
// Registered by libtenon_runtime itself; must not know networks or the scheduler.
#pragma once

#include "tenon/module/abi.h"

namespace tenon::api {

// Immutable, lives as long as the process.
const TnKernelRuntime& pluginKernelRuntime();

// Names of session resources that plugins see: see ExecutionContext.
inline constexpr const char* kStreamResource = "tenon.stream";           // cudaStream_t*, the stream of the enqueue
inline constexpr const char* kAllocatorResource = "allocator";           // nvinfer1::IGpuAllocator*
inline constexpr const char* kRecorderResource = "tenon.error_recorder"; // nvinfer1::IErrorRecorder*

} // namespace tenon::api
