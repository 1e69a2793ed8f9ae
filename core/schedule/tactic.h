// Tactics as the scheduler holds them: copies of what providers said, with what became of them.
// Used by everything between enumeration and the step list. Plain data.
#pragma once

#include "core/ir/tensor_format.h"
#include "core/schedule/timing_cache.h"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace tenon::schedule {

using PortLayout = TnPortFormat;

bool equal(const PortLayout& a, const PortLayout& b);
// "f32 linear", "bf16 order(0,1,2,3) block(1:16)": one text per port format, used in keys, ledger and inspector.
std::string toText(const PortLayout& port);
PortLayout linearPort(ir::DataType dtype, int32_t rank, TnPlacement placement = TN_PLACEMENT_HOST);

struct Tactic {
    uint64_t id = 0;
    std::string name;
    std::vector<PortLayout> inputs;
    std::vector<PortLayout> outputs;
    TnTraits traits = 0;
    double estimateUs = 0;
    std::vector<int32_t> mayAlias; // per output, or empty

    bool isReference() const { return (traits & TN_TRAIT_REFERENCE) != 0; }
    bool isFreeAlias() const { return (traits & TN_TRAIT_FREE_ALIAS) != 0; }
    // id, name and ports: identifies the tactic within its provider and task.
    std::string key() const;
};

enum class CandidateState : uint8_t {
    kOpen, // not timed (yet)
    kTimed,
    kFailed, // compile, prepare or launch failed
    kWrong,  // verification found another answer than the reference
};

struct Candidate {
    int32_t provider = 0;                      // index into the snapshot's providers
    TnPlacement placement = TN_PLACEMENT_HOST; // of the target it was made for: where it runs
    Tactic tactic;
    CandidateState state = CandidateState::kOpen;
    TimingRecord time;
    std::string reason; // of a failure
};

// Why a provider makes nothing, or not more, of a task.
struct Rejection {
    std::string provider;
    std::string reason;
};

} // namespace tenon::schedule
