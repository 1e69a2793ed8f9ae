#include "backends/cublaslt/product.h"

#include <algorithm>

namespace tenon::cublaslt {

using kernels::refuse;

namespace {

std::optional<cudaDataType_t> cudaTypeOf(TnDataType type) {
    switch (type) {
    case TN_F32:
        return CUDA_R_32F;
    case TN_F16:
        return CUDA_R_16F;
    case TN_BF16:
        return CUDA_R_16BF;
    case TN_F64:
        return CUDA_R_64F;
    default: // an int32_t from the other side: any number may come
        return std::nullopt;
    }
}

cublasLtEpilogue_t epilogueOf(Activation activation, bool bias) {
    switch (activation) {
    case Activation::kNone:
        return bias ? CUBLASLT_EPILOGUE_BIAS : CUBLASLT_EPILOGUE_DEFAULT;
    case Activation::kRelu:
        return bias ? CUBLASLT_EPILOGUE_RELU_BIAS : CUBLASLT_EPILOGUE_RELU;
    case Activation::kGeluTanh:
    case Activation::kGeluErf:
        return bias ? CUBLASLT_EPILOGUE_GELU_BIAS : CUBLASLT_EPILOGUE_GELU;
    }
    return CUBLASLT_EPILOGUE_DEFAULT;
}

// The largest power of two up to 16 that all these byte offsets are multiples of.
uint32_t alignmentOf(const Extents& extents, int64_t elementBytes) {
    int64_t bits = 16;
    for (const Extents::Offsets& call : extents.calls) {
        bits |= (call.a | call.b | call.d) * elementBytes;
    }
    return static_cast<uint32_t>(bits & -bits);
}

} // namespace

std::shared_ptr<Handle> Handle::open(std::shared_ptr<LtApi> api, std::string& error) {
    if (!api->open(error)) {
        return nullptr;
    }
    std::shared_ptr<Handle> handle(new Handle(std::move(api)));
    const cublasStatus_t status = handle->api().cublasLtCreate(&handle->mHandle);
    if (status != CUBLAS_STATUS_SUCCESS) {
        handle->mHandle = nullptr;
        error = module::text("cublasLtCreate: ", handle->api().cublasLtGetStatusString(status),
                             "; it needs a CUDA device and its driver");
        return nullptr;
    }
    return handle;
}

Handle::~Handle() {
    if (mHandle != nullptr) {
        mApi->cublasLtDestroy(mHandle);
    }
}

bool areSupported(const ProductTypes& types) {
    return cudaTypeOf(types.operands) && types.operands == types.result && (!types.tf32 || types.operands == TN_F32);
}

void Product::require(cublasStatus_t status, const char* what) const {
    if (status != CUBLAS_STATUS_SUCCESS) {
        refuse("cuBLASLt: ", what, ": ", mApi.cublasLtGetStatusString(status));
    }
}

Product::Product(const Handle& handle, const Matmul& matmul, const ProductTypes& types, const Extents& extents)
    : mHandle(handle), mApi(handle.api()), mExtents(extents), mTypes(types), mAlpha(matmul.alpha),
      mHasBias(matmul.bias >= 0), mHasResidual(matmul.residual >= 0), mObjects(handle.api()) {
    if (!areSupported(types)) {
        refuse("cuBLASLt has no product of ", module::nameOf(types.operands));
    }
    const cudaDataType_t element = *cudaTypeOf(types.operands);
    if (types.operands == TN_F64) {
        mCompute = CUBLAS_COMPUTE_64F;
        mScale = CUDA_R_64F;
    } else if (types.tf32) {
        mCompute = CUBLAS_COMPUTE_32F_FAST_TF32;
    }
    mAlignment = alignmentOf(extents, module::bitsOf(types.operands) / 8);

    // The library's matrices are column-major: in its eyes ours are transposed, so it is given B, then A.
    require(mApi.cublasLtMatmulDescCreate(&mObjects.operation, mCompute, mScale), "cublasLtMatmulDescCreate");
    const auto set = [&](cublasLtMatmulDescAttributes_t attribute, const auto& value) {
        require(mApi.cublasLtMatmulDescSetAttribute(mObjects.operation, attribute, &value, sizeof value),
                "cublasLtMatmulDescSetAttribute");
    };
    const cublasOperation_t left = extents.transB ? CUBLAS_OP_T : CUBLAS_OP_N;
    const cublasOperation_t right = extents.transA ? CUBLAS_OP_T : CUBLAS_OP_N;
    set(CUBLASLT_MATMUL_DESC_TRANSA, left);
    set(CUBLASLT_MATMUL_DESC_TRANSB, right);
    set(CUBLASLT_MATMUL_DESC_EPILOGUE, epilogueOf(matmul.activation, mHasBias));
    if (mHasBias) {
        set(CUBLASLT_MATMUL_DESC_BIAS_DATA_TYPE, *cudaTypeOf(types.result));
        set(CUBLASLT_MATMUL_DESC_BIAS_BATCH_STRIDE, extents.strideBias);
    }
    const auto layout = [&](cublasLtMatrixLayout_t& to, int64_t rows, int64_t columns, int64_t stride) {
        require(mApi.cublasLtMatrixLayoutCreate(&to, element, static_cast<uint64_t>(rows),
                                                static_cast<uint64_t>(columns), rows),
                "cublasLtMatrixLayoutCreate");
        const auto count = static_cast<int32_t>(extents.batch);
        require(mApi.cublasLtMatrixLayoutSetAttribute(to, CUBLASLT_MATRIX_LAYOUT_BATCH_COUNT, &count, sizeof count),
                "the number of matrices in a batch");
        require(mApi.cublasLtMatrixLayoutSetAttribute(to, CUBLASLT_MATRIX_LAYOUT_STRIDED_BATCH_OFFSET, &stride,
                                                      sizeof stride),
                "the distance of matrices in a batch");
    };
    if (extents.batch > INT32_MAX) {
        refuse("cuBLASLt counts matrices of a batch in 32 bits");
    }
    const bool swapLeft = extents.transB;
    layout(mObjects.left, swapLeft ? extents.k : extents.n, swapLeft ? extents.n : extents.k, extents.strideB);
    layout(mObjects.right, extents.transA ? extents.m : extents.k, extents.transA ? extents.k : extents.m,
           extents.strideA);
    layout(mObjects.result, extents.n, extents.m, extents.strideD);
}

Product::Objects::~Objects() {
    for (cublasLtMatrixLayout_t layout : {left, right, result}) {
        if (layout != nullptr) {
            api.cublasLtMatrixLayoutDestroy(layout);
        }
    }
    if (operation != nullptr) {
        api.cublasLtMatmulDescDestroy(operation);
    }
}

bool Product::accept(const cublasLtMatmulAlgo_t& algorithm, int64_t workspaceLimit) {
    cublasLtMatmulHeuristicResult_t result{};
    if (mApi.cublasLtMatmulAlgoCheck(mHandle.get(), mObjects.operation, mObjects.left, mObjects.right, mObjects.result,
                                     mObjects.result, &algorithm, &result) != CUBLAS_STATUS_SUCCESS ||
        result.state != CUBLAS_STATUS_SUCCESS || static_cast<int64_t>(result.workspaceSize) > workspaceLimit) {
        return false;
    }
    mAlgorithm = algorithm;
    mWorkspace = result.workspaceSize;
    return true;
}

bool Product::pickRanked(uint32_t rank, int64_t workspaceLimit) {
    cublasLtMatmulPreference_t preference = nullptr;
    if (mApi.cublasLtMatmulPreferenceCreate(&preference) != CUBLAS_STATUS_SUCCESS) {
        return false;
    }
    const auto limit = static_cast<uint64_t>(std::max<int64_t>(workspaceLimit, 0));
    const auto set = [&](cublasLtMatmulPreferenceAttributes_t attribute, const auto& value) {
        mApi.cublasLtMatmulPreferenceSetAttribute(preference, attribute, &value, sizeof value);
    };
    set(CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, limit);
    for (const cublasLtMatmulPreferenceAttributes_t attribute :
         {CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES,
          CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES}) {
        set(attribute, mAlignment);
    }
    std::vector<cublasLtMatmulHeuristicResult_t> results(kMostRanks);
    int found = 0;
    const cublasStatus_t status = mApi.cublasLtMatmulAlgoGetHeuristic(
        mHandle.get(), mObjects.operation, mObjects.left, mObjects.right, mObjects.result, mObjects.result, preference,
        static_cast<int>(results.size()), results.data(), &found);
    mApi.cublasLtMatmulPreferenceDestroy(preference);
    if (status != CUBLAS_STATUS_SUCCESS) {
        return false;
    }
    uint32_t seen = 0;
    for (int i = 0; i < found; ++i) {
        const cublasLtMatmulHeuristicResult_t& result = results[static_cast<size_t>(i)];
        if (result.state == CUBLAS_STATUS_SUCCESS && seen++ == rank) {
            mAlgorithm = result.algo;
            mWorkspace = result.workspaceSize;
            return true;
        }
    }
    return false;
}

bool Product::pickAny(int64_t workspaceLimit) { return pickRanked(0, workspaceLimit); }

bool Product::pickLike(const Product& other, int64_t workspaceLimit) {
    return accept(other.mAlgorithm, workspaceLimit);
}

bool Product::pick(const Rule& rule, int64_t workspaceLimit) {
    const auto set = [&](cublasLtMatmulAlgo_t& algorithm, cublasLtMatmulAlgoConfigAttributes_t attribute,
                         uint32_t value) {
        // Two of the fields are narrower; the machine is little-endian.
        const bool narrow =
            attribute == CUBLASLT_ALGO_CONFIG_INNER_SHAPE_ID || attribute == CUBLASLT_ALGO_CONFIG_CLUSTER_SHAPE_ID;
        return mApi.cublasLtMatmulAlgoConfigSetAttribute(&algorithm, attribute, &value, narrow ? 2 : 4) ==
               CUBLAS_STATUS_SUCCESS;
    };
    if (!rule.written) {
        if (!pickRanked(rule.rank, workspaceLimit)) {
            return false;
        }
        if (rule.splitK == 0) {
            return true;
        }
        cublasLtMatmulAlgo_t algorithm = mAlgorithm;
        for (const uint32_t scheme : {CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE, CUBLASLT_REDUCTION_SCHEME_INPLACE}) {
            if (set(algorithm, CUBLASLT_ALGO_CONFIG_SPLITK_NUM, rule.splitK) &&
                set(algorithm, CUBLASLT_ALGO_CONFIG_REDUCTION_SCHEME, scheme) && accept(algorithm, workspaceLimit)) {
                return true;
            }
        }
        return false;
    }
    const cudaDataType_t element = *cudaTypeOf(mTypes.operands);
    cublasLtMatmulAlgo_t algorithm{};
    const Config& config = rule.config;
    return mApi.cublasLtMatmulAlgoInit(mHandle.get(), mCompute, mScale, element, element, element, element,
                                       static_cast<int>(config.algorithm), &algorithm) == CUBLAS_STATUS_SUCCESS &&
           set(algorithm, CUBLASLT_ALGO_CONFIG_TILE_ID, config.tile) &&
           set(algorithm, CUBLASLT_ALGO_CONFIG_STAGES_ID, config.stages) &&
           set(algorithm, CUBLASLT_ALGO_CONFIG_SPLITK_NUM, config.splitK) &&
           set(algorithm, CUBLASLT_ALGO_CONFIG_REDUCTION_SCHEME, config.reduction) &&
           set(algorithm, CUBLASLT_ALGO_CONFIG_CTA_SWIZZLING, config.swizzle) &&
           set(algorithm, CUBLASLT_ALGO_CONFIG_CUSTOM_OPTION, config.custom) &&
           set(algorithm, CUBLASLT_ALGO_CONFIG_INNER_SHAPE_ID, config.inner) &&
           set(algorithm, CUBLASLT_ALGO_CONFIG_CLUSTER_SHAPE_ID, config.cluster) && accept(algorithm, workspaceLimit);
}

bool Product::setDistances(const Distances& distances) {
    // What is remembered is what the library took.
    const auto take = [](int64_t& known, int64_t distance, auto&& set) {
        if (known != distance && set() != CUBLAS_STATUS_SUCCESS) {
            return false;
        }
        known = distance;
        return true;
    };
    const auto apart = [&](cublasLtMatrixLayout_t layout, int64_t& known, int64_t distance) {
        return take(known, distance, [&] {
            return mApi.cublasLtMatrixLayoutSetAttribute(layout, CUBLASLT_MATRIX_LAYOUT_STRIDED_BATCH_OFFSET, &distance,
                                                         sizeof distance);
        });
    };
    return apart(mObjects.left, mExtents.strideB, distances.b) &&
           apart(mObjects.result, mExtents.strideD, distances.result) &&
           (!mHasBias || take(mExtents.strideBias, distances.bias, [&] {
               return mApi.cublasLtMatmulDescSetAttribute(mObjects.operation, CUBLASLT_MATMUL_DESC_BIAS_BATCH_STRIDE,
                                                          &distances.bias, sizeof distances.bias);
           }));
}

module::Code Product::launch(const Addresses& addresses, cudaStream_t stream, module::Reason& reason) const {
    if (mHasBias) {
        mApi.cublasLtMatmulDescSetAttribute(mObjects.operation, CUBLASLT_MATMUL_DESC_BIAS_POINTER, &addresses.bias,
                                            sizeof addresses.bias);
    }
    const int64_t bytes = module::bitsOf(mTypes.operands) / 8;
    const auto at = [bytes](const void* base, int64_t offset) {
        return static_cast<const char*>(base) + offset * bytes;
    };
    const auto alpha32 = static_cast<float>(mAlpha);
    const float beta32 = mHasResidual ? 1.0F : 0.0F;
    const double beta64 = mHasResidual ? 1.0 : 0.0;
    const bool wide = mScale == CUDA_R_64F;
    const void* alpha = wide ? static_cast<const void*>(&mAlpha) : &alpha32;
    const void* beta = wide ? static_cast<const void*>(&beta64) : &beta32;
    for (const Extents::Offsets& call : mExtents.calls) {
        void* result = const_cast<char*>(at(addresses.result, call.d));
        const void* added = mHasResidual ? at(addresses.residual, call.d) : result;
        const cublasStatus_t status =
            mApi.cublasLtMatmul(mHandle.get(), mObjects.operation, alpha, at(addresses.b, call.b), mObjects.left,
                                at(addresses.a, call.a), mObjects.right, beta, added, mObjects.result, result,
                                mObjects.result, &mAlgorithm, addresses.workspace, mWorkspace, stream);
        if (status != CUBLAS_STATUS_SUCCESS) {
            return reason.fail(module::Code::kInternal, "cublasLtMatmul: ", mApi.cublasLtGetStatusString(status));
        }
    }
    return module::Code::kOk;
}

} // namespace tenon::cublaslt
