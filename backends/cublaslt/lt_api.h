// cuBLASLt's functions, found in the library at run time.
//
// Who uses it: everything in this folder. Nothing of the library is linked: it is half a gigabyte.
#pragma once

#include "backends/nvidia/dynamic_library.h"

#include <cublasLt.h>

#include <string>

#define TENON_CUBLASLT_FUNCTIONS(X)                                                                                    \
    X(cublasLtCreate)                                                                                                  \
    X(cublasLtDestroy)                                                                                                 \
    X(cublasLtGetVersion)                                                                                              \
    X(cublasLtGetStatusString)                                                                                         \
    X(cublasLtMatmul)                                                                                                  \
    X(cublasLtMatmulDescCreate)                                                                                        \
    X(cublasLtMatmulDescDestroy)                                                                                       \
    X(cublasLtMatmulDescSetAttribute)                                                                                  \
    X(cublasLtMatrixLayoutCreate)                                                                                      \
    X(cublasLtMatrixLayoutDestroy)                                                                                     \
    X(cublasLtMatrixLayoutSetAttribute)                                                                                \
    X(cublasLtMatmulPreferenceCreate)                                                                                  \
    X(cublasLtMatmulPreferenceDestroy)                                                                                 \
    X(cublasLtMatmulPreferenceSetAttribute)                                                                            \
    X(cublasLtMatmulAlgoGetHeuristic)                                                                                  \
    X(cublasLtMatmulAlgoGetIds)                                                                                        \
    X(cublasLtMatmulAlgoInit)                                                                                          \
    X(cublasLtMatmulAlgoCheck)                                                                                         \
    X(cublasLtMatmulAlgoCapGetAttribute)                                                                               \
    X(cublasLtMatmulAlgoConfigSetAttribute)                                                                            \
    X(cublasLtMatmulAlgoConfigGetAttribute)

namespace tenon::cublaslt {

// One per module. Thread-safe.
class LtApi {
public:
    explicit LtApi(std::string path) : mLibrary(std::move(path)) {}

    const std::string& path() const { return mLibrary.path(); }
    // Opens the library on the first call. False with the reason in `error`.
    bool open(std::string& error);

#define TENON_CUBLASLT_MEMBER(name) decltype(&::name) name = nullptr;
    TENON_CUBLASLT_FUNCTIONS(TENON_CUBLASLT_MEMBER)
#undef TENON_CUBLASLT_MEMBER

private:
    nvidia::DynamicLibrary mLibrary;
};

} // namespace tenon::cublaslt
