// Turns regions, timed candidates and conversion costs into a selection problem, and reads the answer back.
// Used by build_engine. Knows both worlds; the selector knows numbers only.
#pragma once

#include "core/schedule/conversions.h"
#include "core/schedule/regions.h"
#include "core/schedule/selector.h"

#include <map>
#include <set>
#include <string>
#include <vector>

namespace tenon::schedule {

// Formats of one value that some candidate produces or reads, by key.
struct ValueFormats {
    ir::Value* value = nullptr;
    std::vector<PortLayout> formats; // key = position
    int32_t keyOf(const PortLayout& port);
    int32_t find(const PortLayout& port) const;
};

class SelectionBuilder {
public:
    // `bindings`: the placement of each graph input, then output, as the user binds it. `spared`: providers whose tactics are not offered, conversions
    // included.
    SelectionBuilder(const BuildContext& context, const ir::Graph& graph, const std::vector<RegionEntry>& regions,
                     Conversions& conversions, std::vector<TnPlacement> bindings, std::set<int32_t> spared);

    // The values that selection decides about: produced or read by nodes, constants excluded.
    // Costs come from the candidates' times, or from the model where nothing was timed. Conversions that nobody asked for so far are measured, which may
    // take long and is a phase of `phase`.
    support::Result<SelectionProblem> build(const std::string& phase);

    // What a selection's ids mean.
    const RegionEntry& region(int32_t regionId) const { return mRegions[static_cast<size_t>(regionId)]; }
    // Index into region.task->candidates, or kHostShape.
    int32_t taskCandidate(int32_t candidateId) const { return mCandidates[static_cast<size_t>(candidateId)].second; }
    // Of a graph input or output, as the user binds it.
    TnPlacement inputPlacement(size_t input) const { return mBindings[input]; }
    TnPlacement outputPlacement(size_t output) const { return mBindings[mGraph.inputs().size() + output]; }
    const ValueFormats& value(int32_t valueId) const { return mValues[static_cast<size_t>(valueId)]; }
    int32_t valueId(const ir::Value* value) const;
    // The conversions of a selection from the problem that was built, those of constants excluded.
    struct SelectedConversion {
        const ConversionChoice* choice = nullptr;
        double us = 0;
    };
    std::vector<SelectedConversion> conversionsOf(const Selection& selection) const;
    // What the steps of each provider take in one, conversions included.
    std::map<int32_t, double> sharesOf(const SelectionProblem& problem, const Selection& selection) const;

    // The candidate that evaluates integers in the shape program instead of running a kernel.
    static constexpr int32_t kHostShape = -1;
    static bool isHostShape(const RegionEntry& region);

private:
    double costOf(const RegionEntry& region, const Candidate& candidate) const;
    bool constantsReachable(const RegionEntry& region, const Candidate& candidate);

    const BuildContext& mContext;
    const ir::Graph& mGraph;
    const std::vector<RegionEntry>& mRegions;
    Conversions& mConversions;
    std::vector<TnPlacement> mBindings;
    std::set<int32_t> mSpared;
    std::set<const ir::Node*> mForeseenViews;
    std::vector<ValueFormats> mValues;
    std::map<const ir::Value*, int32_t> mValueIds;
    std::vector<std::pair<int32_t, int32_t>> mCandidates; // candidate id -> (region, task candidate)
};

} // namespace tenon::schedule
