// Convolutions of single pixels on images whose planes lie one after the other: each plane of the result is a sum of planes, which are read where they
// lie.
//
// Who uses it: convolution of the cpu backend. What it must not know: ops.
#pragma once

#include <cstdint>

namespace tenon::cpu {

struct PlaneProduct {
    int64_t batch = 1;
    int64_t groups = 1;
    int64_t channels = 0; // of a group
    int64_t outputs = 0;  // of a group
    int64_t pixels = 0;
    int threads = 1;
};

// Bytes of scratch. Does not fall when an extent rises.
int64_t planeProductWorkspace(const PlaneProduct& product);
// `weights` has a row for each output, `bias` a number; it may be null.
void runPlaneProduct(const PlaneProduct& product, const float* image, const float* weights, const float* bias,
                     float* result, void* workspace);

} // namespace tenon::cpu
