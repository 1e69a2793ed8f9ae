// Makes tenon's inline factories call TensorRT's C names. First include of every compat header, nothing else's.
#pragma once

#if !defined(TENON_USE_TENSORRT_ENTRY_POINTS)
#define TENON_USE_TENSORRT_ENTRY_POINTS 1
#endif

// TensorRT's headers bring CUDA's along, and clients count on it where CUDA is installed.
#if defined(__has_include)
#if __has_include(<cuda_runtime_api.h>)
#include <cuda_runtime_api.h>
#endif
#endif
