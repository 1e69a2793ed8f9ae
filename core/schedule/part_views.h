// Where the bytes of an output are those of an input, or the other way round: parts of concatenations, slices, splits.
// Used by selection (such a candidate costs nothing) and by the step list (which then places the one in the other). Knows layouts and extents,
// no memory: whether the two can share it is decided by MemorySharing.
#pragma once

#include "core/schedule/regions.h"

#include <optional>
#include <set>
#include <vector>

namespace tenon::schedule {

// Output `output` begins `offset` bytes behind input `input` of the node; a negative offset says that the input lies inside the output.
struct PartView {
    int32_t input = 0;
    int32_t output = 0;
    int64_t offset = 0;
};

// Bytes from the beginning of a tensor to its elements from `start` on along `dim`, if `extent` of them are consecutive in memory and laid out as
// a tensor of their own would be. Extents before `dim` in the order of memory have to be 1, and the part has to begin at a block; inside it
// ends with one, too, since the padding of a block would be the neighbour's elements.
std::optional<int64_t> partOffset(const ir::TensorFormat& format, ir::DataType type, const std::vector<int64_t>& whole,
                                  int32_t dim, int64_t start, int64_t extent);

// How the region could be done without moving a byte; empty if it cannot, or if that depends on extents that are not known yet.
std::vector<PartView> partViews(const RegionEntry& region, const std::vector<PortLayout>& inputs,
                                const std::vector<PortLayout>& outputs);

// The nodes that will have nothing to do as far as memory is concerned, if only the layouts suit: what is foreseen before layouts are chosen.
std::set<const ir::Node*> foreseenViews(const ir::Graph& graph, const std::vector<RegionEntry>& regions);

} // namespace tenon::schedule
