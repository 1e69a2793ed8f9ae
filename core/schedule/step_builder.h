// Writes the chosen regions and conversions of one profile down as a program: tensors, steps in launch order, memory.
// Used by build_engine. Constants and kernels are shared by all programs of a plan through PlanAssembler.
#pragma once

#include "core/schedule/plan_assembler.h"
#include "core/schedule/selection_builder.h"

#include <set>
#include <string>
#include <vector>

namespace tenon::schedule {

// What the step list needs of a solved profile.
struct ScheduledProfile {
    const ir::Graph* graph = nullptr;
    const std::vector<RegionEntry>* regions = nullptr;
    const SelectionBuilder* builder = nullptr;
    Selection selection;
    ir::SymbolBox box;
    std::string name;
};

struct BuiltProgram {
    plan::PlanProgram program;
    std::set<const ir::Node*> views; // nodes that have no step, since memory could be shared
};

support::Result<BuiltProgram> buildProgram(PlanAssembler& assembler, const ScheduledProfile& profile,
                                           Conversions& conversions);

// Chosen regions in an order in which every producer comes first: smallest first node wins among those that are ready.
std::vector<int32_t> launchOrder(const ScheduledProfile& profile);

} // namespace tenon::schedule
