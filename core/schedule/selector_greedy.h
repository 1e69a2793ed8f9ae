// The fallback for graphs on which elimination grows too large: a greedy cover with exact formats, then exact
// solutions of overlapping windows while the rest stands.
//
// Who uses it: selector.cpp. What it must not know: messages; whether the answer is optimal.
#pragma once

#include "core/schedule/selector_encoding.h"

#include <vector>

namespace tenon::schedule {

struct FallbackPlan {
    bool found = false;
    bool cancelled = false;
    std::vector<Choice> choices; ///< acyclic, no no-good violated
    double cost = kUnreachable;
};

/// A valid plan, usually within a few percent of the optimum. Not found: no cover within a bounded search; there may
/// still be one. `starts`: further plans to improve, each valid or at least cheap.
FallbackPlan planGreedily(const PreparedProblem& prepared, const std::vector<NoGood>& noGoods,
                          const std::vector<std::vector<Choice>>& starts, const SelectionOptions& options,
                          SelectionStatistics& statistics);

} // namespace tenon::schedule
