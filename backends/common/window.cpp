#include "backends/common/window.h"

#include <algorithm>

namespace tenon::kernels {

namespace {

Dims perDimension(const Call& call, std::string_view name, size_t rank, int64_t fallback) {
    Dims values = call.intsOr(name, rank, fallback);
    if (values.empty()) {
        values.assign(rank, fallback);
    }
    if (values.size() != rank) {
        invalid("attribute '", name, "' of ", call.op(), " has ", values.size(), " entries for ", rank,
                " spatial dimensions");
    }
    return values;
}

Window readWindow(const Call& call, const Dims& kernel) {
    Window window;
    const size_t rank = kernel.size();
    const Dims& in = call.in(0).dims;
    const Dims& out = call.out().dims;
    if (in.size() != rank + 2 || out.size() != rank + 2) {
        invalid(call.op(), " of shape ", shapeText(in), " with a kernel of ", rank, " dimensions");
    }
    window.input.assign(in.begin() + 2, in.end());
    window.output.assign(out.begin() + 2, out.end());
    window.kernel = kernel;
    window.strides = perDimension(call, "strides", rank, 1);
    window.dilations = perDimension(call, "dilations", rank, 1);
    for (size_t d = 0; d < rank; ++d) {
        if (kernel[d] < 0 || window.strides[d] < 1 || window.dilations[d] < 1) {
            invalid(call.op(), " needs positive strides and dilations");
        }
    }
    Dims pads = call.intsOr("pads", 2 * rank, 0);
    if (pads.empty()) {
        pads.assign(2 * rank, 0);
    }
    if (pads.size() != 2 * rank) {
        invalid("attribute 'pads' of ", call.op(), " has ", pads.size(), " entries; ", 2 * rank, " are needed");
    }
    window.padBegin.assign(pads.begin(), pads.begin() + static_cast<int64_t>(rank));
    window.padEnd.assign(pads.begin() + static_cast<int64_t>(rank), pads.end());
    return window;
}

// Splits a total: the odd element goes to the end (upper) or to the beginning (lower).
void splitPads(Window& window, size_t d, int64_t total, bool lower) {
    const int64_t small = total / 2;
    window.padBegin[d] = lower ? total - small : small;
    window.padEnd[d] = total - window.padBegin[d];
}

} // namespace

Window windowOf(const Call& call, const Dims& kernel) {
    Window window = readWindow(call, kernel);
    const std::string autoPad = call.stringOr("auto_pad", "explicit");
    for (size_t d = 0; d < window.rank(); ++d) {
        if (autoPad == "valid") {
            window.padBegin[d] = window.padEnd[d] = 0;
        } else if (autoPad == "same_upper" || autoPad == "same_lower") {
            const int64_t reach =
                (window.output[d] - 1) * window.strides[d] + (kernel[d] - 1) * window.dilations[d] + 1;
            splitPads(window, d, std::max<int64_t>(reach - window.input[d], 0), autoPad == "same_lower");
        }
    }
    return window;
}

Window deconvWindowOf(const Call& call, const Dims& kernel) {
    Window window = readWindow(call, kernel);
    const std::string autoPad = call.stringOr("auto_pad", "explicit");
    const Dims outputPadding = perDimension(call, "output_padding", window.rank(), 0);
    const bool sized = !call.intsOr("output_shape", 0, 0).empty();
    for (size_t d = 0; d < window.rank(); ++d) {
        const int64_t full =
            (window.input[d] - 1) * window.strides[d] + (kernel[d] - 1) * window.dilations[d] + 1 + outputPadding[d];
        if (autoPad == "valid") {
            window.padBegin[d] = window.padEnd[d] = 0;
        } else if (autoPad != "explicit" || sized) {
            // A total that is negative means that the output is longer than what the kernel reaches: zeros at the end.
            splitPads(window, d, std::max<int64_t>(full - window.output[d], 0), autoPad != "same_upper");
        }
    }
    return window;
}

std::vector<std::vector<float>> tapCounts(const Window& window, bool includePads) {
    std::vector<std::vector<float>> counts(window.rank());
    for (size_t d = 0; d < window.rank(); ++d) {
        const int64_t first = includePads ? -window.padBegin[d] : 0;
        const int64_t end = window.input[d] + (includePads ? window.padEnd[d] : 0);
        for (int64_t o = 0; o < window.output[d]; ++o) {
            int64_t count = 0;
            for (int64_t t = 0; t < window.kernel[d]; ++t) {
                const int64_t at = o * window.strides[d] - window.padBegin[d] + t * window.dilations[d];
                count += at >= first && at < end ? 1 : 0;
            }
            counts[d].push_back(static_cast<float>(count));
        }
    }
    return counts;
}

} // namespace tenon::kernels
