// The equation of an einsum, read. Used by inference and by the pass that lowers einsum. Knows no tensor.
#pragma once

#include "core/support/status.h"

#include <string>
#include <string_view>
#include <vector>

namespace tenon::ops {

struct EinsumEquation {
    static constexpr char kEllipsis = '.'; // in a term: the dimensions that '...' stands for

    std::vector<std::string> terms; // the labels of each operand's dimensions
    std::string output;             // the same of the result, also where the equation does not say it
};

// An error quotes the term that is wrong.
support::Result<EinsumEquation> parseEinsum(std::string_view equation);

} // namespace tenon::ops
