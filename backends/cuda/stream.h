// What a TnStream and a TnEvent of the backend `cuda` are.
//
// Who uses it: kernels of this module and of every other module that launches on the backend's streams (cuBLASLt, cuDNN): they read
// `stream->stream`. A host may hand over a struct of its own whose first member is a cudaStream_t, to run on a user's stream: nothing beyond
// that member may be read. Adding a member here would break that.
#pragma once

#include "tenon/module/abi.h"

#include <cuda_runtime_api.h>

struct TnStream {
    cudaStream_t stream;
};

// Made and read by this module alone.
struct TnEvent {
    cudaEvent_t event;
};
