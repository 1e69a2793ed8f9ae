// Compares chosen tactics with the reference backend before they are trusted, at the optimum of a profile and at its ends (comparison_points).
// Used by build_engine after selection. The budget is the time that the reference may take. When it is spent, comparisons go on, with exact kernels
// of other modules, and with the reference where there are none: nothing is trusted because time ran out, but that largest extents, which nobody may
// ever use, get what the budget leaves. What is not compared, or not everywhere, is said in the ledger.
#pragma once

#include "core/schedule/body.h"
#include "core/schedule/comparison_points.h"
#include "core/schedule/ledger.h"
#include "core/schedule/oracle.h"
#include "core/schedule/quantized_outputs.h"
#include "core/schedule/regions.h"
#include "core/schedule/tactic_timer.h"

#include <string>

namespace tenon::schedule {

// How far comparisons go: everything that is chosen is compared at smaller extents before the budget goes to the largest ones.
enum class Reach : uint8_t { kUsual, kMaximum };

class Verifier {
public:
    // Why a tactic of the reference backend is not compared.
    static constexpr const char* kIsReference = "is the reference";
    // Why a conversion into a provider's own layout is not, where there is no way back: only that provider's kernels read it, and they are.
    static constexpr const char* kIsPacked = "is compared with the kernels that read it";
    Verifier(const BuildContext& context, TacticTimer& timer) : mContext(context), mTimer(timer), mOracle(context) {}

    // Checks once per task, tactic and extents. False: the tactic is wrong; candidate.state and reason say so and it must not be used.
    bool check(const Task& task, Candidate& candidate, Reach reach);
    // Whether a region's task computes what its nodes do, both by the oracle on the same data: a kernel is compared with the task, so this is what
    // ties it to the graph. Checks once per task, nodes and extents; largest ones where `candidate` is yet to be compared there. Empty: they agree, or
    // could not be compared; else how they differ.
    std::string bodyProblem(const RegionEntry& region, const Candidate& candidate, Reach reach);
    const VerificationMap& results() const { return mResults; }

private:
    std::string compareBody(const RegionEntry& region, const Body& verbatim, const ComparisonPoint& point);
    // Why a tactic is not compared anywhere; empty: it is.
    std::string whyNot(const Task& task, const Candidate& candidate) const;
    // Why not at these extents; empty: it is.
    std::string obstacleAt(const Task& task, const ComparisonPoint& point) const;
    // What an earlier build found, as the timing cache remembers it, or this one; null: nothing.
    const VerifiedRecord* remembered(const Candidate& candidate);
    void compareMissing(const Task& task, Candidate& candidate, const std::vector<ComparisonPoint>& points,
                        Verification& found);
    // How the tactic is wrong at these extents; empty: it is not. Error: it could not be compared. `runner` is opened by whoever needs it first.
    support::Result<std::string> compareAt(const Task& task, const Candidate& candidate, const ComparisonPoint& point,
                                           std::unique_ptr<KernelRunner>& runner, VerifiedRecord& record);
    struct Expected {
        std::vector<ir::ConstantPtr> outputs;
        std::vector<std::optional<QuantizedOutput>> quantized; // by output, where there is a choice of integers
    };
    // The body's answer on test inputs.
    support::Result<Expected> expectedOf(const Task& task, const Candidate& candidate,
                                         const std::vector<ir::ConstantPtr>& inputs, const ComparisonPoint& point);
    // How what a kernel wrote differs from that; empty: it does not, and `record` has the largest differences.
    support::Result<std::string> difference(const Task& task, const Candidate& candidate, const Expected& expected,
                                            const std::vector<std::shared_ptr<GuardedBuffer>>& written,
                                            VerifiedRecord& record) const;
    bool inHurry() const { return mSpentSeconds > mContext.options->verifyBudgetSeconds; }
    // Of the library that a provider came from, hashed once. Empty: it came from no file, and no verdict outlives the build.
    const std::string& moduleHash(int32_t provider);

    const BuildContext& mContext;
    TacticTimer& mTimer;
    Oracle mOracle;
    double mSpentSeconds = 0;
    VerificationMap mResults;
    std::map<std::string, Expected> mExpected; // by task key, extents and who must not have computed it
    int64_t mExpectedBytes = 0;
    std::map<std::string, double> mSecondsPerElement; // that the reference took, by task key
    std::map<int32_t, std::string> mModuleHashes;     // by provider
    std::map<std::string, std::string> mBodyProblems; // by the keys of the two tasks and extents
};

std::string verificationKey(const BuildContext& context, const Task& task, const Candidate& candidate);

} // namespace tenon::schedule
