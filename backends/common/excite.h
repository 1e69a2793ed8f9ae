// Reads the regions of squeeze-and-excite: the mean of each channel, two products with bias and activation, and the multiplication, the first and the last
// of which may be missing.
//
// Who uses it: backends with a kernel for them. What it must not know: layouts, how anything is computed.
#pragma once

#include "tenon/module/graph_view.hpp"

#include <cstdint>
#include <optional>

namespace tenon::kernels {

struct ExciteLayer {
    int32_t weights = -1;    // ports
    int32_t bias = -1;       // -1: none
    bool transposed = false; // weights are [outputs, inputs], else [inputs, outputs]
    int64_t inputs = 0;
    int64_t outputs = 0;
    int32_t activation = -1; // node of the body
};

struct Excite {
    int32_t x = -1; // port: what is squeezed, or the squeezed already
    bool squeezes = false;
    bool scales = false;
    ExciteLayer layers[2];
};

// Nothing where the body is something else.
std::optional<Excite> readExcite(const module::GraphView& body);

} // namespace tenon::kernels
