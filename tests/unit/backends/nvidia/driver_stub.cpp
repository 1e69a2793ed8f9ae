// A libcuda.so.1 that has streams and events, runs nothing, and remembers what it was asked to order.
#include <cuda.h>

#include <string>

namespace {

std::string gLog;
uintptr_t gStreams = 0;
uintptr_t gEvents = 0;
thread_local CUcontext gContext = nullptr;

template <class Handle>
Handle handle(uintptr_t number) {
    return reinterpret_cast<Handle>(number);
}
template <class Handle>
std::string nameOf(Handle of) {
    return std::to_string(reinterpret_cast<uintptr_t>(of));
}

void note(std::initializer_list<std::string> pieces) {
    for (const std::string& piece : pieces) {
        gLog += piece;
    }
    gLog += '\n';
}

} // namespace

extern "C" {

// What happened since the last call.
const char* stubLog() {
    static std::string given;
    given = std::move(gLog);
    gLog.clear();
    return given.c_str();
}
void stubNote(const char* line) { note({line}); }

// A thread has no context before it is given one.
CUresult cuCtxGetCurrent(CUcontext* context) {
    *context = gContext;
    return CUDA_SUCCESS;
}
CUresult cuCtxSetCurrent(CUcontext context) {
    gContext = context;
    return CUDA_SUCCESS;
}
CUresult cuDevicePrimaryCtxRetain(CUcontext* context, CUdevice) {
    *context = handle<CUcontext>(1);
    return CUDA_SUCCESS;
}
CUresult cuStreamCreate(CUstream* stream, unsigned) {
    if (gContext == nullptr) {
        return CUDA_ERROR_INVALID_CONTEXT;
    }
    *stream = handle<CUstream>(++gStreams);
    return CUDA_SUCCESS;
}
CUresult cuStreamDestroy_v2(CUstream) { return CUDA_SUCCESS; }
CUresult cuEventCreate(CUevent* event, unsigned) {
    *event = handle<CUevent>(++gEvents);
    return CUDA_SUCCESS;
}
CUresult cuEventDestroy_v2(CUevent) { return CUDA_SUCCESS; }
CUresult cuEventRecord(CUevent event, CUstream stream) {
    if (gContext == nullptr) {
        return CUDA_ERROR_INVALID_CONTEXT;
    }
    note({"event ", nameOf(event), " on ", nameOf(stream)});
    return CUDA_SUCCESS;
}
CUresult cuStreamWaitEvent(CUstream stream, CUevent event, unsigned) {
    note({nameOf(stream), " waits for event ", nameOf(event)});
    return CUDA_SUCCESS;
}
}
