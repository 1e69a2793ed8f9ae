#include "backends/nvidia/driver.h"

#include <cuda.h>
#include <dlfcn.h>

namespace tenon::nvidia {

namespace {

// Never closed.
void* driver() {
    static void* const library = dlopen("libcuda.so.1", RTLD_NOW | RTLD_LOCAL);
    return library;
}

int64_t askDriver() {
    void* library = driver();
    if (library == nullptr) {
        return 0;
    }
    const auto init = reinterpret_cast<decltype(&cuInit)>(dlsym(library, "cuInit"));
    const auto count = reinterpret_cast<decltype(&cuDeviceGetCount)>(dlsym(library, "cuDeviceGetCount"));
    const auto get = reinterpret_cast<decltype(&cuDeviceGet)>(dlsym(library, "cuDeviceGet"));
    const auto attribute = reinterpret_cast<decltype(&cuDeviceGetAttribute)>(dlsym(library, "cuDeviceGetAttribute"));
    int devices = 0;
    CUdevice device = 0;
    int major = 0;
    int minor = 0;
    if (init == nullptr || count == nullptr || get == nullptr || attribute == nullptr || init(0) != CUDA_SUCCESS ||
        count(&devices) != CUDA_SUCCESS || devices == 0 || get(&device, 0) != CUDA_SUCCESS ||
        attribute(&major, CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR, device) != CUDA_SUCCESS ||
        attribute(&minor, CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR, device) != CUDA_SUCCESS) {
        return 0;
    }
    return 10 * major + minor;
}

} // namespace

void* driverSymbol(const char* name) { return driver() != nullptr ? dlsym(driver(), name) : nullptr; }

int64_t presentSm() {
    static const int64_t sm = askDriver();
    return sm;
}

bool haveContext() {
    static const auto current = reinterpret_cast<decltype(&cuCtxGetCurrent)>(driverSymbol("cuCtxGetCurrent"));
    static const auto set = reinterpret_cast<decltype(&cuCtxSetCurrent)>(driverSymbol("cuCtxSetCurrent"));
    if (current == nullptr || set == nullptr) {
        return false;
    }
    CUcontext context = nullptr;
    if (current(&context) == CUDA_SUCCESS && context != nullptr) {
        return true;
    }
    static const CUcontext primary = [] {
        const auto retain =
            reinterpret_cast<decltype(&cuDevicePrimaryCtxRetain)>(driverSymbol("cuDevicePrimaryCtxRetain"));
        CUcontext retained = nullptr;
        return retain != nullptr && retain(&retained, 0) == CUDA_SUCCESS ? retained : nullptr;
    }();
    return primary != nullptr && set(primary) == CUDA_SUCCESS;
}

} // namespace tenon::nvidia
