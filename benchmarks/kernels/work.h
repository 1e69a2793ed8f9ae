// What a case has to do: products, and instructions of the vector units for each element.
// Used by kernel_bench.
#pragma once

#include "tests/conformance/case_reader.h"

#include <cstdint>

namespace tenon::bench {

// Of a tensor that the case names.
int64_t elementsOf(const conformance::TensorText& tensor);

struct Work {
    int64_t flops = 0; // multiplications and additions of products, as the op defines them
    // Elements that vectors of f32 have to go through an instruction, all instructions together: what functions of elements take in our kernels.
    int64_t laneSteps = 0;
    bool isOfBytes = false; // the products are of integers
};
Work workOf(const conformance::Case& one);

} // namespace tenon::bench
