// Compares chosen tactics with the reference backend before they are trusted.
// Used by build_engine after selection. Works within a time budget; what it did not check is said in the ledger.
#pragma once

#include "core/schedule/body.h"
#include "core/schedule/ledger.h"
#include "core/schedule/oracle.h"
#include "core/schedule/regions.h"
#include "core/schedule/tactic_timer.h"

#include <string>

namespace tenon::schedule {

class Verifier {
public:
    // Why a tactic of the reference backend is not compared.
    static constexpr const char* kIsReference = "is the reference";
    Verifier(const BuildContext& context, TacticTimer& timer, double budgetSeconds)
        : mContext(context), mTimer(timer), mOracle(context), mBudgetSeconds(budgetSeconds) {}

    // Checks once per task and tactic. False: the tactic is wrong; candidate.state and reason say so and it must not be used.
    bool check(const Task& task, Candidate& candidate);
    // Whether a region's task computes what its nodes do, both by the oracle on the same data: a kernel is compared with the task, so this is what
    // ties it to the graph. Checks once per task and nodes. Empty: they agree, or could not be compared; else how they differ.
    std::string bodyProblem(const RegionEntry& region);
    const VerificationMap& results() const { return mResults; }

private:
    std::string compareBody(const RegionEntry& region, const Body& verbatim);
    // What an earlier build found, as the timing cache remembers it, or a comparison now.
    Verification verify(const Task& task, Candidate& candidate);
    Verification compareWithOracle(const Task& task, const Candidate& candidate);
    // Of the library that a provider came from, hashed once. Empty: it came from no file, and no verdict outlives the build.
    const std::string& moduleHash(int32_t provider);

    const BuildContext& mContext;
    TacticTimer& mTimer;
    Oracle mOracle;
    double mBudgetSeconds;
    double mSpentSeconds = 0;
    VerificationMap mResults;
    std::map<std::string, std::vector<ir::ConstantPtr>> mExpected; // by task key
    std::map<int32_t, std::string> mModuleHashes;                  // by provider
    std::map<std::string, std::string> mBodyProblems;              // by the keys of the two tasks
};

std::string verificationKey(const BuildContext& context, const Task& task, const Candidate& candidate);

} // namespace tenon::schedule
