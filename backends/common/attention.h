// Geometry of attention: where rows of q, k, v, of the mask and of the result lie, whatever the order of heads and positions.
//
// Who uses it: the attention kernels of the backends, each of which brings its own loops. What it must not know: how anything is computed.
#pragma once

#include "backends/common/call.h"

namespace tenon::kernels {

// Strides in elements; 0 where the tensor is repeated.
struct AttentionStrides {
    int64_t batch = 0;
    int64_t head = 0;
    int64_t row = 0;
    int64_t element = 1;

    int64_t at(int64_t b, int64_t h, int64_t r) const { return b * batch + h * head + r * row; }
};

struct AttentionShape {
    TnDataType type = TN_F32;
    int64_t batches = 1;
    int64_t heads = 0;       // of q
    int64_t sharedHeads = 0; // of k and v
    int64_t rows = 0;        // positions of q
    int64_t keys = 0;        // positions of k and v
    int64_t depth = 0;       // elements of q and k
    int64_t width = 0;       // elements of v
    AttentionStrides q, k, v, y;
    bool hasMask = false;
    TnDataType maskType = TN_BOOL;
    AttentionStrides mask; // row: of q; element: of k
    double scale = 1;
    bool causal = false;
    bool maskKeeps = true;
    double fill = 0;
    bool nanToZero = false;

    int64_t group() const { return sharedHeads == 0 ? 1 : heads / sharedHeads; }
};

// Throws Failure where extents do not fit.
AttentionShape attentionShapeOf(const Call& call);
// Element types: q, k and v alike, the mask too or bool.
void checkAttention(const module::NodeView& node);

} // namespace tenon::kernels
