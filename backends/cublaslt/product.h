// A product of known extents as the library's descriptors, the algorithm that a rule picks for it, and its launch.
//
// Who uses it: provider.cpp to drop rules that this device has no algorithm for, runtime.cpp to prepare and launch.
// What it must not know: tasks, bytes of plans.
#pragma once

#include "backends/cublaslt/lt_api.h"
#include "backends/cublaslt/matmul.h"
#include "backends/cublaslt/rules.h"
#include "tenon/module/result.hpp"

#include <memory>

namespace tenon::cublaslt {

// Closes the handle when it goes.
class Handle {
public:
    // Null with the reason in `error`: no device, say.
    static std::shared_ptr<Handle> open(std::shared_ptr<LtApi> api, std::string& error);
    ~Handle();
    Handle(const Handle&) = delete;
    Handle& operator=(const Handle&) = delete;

    const LtApi& api() const { return *mApi; }
    cublasLtHandle_t get() const { return mHandle; }

private:
    explicit Handle(std::shared_ptr<LtApi> api) : mApi(std::move(api)) {}
    std::shared_ptr<LtApi> mApi;
    cublasLtHandle_t mHandle = nullptr;
};

struct ProductTypes {
    TnDataType operands = TN_F32;
    TnDataType result = TN_F32;
    bool tf32 = false;
};

// False where the library has no such product.
bool areSupported(const ProductTypes& types);

// One thread at a time.
class Product {
public:
    // Throws Failure where the library refuses the extents. `handle` must outlive it.
    Product(const Handle& handle, const Matmul& matmul, const ProductTypes& types, const Extents& extents);

    // Takes the algorithm that `rule` names, if it works for these extents within `workspaceLimit`.
    bool pick(const Rule& rule, int64_t workspaceLimit);
    // The configuration that was picked: for other extents of the same task.
    bool pickLike(const Product& other, int64_t workspaceLimit);
    // Whatever the heuristics think best.
    bool pickAny(int64_t workspaceLimit);
    // What was picked: equal for equal configurations.
    const cublasLtMatmulAlgo_t& algorithm() const { return mAlgorithm; }
    int64_t workspace() const { return static_cast<int64_t>(mWorkspace); }

    struct Addresses {
        const void* a = nullptr;
        const void* b = nullptr;
        const void* bias = nullptr;
        const void* residual = nullptr;
        void* result = nullptr;
        void* workspace = nullptr;
    };
    // How far apart the matrices of a batch lie that is a family of products, in elements.
    struct Distances {
        int64_t b = 0;
        int64_t bias = 0;
        int64_t result = 0;
        bool operator==(const Distances&) const = default;
    };
    // For launches from now on. False: the library refuses.
    bool setDistances(const Distances& distances);
    // Precondition: an algorithm was picked.
    module::Code launch(const Addresses& addresses, cudaStream_t stream, module::Reason& reason) const;

private:
    struct Objects {
        explicit Objects(const LtApi& from) : api(from) {}
        ~Objects();
        Objects(const Objects&) = delete;
        Objects& operator=(const Objects&) = delete;
        const LtApi& api;
        cublasLtMatmulDesc_t operation = nullptr;
        cublasLtMatrixLayout_t left = nullptr; // the library's A: our B
        cublasLtMatrixLayout_t right = nullptr;
        cublasLtMatrixLayout_t result = nullptr;
    };

    bool pickRanked(uint32_t rank, int64_t workspaceLimit);
    bool accept(const cublasLtMatmulAlgo_t& algorithm, int64_t workspaceLimit);
    void require(cublasStatus_t status, const char* what) const;

    const Handle& mHandle;
    const LtApi& mApi;
    Extents mExtents;
    ProductTypes mTypes;
    cublasComputeType_t mCompute = CUBLAS_COMPUTE_32F;
    cudaDataType_t mScale = CUDA_R_32F;
    double mAlpha = 1;
    bool mHasBias = false;
    bool mHasResidual = false;
    uint32_t mAlignment = 16;
    Objects mObjects;
    cublasLtMatmulAlgo_t mAlgorithm{};
    size_t mWorkspace = 0;
};

} // namespace tenon::cublaslt
