// Attention in bf16 on processors that multiply it: scores and sums are f32, what is multiplied is bf16, so are the weights of values.
//
// Who uses it: attention of the cpu backend. What it must not know: how tactics are offered.
#pragma once

#include "backends/common/attention.h"

namespace tenon::cpu {

using namespace tenon::kernels;

// Of q, k, v and a result of bf16; there is a brainTile().
Plan planBrainAttention(const AttentionShape& shape, int threads);

// Of a mask's element: what is added to a score; for a mask of bool what takes its place, NaN where it stays.
float maskAt(const AttentionShape& shape, const Buffers& b, int64_t at);

} // namespace tenon::cpu
