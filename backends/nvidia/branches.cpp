#include "backends/nvidia/branches.h"

#include "backends/nvidia/driver.h"

namespace tenon::nvidia {

namespace {

struct Functions {
    decltype(&cuStreamCreate) streamCreate = nullptr;
    decltype(&cuStreamDestroy) streamDestroy = nullptr;
    decltype(&cuEventCreate) eventCreate = nullptr;
    decltype(&cuEventDestroy) eventDestroy = nullptr;
    decltype(&cuEventRecord) eventRecord = nullptr;
    decltype(&cuStreamWaitEvent) wait = nullptr;
    bool complete = false;
};

template <class Function>
bool find(const char* name, Function*& to) {
    to = reinterpret_cast<Function*>(driverSymbol(name));
    return to != nullptr;
}

const Functions& functions() {
    static const Functions found = [] {
        Functions made;
        made.complete = find("cuStreamCreate", made.streamCreate) && find("cuStreamDestroy_v2", made.streamDestroy) &&
                        find("cuEventCreate", made.eventCreate) && find("cuEventDestroy_v2", made.eventDestroy) &&
                        find("cuEventRecord", made.eventRecord) && find("cuStreamWaitEvent", made.wait);
        return made;
    }();
    return found;
}

} // namespace

bool Branches::create(size_t count, std::string& error) {
    destroy();
    if (!functions().complete) {
        error = "the CUDA driver (libcuda.so.1) is missing";
        return false;
    }
    if (!haveContext()) {
        error = "the CUDA driver gives this thread no context of device 0";
        return false;
    }
    for (size_t i = 0; i < count; ++i) {
        CUstream stream = nullptr;
        if (functions().streamCreate(&stream, CU_STREAM_NON_BLOCKING) != CUDA_SUCCESS) {
            error = "the CUDA driver makes no stream";
            destroy();
            return false;
        }
        mStreams.push_back(stream);
    }
    for (size_t i = 0; i < count + 1; ++i) {
        CUevent event = nullptr;
        if (functions().eventCreate(&event, CU_EVENT_DISABLE_TIMING) != CUDA_SUCCESS) {
            error = "the CUDA driver makes no event";
            destroy();
            return false;
        }
        mEvents.push_back(event);
    }
    return true;
}

Branches::~Branches() { destroy(); }

void Branches::destroy() {
    for (CUevent event : mEvents) {
        functions().eventDestroy(event);
    }
    for (CUstream stream : mStreams) {
        functions().streamDestroy(stream);
    }
    mEvents.clear();
    mStreams.clear();
}

bool Branches::fork(CUstream from) const {
    // Another thread than the one that prepared may launch.
    bool good = haveContext() && functions().eventRecord(mEvents[0], from) == CUDA_SUCCESS;
    for (CUstream stream : mStreams) {
        good = good && functions().wait(stream, mEvents[0], 0) == CUDA_SUCCESS;
    }
    return good;
}

bool Branches::join(CUstream to) const {
    bool good = true;
    for (size_t i = 0; i < mStreams.size(); ++i) {
        good = good && functions().eventRecord(mEvents[i + 1], mStreams[i]) == CUDA_SUCCESS &&
               functions().wait(to, mEvents[i + 1], 0) == CUDA_SUCCESS;
    }
    return good;
}

} // namespace tenon::nvidia
