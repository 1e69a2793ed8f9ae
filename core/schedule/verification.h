// Compares chosen tactics with the reference backend before they are trusted.
// Used by build_engine after selection. Works within a time budget; what it did not check is said in the ledger.
#pragma once

#include "core/schedule/ledger.h"
#include "core/schedule/oracle.h"
#include "core/schedule/tactic_timer.h"

#include <string>

namespace tenon::schedule {

class Verifier {
public:
    Verifier(const BuildContext& context, TacticTimer& timer, double budgetSeconds)
        : mContext(context), mTimer(timer), mOracle(context), mBudgetSeconds(budgetSeconds) {}

    // Checks once per task and tactic. False: the tactic is wrong; candidate.state and reason say so and it must not be used.
    bool check(const Task& task, Candidate& candidate);
    const VerificationMap& results() const { return mResults; }
    double spentSeconds() const { return mSpentSeconds; }

private:
    // What an earlier build found, as the timing cache remembers it, or a comparison now.
    Verification verify(const Task& task, Candidate& candidate);
    Verification compareWithOracle(const Task& task, const Candidate& candidate);

    const BuildContext& mContext;
    TacticTimer& mTimer;
    Oracle mOracle;
    double mBudgetSeconds;
    double mSpentSeconds = 0;
    VerificationMap mResults;
    std::map<std::string, std::vector<ir::ConstantPtr>> mExpected; // by task key
};

std::string verificationKey(const BuildContext& context, const Task& task, const Candidate& candidate);

} // namespace tenon::schedule
