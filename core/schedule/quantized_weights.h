// Which dequantized weights stay integers: those that some kernel takes along with their product. The others are folded, so that no engine
// dequantizes constants while it runs.
// Used by build_engine before the graph is frozen. Knows providers through tasks only.
#pragma once

#include "core/schedule/build_context.h"

#include <cstdint>
#include <set>

namespace tenon::schedule {

// Ids of the nodes that dequantize constants which no kernel of any target wants as integers.
support::Result<std::set<int32_t>> unwantedQuantizedWeights(const BuildContext& context, const ir::Graph& graph,
                                                            const ir::SymbolBox& box);

} // namespace tenon::schedule
