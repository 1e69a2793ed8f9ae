// Whether an output is what was expected, and how far off.
// Used by `tenon run --check`. Integers and bools must be equal; floats satisfy |a - b| <= atol + rtol * |b| everywhere.
#pragma once

#include "tools/common/data_set.h"

#include <string>

namespace tenon::tools {

struct Tolerances {
    double rtol = 1e-3;
    double atol = 1e-5;
};

// Defaults by element type: f32 1e-3 and 1e-5; f16 and bf16 1e-2 and 1e-2.
Tolerances defaultTolerances(ir::DataType dtype);

struct Comparison {
    std::string name;
    double maxAbs = 0;
    double maxRel = 0;
    double cosine = 1;
    bool ok = false;
    bool skipped = false; // a random output
    std::string reason;   // of a failure
};

Comparison compareOutput(const HostTensor& actual, const ExpectedOutput& expected, const Tolerances& tolerances);

} // namespace tenon::tools
