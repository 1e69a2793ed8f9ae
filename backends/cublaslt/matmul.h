// A task as cuBLASLt computes it: D = epilogue(alpha * A * B + beta * C), and its extents.
//
// Who uses it: provider.cpp to accept or refuse, runtime.cpp to run. What it must not know: the library's objects, algorithms.
#pragma once

#include "backends/common/call.h"
#include "backends/nvidia/chain.h"

#include <optional>
#include <vector>

namespace tenon::cublaslt {

// The library's GELU is the tanh form. The erf form, which is up to 5e-4 away from it, may be computed by it where results are rounded more
// coarsely than that: in 16 bits.
enum class Activation : uint8_t { kNone, kRelu, kGeluTanh, kGeluErf };

// Another product of the same A with a B, and a bias, of the same shape: computed beside the first one.
struct Sibling {
    int32_t b = -1;
    int32_t bias = -1;
    int32_t output = -1; // port of the task's results
};

// What does not depend on extents.
struct Matmul {
    int32_t a = -1; // ports of the task
    int32_t b = -1;
    int32_t bias = -1;
    int32_t residual = -1;
    double alpha = 1;
    Activation activation = Activation::kNone;
    bool transA = false;
    bool transB = false;
    int32_t output = 0;
    std::vector<Sibling> siblings; // beside the one that the above describes; without residual and activation
};

// Throws Failure, a refusal that says what cuBLASLt has no epilogue for.
Matmul readMatmul(const module::GraphView& body);

// One strided batch of products; all in elements, matrices row-major as Tenon has them.
struct Extents {
    int64_t m = 0;
    int64_t n = 0;
    int64_t k = 0;
    bool transA = false; // stored [K, M]
    bool transB = false; // stored [N, K]
    int64_t batch = 1;
    int64_t strideA = 0; // between matrices of the batch
    int64_t strideB = 0;
    int64_t strideD = 0;
    int64_t strideBias = 0;
    // Where the batch dimensions have no one stride: how many calls there are, and where each begins.
    struct Offsets {
        int64_t a = 0;
        int64_t b = 0;
        int64_t d = 0;
    };
    std::vector<Offsets> calls{{}};

    bool empty() const { return m == 0 || n == 0 || batch == 0 || calls.empty(); }
};

// `swappedB`: the memory of B has its last two dimensions exchanged. Throws Failure where extents do not fit each other.
Extents extentsOf(const Matmul& matmul, const kernels::Dims& a, const kernels::Dims& b, bool swappedB);

// `count` products of one A as one batch, given the extents of each; nothing where each is a batch already. How far apart they lie is known when
// they are launched: the strides are those of neighbours.
std::optional<Extents> stackedExtents(const Extents& each, int64_t count);

} // namespace tenon::cublaslt
