#include "benchmarks/kernels/work.h"

#include <string_view>
#include <utility>

namespace tenon::bench {

using namespace tenon::conformance;

int64_t elementsOf(const TensorText& tensor) {
    int64_t elements = 1;
    for (int64_t dim : tensor.dims) {
        elements *= dim;
    }
    return elements;
}

namespace {

// Vector instructions for each element of the result as our kernels have them (backends/cpu/simd/math-inl.h, rows.cpp, bytes.cpp), without loads and stores;
// a division counts as one. exp itself takes 12.
constexpr int64_t kExponential = 12;
constexpr std::pair<std::string_view, int64_t> kSteps[] = {
    {"activation.gelu_erf", 22}, // the quotient of two polynomials
    {"activation.relu", 1},
    {"activation.sigmoid", kExponential + 10}, // cut on both sides, reciprocal, limits, no number
    {"activation.silu", kExponential + 7},     // cut, reciprocal, product
    {"activation.tanh", kExponential + 18},    // exp, a quotient, a polynomial near zero
    {"binary.add", 1},
    {"binary.mul", 1},
    {"dequantize", 4}, // two conversions, zero point, scale
    {"layer_norm", 8}, // sum, squares about the mean, normalization
    {"log_softmax", kExponential + 8},
    {"quantize", 5},    // scale, both ends, conversion, zero point
    {"reduce.mean", 0}, // by the operand: below
    {"rms_norm", 3},
    {"softmax", kExponential + 11}, // largest, difference, limits of exp, sum, scale
    {"unary.exp", kExponential + 2},
    {"unary.tanh", kExponential + 18},
};

int64_t stepsOf(std::string_view op) {
    for (const auto& [name, steps] : kSteps) {
        if (name == op) {
            return steps;
        }
    }
    return 0;
}

} // namespace

Work workOf(const Case& one) {
    Work work;
    const auto typeOf = [&](int32_t operand) -> const TensorText& {
        constexpr int32_t kBase = StatementText::kStatementBase;
        return operand >= kBase ? one.statements[static_cast<size_t>(operand - kBase)].results[0]
                                : one.inputs[static_cast<size_t>(operand)].type;
    };
    for (const StatementText& statement : one.statements) {
        const std::string& op = statement.op;
        const TensorText& result = one.statements.size() > 1 ? statement.results[0] : one.outputs[0].type;
        const TensorText& first = typeOf(statement.operands[0]);
        const int64_t results = elementsOf(result);
        if (op == "conv" || op == "deconv") {
            const TensorText& weights = typeOf(statement.operands[1]);
            work.flops += 2 * (op == "conv" ? results : elementsOf(first)) * (elementsOf(weights) / weights.dims[0]);
        } else if (op == "matmul") {
            work.flops += 2 * results * first.dims.back();
        } else if (op == "attention") {
            const std::vector<int64_t>& keys = typeOf(statement.operands[1]).dims;
            const int64_t scores = elementsOf(first) / first.dims.back() * keys[keys.size() - 2];
            work.flops += 2 * scores * (keys.back() + typeOf(statement.operands[2]).dims.back());
            work.laneSteps += scores * stepsOf("softmax");
        } else if (op.starts_with("reduce.")) {
            work.laneSteps += elementsOf(first);
        } else {
            work.laneSteps += results * stepsOf(op);
        }
        if (work.flops > 0 && one.statements[0].op == "dequantize" && !work.isOfBytes) {
            // Kernels multiply the integers: none is made a real number before.
            work.isOfBytes = true;
            work.laneSteps = 0;
        }
    }
    return work;
}

} // namespace tenon::bench
