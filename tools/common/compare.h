// Whether an output is what was expected, and how far off.
// Used by `tenon run --check`. Integers and bools must be equal; what of floats, and of the bytes of quantized networks, Tolerances say.
#pragma once

#include "tools/common/data_set.h"

#include <string>

namespace tenon::tools {

struct Tolerances {
    enum class Kind {
        kElements, // |a - b| <= atol + rtol * |b| everywhere; integers are equal
        kDistance, // |a - b| <= distance * |b| of the outputs as vectors: of a quantized network, where rounding to the next step is legal and steps
                   // are large for some elements and small for others
        kSteps     // bytes: by mostSteps at most, by rmsSteps in the root mean square
    };
    Kind kind = Kind::kElements;
    double rtol = 1e-3;
    double atol = 1e-5;
    double distance = 0.1; // a cosine of 0.995 at least
    double mostSteps = 4;
    double rmsSteps = 1;

    // "|a - e| <= 1e-05 + 0.001 |e| everywhere"
    std::string text(ir::DataType dtype) const;
};

// Defaults by element type: f32 1e-3 and 1e-5; f16 and bf16 1e-2 and 1e-2. Of a network that quantizes activations: the distance of floats, steps of
// bytes; other integers are equal.
Tolerances defaultTolerances(ir::DataType dtype, bool quantized);

struct Comparison {
    std::string name;
    double maxAbs = 0;
    // Differences over what was expected, or over a thousandth of the largest expected where that is more, since against almost nothing all is much. Where
    // nothing but zeros was expected there is none, and no cosine but between zeros: not a number.
    double maxRel = 0;
    double cosine = 1;
    double distance = 0; // |a - b| / |b| as vectors
    bool ok = false;
    bool skipped = false; // a random output
    std::string reason;   // of a failure
};

Comparison compareOutput(const HostTensor& actual, const ExpectedOutput& expected, const Tolerances& tolerances);

} // namespace tenon::tools
