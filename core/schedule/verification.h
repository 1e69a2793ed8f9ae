// Compares chosen tactics with the reference backend before they are trusted.
// Used by build_engine after selection. The budget is the time that the reference may take. When it is spent, comparisons go on, with exact kernels
// of other modules, and with the reference where there are none: nothing is trusted because time ran out. What cannot be compared at all is said
// in the ledger.
#pragma once

#include "core/schedule/body.h"
#include "core/schedule/ledger.h"
#include "core/schedule/oracle.h"
#include "core/schedule/quantized_outputs.h"
#include "core/schedule/regions.h"
#include "core/schedule/tactic_timer.h"

#include <string>

namespace tenon::schedule {

class Verifier {
public:
    // Why a tactic of the reference backend is not compared.
    static constexpr const char* kIsReference = "is the reference";
    // Why a conversion into a provider's own layout is not, where there is no way back: only that provider's kernels read it, and they are.
    static constexpr const char* kIsPacked = "is compared with the kernels that read it";
    Verifier(const BuildContext& context, TacticTimer& timer) : mContext(context), mTimer(timer), mOracle(context) {}

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
    struct Expected {
        std::vector<ir::ConstantPtr> outputs;
        std::vector<std::optional<QuantizedOutput>> quantized; // by output, where there is a choice of integers
    };
    // The body's answer on test inputs.
    support::Result<Expected> expectedOf(const Task& task, const Candidate& candidate,
                                         const std::vector<ir::ConstantPtr>& inputs, const std::vector<int64_t>& point);
    // How what a kernel wrote differs from that; empty: it does not, and `result` has the largest differences.
    support::Result<std::string> difference(const Task& task, const Candidate& candidate, const Expected& expected,
                                            const std::vector<std::shared_ptr<GuardedBuffer>>& written,
                                            Verification& result) const;
    bool inHurry() const { return mSpentSeconds > mContext.options->verifyBudgetSeconds; }
    // Of the library that a provider came from, hashed once. Empty: it came from no file, and no verdict outlives the build.
    const std::string& moduleHash(int32_t provider);

    const BuildContext& mContext;
    TacticTimer& mTimer;
    Oracle mOracle;
    double mSpentSeconds = 0;
    VerificationMap mResults;
    std::map<std::string, Expected> mExpected; // by task key and who must not have computed it
    int64_t mExpectedBytes = 0;
    std::map<int32_t, std::string> mModuleHashes;     // by provider
    std::map<std::string, std::string> mBodyProblems; // by the keys of the two tasks
};

std::string verificationKey(const BuildContext& context, const Task& task, const Candidate& candidate);

} // namespace tenon::schedule
