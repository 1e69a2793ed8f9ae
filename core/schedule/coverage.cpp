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

// Providers that the options of the build leave out and that offer tactics for the region.
std::vector<std::string> leftOut(const BuildContext& context, const RegionEntry& region) {
    BuildOptions options = *context.options;
    options.providers.clear();
    options.forbiddenProviders.clear();
    BuildContext everybody = context;
    everybody.options = &options;
    Task& task = *region.task;
    const size_t known = task.candidates.size();
    enumerateTactics(everybody, task, {});
    std::vector<std::string> names;
    for (size_t i = known; i < task.candidates.size(); ++i) {
        const auto provider = static_cast<size_t>(task.candidates[i].provider);
        const std::string& name = context.snapshot->providers()[provider].name;
        if (std::find(names.begin(), names.end(), name) == names.end()) {
            names.push_back(name);
        }
    }
    return names;
}

// What may help: who would take the node, or that nobody does.
std::string adviceFor(const BuildContext& context, const RegionEntry& region) {
    const std::vector<std::string> names = leftOut(context, region);
    return names.empty()
               ? "\n    no module that is loaded takes it otherwise"
               : support::cat("\n    ", support::join(names, ", "), names.size() == 1 ? " takes it" : " take it",
                              ", and ", names.size() == 1 ? "is" : "are",
                              " left out by --backend (setTacticProviders)");
}

} // namespace

support::Status everyNodeCovered(const BuildContext& context, const std::vector<RegionEntry>& regions) {
    const auto missing = uncovered(regions, [](const Candidate&) { return true; });
    if (missing.empty()) {
        return {};
    }
    const std::vector<registry::ProviderEntry>& providers = context.snapshot->providers();
    if (std::all_of(providers.begin(), providers.end(),
                    [](const registry::ProviderEntry& provider) { return provider.name == "plugin"; })) {
        return support::makeError(
            support::Code::kEnvironment,
            "no backend is loaded, so that nothing can be computed: install the modules 'reference' and 'cpu' where "
            "Tenon finds them, or let TENON_MODULES have them; `tenon modules` says what was found and left out");
    }
    std::string text;
    for (const RegionEntry* region : missing) {
        text += headOf(*region);
        for (const Rejection& rejection : gathered(region->task->rejections)) {
            text += support::cat("\n    ", rejection.provider, ": ", rejection.reason);
        }
        text += adviceFor(context, *region);
    }
    return support::unsupported("no implementation for ", missing.size(), missing.size() == 1 ? " node" : " nodes", ":",
                                text,
                                "\n`tenon modules` lists the modules that are loaded, and those that are not and why");
}

support::Status everyNodeRan(const BuildContext& context, const std::vector<RegionEntry>& regions) {
    const auto failed =
        uncovered(regions, [](const Candidate& candidate) { return candidate.state != CandidateState::kFailed; });
    if (failed.empty()) {
        return {};
    }
    std::string text;
    for (const RegionEntry* region : failed) {
        text += headOf(*region);
        for (const Candidate& candidate : region->task->candidates) {
            text += support::cat("\n    ", candidate.tactic.name, ": ", candidate.reason);
        }
        text += adviceFor(context, *region);
    }
    return support::makeError(support::Code::kBuildFailed, "every tactic of ", failed.size(),
                              failed.size() == 1 ? " node" : " nodes", " failed with the shapes of the profile:", text,
                              "\nIf shapes do not fit each other, give others");
}

} // namespace tenon::schedule
