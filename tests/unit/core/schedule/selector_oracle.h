// Independent judges of selections, written against selection_problem.h alone: a plan checker, and exhaustive search.
#pragma once

#include "core/schedule/selection_problem.h"

#include <cstdint>
#include <string>

namespace tenon::schedule::testing {

/// Empty if the selection is a valid plan of exactly its stated cost; otherwise what is wrong.
std::string checkSelection(const SelectionProblem& problem, const Selection& selection);

/// Cost of the cheapest valid plan by trying all; kUnreachable if there is none. For a handful of nodes and at most
/// four formats per value.
double bruteForceCost(const SelectionProblem& problem);

struct RandomProblemOptions {
    int32_t maxNodes = 6;
    int32_t maxFormats = 3;
    bool integerCosts = false; ///< many ties
    bool missingSingles = false;
    bool noGoods = false;
    bool orderEdges = false;
    bool cyclic = false; ///< two chains with cheap pairs across: many covers have contracted cycles
};

/// A small graph with overlapping, disconnected and multi-output regions, shared values and missing conversions.
SelectionProblem randomProblem(uint64_t seed, const RandomProblemOptions& options);

} // namespace tenon::schedule::testing
