// Enumeration in rounds: providers first see linear inputs, then the layouts that neighbours produce or ask for.
// Used by build_engine. Bounded: a value is offered in at most a handful of layouts.
#pragma once

#include "core/schedule/regions.h"

#include <vector>

namespace tenon::schedule {

void enumerateWithLayouts(const BuildContext& context, const ir::Graph& graph, std::vector<RegionEntry>& regions);

} // namespace tenon::schedule
