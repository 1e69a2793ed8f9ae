#include "core/schedule/choice_check.h"

#include "core/support/text.h"

#include <algorithm>

namespace tenon::schedule {

support::Result<bool> ChoiceCheck::passes(const Candidates& candidates, const ProfileChoice& choice, Reach reach,
                                          const std::function<void(int32_t done)>& step) {
    bool pass = true;
    int32_t done = 0;
    for (const ChosenCandidate& chosen : choice.selection.chosen) {
        step(++done);
        const int32_t index = choice.builder->taskCandidate(chosen.candidate);
        if (index == SelectionBuilder::kHostShape) {
            continue;
        }
        RegionEntry& region = candidates.regions[static_cast<size_t>(chosen.region)];
        Candidate& candidate = region.task->candidates[static_cast<size_t>(index)];
        if (const std::string defect = mVerifier.bodyProblem(region, candidate, reach); !defect.empty()) {
            region.wrong = true;
            pass = false;
            mWarn(support::cat("dropped region '", region.label, "': ", defect, "; this is a defect of the pattern"));
            continue;
        }
        pass = passes(*region.task, candidate, reach) && pass;
    }
    TN_ASSIGN_OR_RETURN(const std::vector<const ConversionChoice*> conversions, conversionsOf(candidates, choice));
    for (const ConversionChoice* conversion : conversions) {
        Task& task = *conversion->task;
        if (!passes(task, task.candidates[static_cast<size_t>(conversion->candidate)], reach)) {
            pass = false;
            candidates.conversions.reconsider(task);
        }
    }
    return pass;
}

bool ChoiceCheck::passes(const Task& task, Candidate& candidate, Reach reach) {
    if (mVerifier.check(task, candidate, reach)) {
        return true;
    }
    mWarn(support::cat("dropped tactic '", candidate.tactic.name, "' of ", task.label(), ": ", candidate.reason));
    return false;
}

support::Status ChoiceCheck::keep(const Candidates& candidates, const ProfileChoice& choice) {
    const VerificationMap& all = mVerifier.results();
    const auto keep = [&](const Task& task, int32_t index) {
        const Candidate& candidate = task.candidates[static_cast<size_t>(index)];
        if (const auto found = all.find(verificationKey(mContext, task, candidate)); found != all.end()) {
            mVerdicts.insert(*found);
        }
    };
    for (const ChosenCandidate& chosen : choice.selection.chosen) {
        const int32_t index = choice.builder->taskCandidate(chosen.candidate);
        if (index != SelectionBuilder::kHostShape) {
            keep(*choice.builder->region(chosen.region).task, index);
        }
    }
    TN_ASSIGN_OR_RETURN(const std::vector<const ConversionChoice*> conversions, conversionsOf(candidates, choice));
    for (const ConversionChoice* conversion : conversions) {
        keep(*conversion->task, conversion->candidate);
    }
    for (const auto& [key, found] : all) {
        if (found.verdict == Verdict::kWrong || mContext.options->verifyAll) {
            mVerdicts.emplace(key, found);
        }
    }
    return {};
}

// By kernels, of values and of constants; each once.
support::Result<std::vector<const ConversionChoice*>> ChoiceCheck::conversionsOf(const Candidates& candidates,
                                                                                 const ProfileChoice& choice) const {
    std::vector<const ConversionChoice*> conversions;
    const auto add = [&](const ConversionChoice* each) {
        if (each && !each->isCopy() && std::find(conversions.begin(), conversions.end(), each) == conversions.end()) {
            conversions.push_back(each);
        }
    };
    for (const SelectionBuilder::SelectedConversion& conversion : choice.builder->conversionsOf(choice.selection)) {
        add(conversion.choice);
    }
    for (const ChosenCandidate& chosen : choice.selection.chosen) {
        const int32_t index = choice.builder->taskCandidate(chosen.candidate);
        const RegionEntry& region = choice.builder->region(chosen.region);
        for (size_t i = 0; index != SelectionBuilder::kHostShape && i < region.inputs.size(); ++i) {
            if (region.inputs[i]->constant()) {
                const Candidate& candidate = region.task->candidates[static_cast<size_t>(index)];
                TN_ASSIGN_OR_RETURN(const ConstantRoute route,
                                    routeOf(candidates.conversions, mGraph.poolPtr(), region.inputs[i]->type(),
                                            candidate.tactic.inputs[i]));
                add(route.conversion);
            }
        }
    }
    return conversions;
}

} // namespace tenon::schedule
