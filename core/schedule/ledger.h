// The decision ledger: every tactic considered, its time, its formats and why it lost; what was chosen, verified, and how.
// Filled by build_engine, stored in the plan as JSON, read by inspect, explain and replay. Times live here and nowhere else in a plan.
#pragma once

#include "core/schedule/conversions.h"
#include "core/schedule/regions.h"
#include "core/schedule/selection_builder.h"
#include "core/schedule/spared_providers.h"
#include "core/schedule/swap_costs.h"

#include <map>
#include <set>
#include <string>
#include <vector>

namespace tenon::schedule {

enum class Verdict : uint8_t { kVerified, kNotVerified, kWrong };

// What verification found out about a (task, tactic).
struct Verification {
    Verdict verdict = Verdict::kNotVerified;
    std::string reason;    // why not verified, or how it is wrong
    VerifiedRecord record; // of a verified one, by the library's file that was
};
using VerificationMap = std::map<std::string, Verification>; // by task key + "/" + provider + "/" + tactic key

// One profile's decisions.
struct ProfileDecisions {
    const std::vector<RegionEntry>* regions = nullptr;
    const SelectionBuilder* builder = nullptr; // says what the selection's ids mean
    Selection selection;
    std::vector<ProviderGain> spared; // providers that gained too little
    std::vector<SwapCost> swaps;      // of its chosen regions
    std::set<const ir::Node*> views;  // without a step, since their outputs lie where their inputs do
};

// JSON text; the same decisions and times give the same bytes. `asked`: the precision that the user allowed, which passes may widen.
std::string ledgerJson(const BuildContext& context, const PrecisionOptions& asked,
                       const std::vector<ProfileDecisions>& profiles,
                       const std::vector<std::shared_ptr<Task>>& conversionTasks,
                       const std::map<std::string, TimingRecord>& copies, const VerificationMap& verified,
                       const std::vector<std::string>& notes);

// The times that a ledger holds, as a timing cache: replaying them selects the same plan without measuring.
support::Result<TimingCache> timesOf(const std::string& ledgerJson);

// Error: a tactic of the plan is of a provider that is not among `providers`.
support::Status requireProviders(const std::string& ledgerJson, const std::vector<std::string>& providers);

// The providers that the plan of a ledger does without, of those that are there; none where an older version wrote it.
support::Result<std::vector<ProviderGain>> sparedOf(const std::string& ledgerJson,
                                                    const std::vector<registry::ProviderEntry>& providers);

} // namespace tenon::schedule
