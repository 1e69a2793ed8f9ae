// Movement ops as data: which elements go where, without moving any.
//
// Who uses it: the movement kernels of the host backends, each of which brings its own loops. What it must not know: element types.
#pragma once

#include "backends/common/call.h"

#include <optional>
#include <string_view>
#include <vector>

namespace tenon::kernels {

// One side of a copy: the element at coordinate c is first + sum of c[d] * strides[d].
struct Side {
    Dims strides;
    int64_t first = 0;
};

// to[c] = from[c] for every coordinate of `dims`. Strides may be 0 (from) or negative.
struct CopySpec {
    size_t input = 0;
    size_t output = 0;
    Dims dims;
    Side from;
    Side to;
};
using Copies = std::vector<CopySpec>;

// All throw Failure where attributes and extents disagree.
Copies copiesOfTranspose(const Call& call);
Copies copiesOfDepthToSpace(const Call& call);
Copies copiesOfSpaceToDepth(const Call& call);
Copies copiesOfConcat(const Call& call);
Copies copiesOfSplit(const Call& call);
Copies copiesOfExpand(const Call& call);
Copies copiesOfTile(const Call& call);
// Nothing where the slice reaches outside its input: then sourcesOfSlice says what is meant.
std::optional<Copies> copiesOfSlice(const Call& call);

// Per dimension, which input index each output index reads; -1: none, the filler.
using Sources = std::vector<Dims>;
Sources sourcesOfSlice(const Call& call);
Sources sourcesOfPad(const Call& call);

} // namespace tenon::kernels
