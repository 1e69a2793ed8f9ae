#include "tools/common/compare.h"

#include "core/support/text.h"

#include <cmath>

namespace tenon::tools {

Tolerances defaultTolerances(ir::DataType dtype) {
    if (dtype == ir::DataType::kF16 || dtype == ir::DataType::kBF16) {
        return {1e-2, 1e-2};
    }
    return {};
}

Comparison compareOutput(const HostTensor& actual, const ExpectedOutput& expected, const Tolerances& tolerances) {
    Comparison result;
    result.name = actual.name;
    if (expected.random) {
        result.ok = true;
        result.skipped = true;
        return result;
    }
    const HostTensor& reference = expected.tensor;
    const std::vector<int64_t>& dims = expected.fullDims.empty() ? reference.dims : expected.fullDims;
    if (actual.dims != dims) {
        result.reason = support::cat("shape is ", shapeText(actual.dims), ", expected ", shapeText(dims));
        return result;
    }
    if (actual.dtype != reference.dtype) {
        result.reason =
            support::cat("element type is ", ir::nameOf(actual.dtype), ", expected ", ir::nameOf(reference.dtype));
        return result;
    }
    int64_t count = reference.elements();
    if ((actual.elements() + expected.stride - 1) / expected.stride != count) {
        result.reason = support::cat("the reference holds ", count, " samples, the output has ", actual.elements(),
                                     " elements at stride ", expected.stride);
        return result;
    }
    bool exact = !ir::isFloat(actual.dtype);
    double dot = 0;
    double normA = 0;
    double normB = 0;
    int64_t bad = 0;
    int64_t first = -1;
    for (int64_t i = 0; i < count; ++i) {
        double a = actual.numberAt(i * expected.stride);
        double b = reference.numberAt(i);
        if (a == b || (std::isnan(a) && std::isnan(b))) {
            if (std::isfinite(a)) {
                dot += a * b;
                normA += a * a;
                normB += b * b;
            }
            continue;
        }
        double gap = std::abs(a - b);
        result.maxAbs = std::isfinite(gap) ? std::max(result.maxAbs, gap) : INFINITY;
        result.maxRel = std::isfinite(gap) ? std::max(result.maxRel, gap / std::max(std::abs(b), 1e-12)) : INFINITY;
        if (std::isfinite(gap)) {
            dot += a * b;
            normA += a * a;
            normB += b * b;
        }
        if (exact || !(gap <= tolerances.atol + tolerances.rtol * std::abs(b))) {
            ++bad;
            first = first < 0 ? i * expected.stride : first;
        }
    }
    result.cosine = normA > 0 && normB > 0 ? dot / std::sqrt(normA * normB) : (normA == normB ? 1.0 : 0.0);
    result.ok = bad == 0;
    if (bad > 0) {
        result.reason =
            support::cat(bad, " of ", count, " compared elements differ by more than ", tolerances.atol, " + ",
                         tolerances.rtol, " * |expected|, the first at element ", first, ": ", actual.numberAt(first),
                         ", expected ", reference.numberAt(first / expected.stride));
    }
    return result;
}

} // namespace tenon::tools
