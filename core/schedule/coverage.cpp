#include "core/schedule/coverage.h"

#include "core/schedule/rejections.h"
#include "core/schedule/selection_builder.h"
#include "core/support/text.h"

#include <algorithm>
#include <functional>
#include <set>

namespace tenon::schedule {

namespace {

// Regions of one node that no region with something usable covers.
std::vector<const RegionEntry*> uncovered(const std::vector<RegionEntry>& regions,
                                          const std::function<bool(const Candidate&)>& usable) {
    std::set<const ir::Node*> covered;
    for (const RegionEntry& region : regions) {
        const std::vector<Candidate>& candidates = region.task->candidates;
        if (SelectionBuilder::isHostShape(region) || std::any_of(candidates.begin(), candidates.end(), usable)) {
            covered.insert(region.nodes.begin(), region.nodes.end());
        }
    }
    std::vector<const RegionEntry*> missing;
    for (const RegionEntry& region : regions) {
        if (region.isSingle() && covered.count(region.nodes[0]) == 0) {
            missing.push_back(&region);
        }
    }
    return missing;
}

std::string headOf(const RegionEntry& region) {
    const ir::Node& node = *region.nodes[0];
    return support::cat("\n  ", node.name(), " (op ", node.op(), ", from ", node.source().joined(), "):");
}

} // namespace

support::Status everyNodeCovered(const std::vector<RegionEntry>& regions) {
    const auto missing = uncovered(regions, [](const Candidate&) { return true; });
    std::string text;
    for (const RegionEntry* region : missing) {
        text += headOf(*region);
        for (const Rejection& rejection : gathered(region->task->rejections)) {
            text += support::cat("\n    ", rejection.provider, ": ", rejection.reason);
        }
    }
    if (missing.empty()) {
        return {};
    }
    return support::unsupported(
        "no implementation for ", missing.size(), missing.size() == 1 ? " node" : " nodes", ":", text,
        "\nLoad a module that provides the op (tenon modules lists those present), or allow more backends");
}

support::Status everyNodeRan(const std::vector<RegionEntry>& regions) {
    const auto failed =
        uncovered(regions, [](const Candidate& candidate) { return candidate.state != CandidateState::kFailed; });
    std::string text;
    for (const RegionEntry* region : failed) {
        text += headOf(*region);
        for (const Candidate& candidate : region->task->candidates) {
            text += support::cat("\n    ", candidate.tactic.name, ": ", candidate.reason);
        }
    }
    if (failed.empty()) {
        return {};
    }
    return support::makeError(support::Code::kBuildFailed, "every tactic of ", failed.size(),
                              failed.size() == 1 ? " node" : " nodes", " failed with the shapes of the profile:", text,
                              "\nIf shapes do not fit each other, give others; else allow more backends");
}

} // namespace tenon::schedule
