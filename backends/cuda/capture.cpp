#include "backends/cuda/capture.h"

#include "backends/cuda/fills.h"
#include "backends/cuda/stream.h"
#include "tenon/module/result.hpp"

#include <cuda_runtime_api.h>

#include <new>

struct TnRecording {
    cudaGraphExec_t graph;
};

namespace tenon::cuda {

namespace {

TnCode failure(TnSink* sink, std::string_view what, cudaError_t error) {
    if (sink != nullptr) {
        return static_cast<TnCode>(module::Reason(sink).internal(what, ": ", cudaGetErrorString(error)));
    }
    return TN_INTERNAL;
}

TnCode begin(void*, TnStream* stream, TnSink* sink) {
    const cudaError_t error = cudaStreamBeginCapture(stream->stream, cudaStreamCaptureModeThreadLocal);
    return error == cudaSuccess ? TN_OK : failure(sink, "recording cannot start", error);
}

cudaError_t withoutFills(cudaGraph_t graph, cudaStream_t stream) {
    int replaced = 0;
    int device = 0;
    cudaError_t error = cudaStreamGetDevice(stream, &device);
    error = error == cudaSuccess ? cudaSetDevice(device) : error; // kernels are added for the thread's device
    try {
        return error == cudaSuccess ? replaceFills(graph, replaced) : error;
    } catch (const std::bad_alloc&) {
        return cudaErrorMemoryAllocation;
    }
}

TnCode end(void*, TnStream* stream, TnRecording** out, TnSink* sink) {
    cudaGraph_t graph = nullptr;
    cudaError_t error = cudaStreamEndCapture(stream->stream, &graph);
    if (error != cudaSuccess || graph == nullptr) {
        if (graph != nullptr) {
            cudaGraphDestroy(graph);
        }
        cudaGetLastError(); // so that a later, unrelated call does not find this error
        return out == nullptr ? TN_OK : failure(sink, "what was recorded is no graph", error);
    }
    TnCode code = TN_OK;
    if (out != nullptr) {
        cudaGraphExec_t executable = nullptr;
        error = withoutFills(graph, stream->stream);
        error = error == cudaSuccess ? cudaGraphInstantiate(&executable, graph, 0) : error;
        *out = error == cudaSuccess ? new (std::nothrow) TnRecording{executable} : nullptr;
        if (error != cudaSuccess) {
            code = failure(sink, "the recorded graph cannot be made ready", error);
        } else if (*out == nullptr) {
            cudaGraphExecDestroy(executable);
            code = TN_OUT_OF_MEMORY;
        }
    }
    cudaGraphDestroy(graph);
    return code;
}

TnCode replay(void*, TnRecording* recording, TnStream* stream, TnSink* sink) {
    const cudaError_t error = cudaGraphLaunch(recording->graph, stream->stream);
    return error == cudaSuccess ? TN_OK : failure(sink, "the recorded graph does not launch", error);
}

void destroy(void*, TnRecording* recording) {
    if (recording != nullptr) {
        cudaGraphExecDestroy(recording->graph);
        delete recording;
    }
}

int32_t recording(void*, TnStream* stream) {
    cudaStreamCaptureStatus status = cudaStreamCaptureStatusNone;
    return cudaStreamIsCapturing(stream->stream, &status) == cudaSuccess && status != cudaStreamCaptureStatusNone ? 1
                                                                                                                  : 0;
}

TnCode recordTime(void*, TnEvent* event, TnStream* stream) {
    const cudaError_t error = cudaEventRecordWithFlags(event->event, stream->stream, cudaEventRecordExternal);
    return error == cudaSuccess ? TN_OK : TN_INTERNAL;
}

} // namespace

const TnCapture& captureTable() {
    static const TnCapture table{sizeof(TnCapture), 0, nullptr, begin, end, replay, destroy, recording, recordTime};
    return table;
}

} // namespace tenon::cuda
