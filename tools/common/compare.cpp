#include "tools/common/compare.h"

#include "core/support/text.h"

#include <algorithm>
#include <cmath>

namespace tenon::tools {

Tolerances defaultTolerances(ir::DataType dtype, bool quantized) {
    Tolerances tolerances;
    if (dtype == ir::DataType::kF16 || dtype == ir::DataType::kBF16) {
        tolerances.rtol = 1e-2;
        tolerances.atol = 1e-2;
    }
    if (quantized && ir::isFloat(dtype)) {
        tolerances.kind = Tolerances::Kind::kDistance;
    } else if (quantized && (dtype == ir::DataType::kI8 || dtype == ir::DataType::kU8)) {
        tolerances.kind = Tolerances::Kind::kSteps;
    }
    return tolerances;
}

std::string Tolerances::text(ir::DataType dtype) const {
    switch (kind) {
    case Kind::kDistance:
        return support::cat("quantized: ||a - e|| <= ", distance, " ||e||");
    case Kind::kSteps:
        return support::cat("quantized: ", mostSteps, " steps at most, ", rmsSteps, " in the root mean square");
    case Kind::kElements:
        break;
    }
    return ir::isFloat(dtype) ? support::cat("|a - e| <= ", atol, " + ", rtol, " |e| everywhere")
                              : std::string("equal");
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
    const bool exact = !ir::isFloat(actual.dtype);
    double largest = 0; // expected
    for (int64_t i = 0; i < count; ++i) {
        const double b = std::abs(reference.numberAt(i));
        largest = std::isfinite(b) ? std::max(largest, b) : largest;
    }
    const auto relative = [&](double gap, double b) {
        return largest > 0 ? gap / std::max(std::abs(b), largest * 1e-3) : NAN;
    };
    double dot = 0;
    double normA = 0;
    double normB = 0;
    double squares = 0; // of the differences
    int64_t bad = 0;
    int64_t first = -1;
    for (int64_t i = 0; i < count; ++i) {
        const double a = actual.numberAt(i * expected.stride);
        const double b = reference.numberAt(i);
        const bool bothNan = std::isnan(a) && std::isnan(b);
        const double gap = a == b || bothNan ? 0 : std::abs(a - b);
        if (std::isfinite(a) && std::isfinite(b)) {
            dot += a * b;
            normA += a * a;
            normB += b * b;
            squares += gap * gap;
        }
        if (gap == 0) {
            continue;
        }
        result.maxAbs = std::isfinite(gap) ? std::max(result.maxAbs, gap) : INFINITY;
        result.maxRel = std::isfinite(gap) ? std::max(relative(gap, b), result.maxRel) : INFINITY;
        bool wrong = !std::isfinite(gap);
        switch (tolerances.kind) {
        case Tolerances::Kind::kElements:
            wrong = exact || !(gap <= tolerances.atol + tolerances.rtol * std::abs(b));
            break;
        case Tolerances::Kind::kDistance:
            break;
        case Tolerances::Kind::kSteps:
            wrong = gap > tolerances.mostSteps;
            break;
        }
        if (wrong) {
            ++bad;
            first = first < 0 ? i * expected.stride : first;
        }
    }
    result.cosine = normA > 0 && normB > 0 ? dot / std::sqrt(normA * normB) : (normA == normB ? 1.0 : NAN);
    result.distance = squares == 0 ? 0 : normB > 0 ? std::sqrt(squares / normB) : INFINITY;
    result.ok = bad == 0;
    if (bad > 0) {
        result.reason =
            support::cat(bad, " of ", count, " compared elements are not within ", tolerances.text(actual.dtype),
                         ", the first at element ", first, ": ", actual.numberAt(first), ", expected ",
                         reference.numberAt(first / expected.stride));
    } else if (tolerances.kind == Tolerances::Kind::kDistance && result.distance > tolerances.distance) {
        result.ok = false;
        result.reason = support::cat("||a - e|| is ", result.distance, " ||e||, more than ", tolerances.distance);
    } else if (tolerances.kind == Tolerances::Kind::kSteps &&
               squares > tolerances.rmsSteps * tolerances.rmsSteps * static_cast<double>(count)) {
        result.ok = false;
        result.reason =
            support::cat("the root mean square of the differences is ", std::sqrt(squares / static_cast<double>(count)),
                         " steps, more than ", tolerances.rmsSteps);
    }
    return result;
}

} // namespace tenon::tools
