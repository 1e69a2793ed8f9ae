// Largest elements of windows in an image whose vectors run over channels.
//
// Who uses it: poolings of the cpu backend. The function exists once per instruction set. What it must not know: tensors.
#pragma once

#include <cstdint>

namespace tenon::cpu {

// One line of results: of f32 or bf16, as `isBrain` says.
struct MaximumRow {
    bool isBrain = false;
    const void* x = nullptr; // the first line of the image that is inside the windows
    int64_t lines = 0;       // of these; none: results are -infinity
    int64_t line = 0;        // elements from one to the next
    int64_t width = 0;       // of the image
    int64_t channels = 0;
    int64_t columns = 0; // of a window
    int64_t stride = 1;
    int64_t dilation = 1;
    int64_t pad = 0;
    void* y = nullptr;
    int64_t outputs = 0;
};

void maximumRow(const MaximumRow& row);

} // namespace tenon::cpu
