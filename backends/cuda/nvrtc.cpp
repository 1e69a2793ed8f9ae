#include "backends/cuda/nvrtc.h"

#include <dlfcn.h>
#include <nvrtc.h>

#include <cstdlib>
#include <mutex>

namespace tenon::cuda {

namespace {

struct Functions {
    std::string error; // empty: all there
    decltype(&nvrtcCreateProgram) createProgram = nullptr;
    decltype(&nvrtcDestroyProgram) destroyProgram = nullptr;
    decltype(&nvrtcCompileProgram) compileProgram = nullptr;
    decltype(&nvrtcGetCUBINSize) getCubinSize = nullptr;
    decltype(&nvrtcGetCUBIN) getCubin = nullptr;
    decltype(&nvrtcGetProgramLogSize) getLogSize = nullptr;
    decltype(&nvrtcGetProgramLog) getLog = nullptr;
    decltype(&nvrtcGetErrorString) getErrorString = nullptr;
};

template <class Function>
void load(void* library, const char* name, Function& to, std::string& error) {
    to = reinterpret_cast<Function>(dlsym(library, name));
    if (to == nullptr && error.empty()) {
        error = module::text("NVRTC has no function ", name);
    }
}

Functions openLibrary() {
    Functions functions;
    std::vector<std::string> names;
    if (const char* given = std::getenv("TENON_NVRTC"); given != nullptr && *given != '\0') {
        names.emplace_back(given);
    } else {
        names = {"libnvrtc.so.13", "libnvrtc.so.12", "libnvrtc.so", "/usr/local/cuda/lib64/libnvrtc.so.13",
                 "/usr/local/cuda/lib64/libnvrtc.so"};
    }
    void* library = nullptr;
    for (size_t i = 0; i < names.size() && library == nullptr; ++i) {
        library = dlopen(names[i].c_str(), RTLD_NOW | RTLD_LOCAL);
    }
    if (library == nullptr) {
        functions.error = module::text("libnvrtc.so.13 is missing, which compiles kernels when a plan is built: "
                                       "install CUDA's NVRTC, or give its path "
                                       "in TENON_NVRTC (",
                                       dlerror(), ")");
        return functions;
    }
    load(library, "nvrtcCreateProgram", functions.createProgram, functions.error);
    load(library, "nvrtcDestroyProgram", functions.destroyProgram, functions.error);
    load(library, "nvrtcCompileProgram", functions.compileProgram, functions.error);
    load(library, "nvrtcGetCUBINSize", functions.getCubinSize, functions.error);
    load(library, "nvrtcGetCUBIN", functions.getCubin, functions.error);
    load(library, "nvrtcGetProgramLogSize", functions.getLogSize, functions.error);
    load(library, "nvrtcGetProgramLog", functions.getLog, functions.error);
    load(library, "nvrtcGetErrorString", functions.getErrorString, functions.error);
    return functions;
}

// The library stays open: it is large, and closing it is not supported.
const Functions& functions() {
    static const Functions opened = openLibrary();
    return opened;
}

} // namespace

module::Code compileCubin(const std::string& source, int sm, std::vector<std::byte>& cubin, module::Reason& reason) {
    const Functions& nvrtc = functions();
    if (!nvrtc.error.empty()) {
        return reason.environment(nvrtc.error);
    }
    nvrtcProgram program = nullptr;
    nvrtcResult result = nvrtc.createProgram(&program, source.c_str(), "tenon.cu", 0, nullptr, nullptr);
    if (result != NVRTC_SUCCESS) {
        return reason.internal("NVRTC takes no source: ", nvrtc.getErrorString(result));
    }
    const std::string architecture = "--gpu-architecture=sm_" + std::to_string(sm);
    const char* options[] = {architecture.c_str(), "--std=c++17", "--disable-warnings", "--fmad=true"};
    result = nvrtc.compileProgram(program, static_cast<int>(std::size(options)), options);
    module::Code code = module::Code::kOk;
    if (result != NVRTC_SUCCESS) {
        size_t size = 0;
        std::string log;
        if (nvrtc.getLogSize(program, &size) == NVRTC_SUCCESS && size > 1) {
            log.resize(size);
            nvrtc.getLog(program, log.data());
            log.resize(std::min<size_t>(size - 1, 4000));
        }
        code = result == NVRTC_ERROR_INVALID_OPTION
                   ? reason.environment("this NVRTC does not compile for sm_", sm, ": ", log)
                   : reason.internal("NVRTC: ", nvrtc.getErrorString(result), "\n", log);
    } else {
        size_t size = 0;
        nvrtc.getCubinSize(program, &size);
        cubin.resize(size);
        result =
            size == 0 ? NVRTC_ERROR_INTERNAL_ERROR : nvrtc.getCubin(program, reinterpret_cast<char*>(cubin.data()));
        if (result != NVRTC_SUCCESS) {
            code = reason.internal("NVRTC gives no cubin: ", nvrtc.getErrorString(result));
        }
    }
    nvrtc.destroyProgram(&program);
    return code;
}

} // namespace tenon::cuda
