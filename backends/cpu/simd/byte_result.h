// What becomes of the sums of a panel: byte = sum * factor + shift, cut to [low, high], which a byte holds, and rounded.
//
// Who uses it: the innermost products of bytes and of words, and who calls them. What it must not know: what was summed.
#pragma once

#include <cstdint>

namespace tenon::cpu {

struct ByteResult {
    // For each column of the panel.
    const float* factor = nullptr;
    const float* shift = nullptr;
    float low = 0;
    float high = 0;
    uint8_t* c = nullptr;
    int64_t cRow = 0;
    int64_t columns = 0; // that are written
    bool isSignedResult = false;
};

} // namespace tenon::cpu
