// Compares all that a choice relies on with the reference backend, and takes out what is wrong: tactics, conversions of values and constants, and regions
// that compute something else than their nodes.
// Used by build_engine. Knows what was chosen; no times.
#pragma once

#include "core/schedule/profile_choice.h"
#include "core/schedule/verification.h"

#include <functional>
#include <string>
#include <vector>

namespace tenon::schedule {

class ChoiceCheck {
public:
    // What choices are made of.
    struct Candidates {
        std::vector<RegionEntry>& regions;
        Conversions& conversions; // as they were when the choice was made
    };

    // `warn` is told what is taken out, and why.
    ChoiceCheck(const BuildContext& context, const ir::Graph& graph, TacticTimer& timer,
                std::function<void(std::string)> warn)
        : mContext(context), mGraph(graph), mVerifier(context, timer), mWarn(std::move(warn)) {}

    // False: something was wrong and is out, so that there is another choice. `step`: after how many of the chosen candidates.
    support::Result<bool> passes(const Candidates& candidates, const ProfileChoice& choice, Reach reach,
                                 const std::function<void(int32_t done)>& step);
    // False: the candidate is wrong and must not be used.
    bool passes(const Task& task, Candidate& candidate, Reach reach);

    // Of the choices that plans rely on, and of all that is wrong. What else was compared depends on what raced, which a replay does not do; it is kept
    // where everything is compared.
    support::Status keep(const Candidates& candidates, const ProfileChoice& choice);
    const VerificationMap& verdicts() const { return mVerdicts; }

private:
    support::Result<std::vector<const ConversionChoice*>> conversionsOf(const Candidates& candidates,
                                                                        const ProfileChoice& choice) const;

    const BuildContext& mContext;
    const ir::Graph& mGraph;
    Verifier mVerifier;
    std::function<void(std::string)> mWarn;
    VerificationMap mVerdicts;
};

} // namespace tenon::schedule
