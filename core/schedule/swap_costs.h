// Why a candidate that is faster by itself was not chosen: what its layouts would cost in conversions, everything else in the plan as it is.
// Used by build_engine after selection, for the ledger. Ids and numbers only, like selection_problem.h.
#pragma once

#include "core/schedule/selection_problem.h"

#include <cstdint>
#include <vector>

namespace tenon::schedule {

struct ValueConversion {
    int32_t value = 0;
    int32_t from = 0;
    int32_t to = 0;
    double cost = 0.0;
};

struct SwapCost {
    int32_t region = 0;
    int32_t candidate = 0; // of the region, which runs another one
    double cost = 0.0; // of the conversions with it, less those of the plan; kUnreachable: some layout cannot be had
    std::vector<ValueConversion> conversions; // that there would be and are not
};

// For each chosen region its candidates that cost less than the chosen one, in order.
std::vector<SwapCost> swapCosts(const SelectionProblem& problem, const Selection& selection);

} // namespace tenon::schedule
