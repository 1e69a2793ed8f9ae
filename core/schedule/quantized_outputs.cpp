#include "core/schedule/quantized_outputs.h"

#include "core/ir/editor.h"
#include "core/schedule/body.h"

#include <algorithm>
#include <cmath>

namespace tenon::schedule {

namespace {

struct Range {
    double low = 0;
    double high = 0;
};

std::optional<Range> rangeOf(ir::DataType type) {
    if (type == ir::DataType::kI8) {
        return Range{-128, 127};
    }
    if (type == ir::DataType::kU8) {
        return Range{0, 255};
    }
    if (type == ir::DataType::kI16) {
        return Range{-32768, 32767};
    }
    return type == ir::DataType::kU16 ? std::optional<Range>(Range{0, 65535}) : std::nullopt;
}

// The one element of an input of the body.
std::optional<double> numberOf(const ir::Graph& body, const std::vector<ir::ConstantPtr>& inputs,
                               const ir::Value* value) {
    const auto at = std::find(body.inputs().begin(), body.inputs().end(), value);
    if (at == body.inputs().end()) {
        return std::nullopt;
    }
    const ir::ConstantPtr& constant = inputs[static_cast<size_t>(at - body.inputs().begin())];
    return constant && constant->elements() == 1 ? std::optional<double>(constant->numberAt(0)) : std::nullopt;
}

// A quantize of the body, as numbers.
struct Rounding {
    double scale = 1;
    double zero = 0;
    Range range;
};

std::optional<Rounding> roundingOf(const ir::Graph& body, const std::vector<ir::ConstantPtr>& inputs,
                                   const ir::Node* node) {
    if (node == nullptr || node->op() != "quantize" || node->input(0)->type().dtype != ir::DataType::kF32) {
        return std::nullopt;
    }
    const std::optional<Range> range = rangeOf(node->output(0)->type().dtype);
    const std::optional<double> scale = numberOf(body, inputs, node->input(1));
    const std::optional<double> zero = node->input(2) != nullptr ? numberOf(body, inputs, node->input(2)) : 0.0;
    return range && scale && zero && *scale > 0 ? std::optional<Rounding>({*scale, *zero, *range}) : std::nullopt;
}

// Replaces each quantize that is dequantized in the same body by the cut alone. Half of the steps that are not taken any more, together.
double skipRoundings(ir::Graph& graph, const std::vector<ir::ConstantPtr>& inputs) {
    ir::GraphEditor editor(graph);
    double slack = 0;
    // No activation enlarges a difference by more.
    constexpr double kSteepest = 1.5;
    const std::vector<ir::Node*> nodes(graph.nodes().begin(), graph.nodes().end());
    for (ir::Node* node : nodes) {
        const auto rounding =
            node->op() == "dequantize" ? roundingOf(graph, inputs, node->input(0)->producer()) : std::nullopt;
        if (!rounding) {
            continue;
        }
        ir::NodeSpec spec;
        spec.op = "activation.clip";
        spec.name = node->name();
        spec.inputs = {node->input(0)->producer()->input(0)};
        spec.attributes.set("min", (rounding->range.low - rounding->zero) * rounding->scale);
        spec.attributes.set("max", (rounding->range.high - rounding->zero) * rounding->scale);
        spec.outputTypes = {node->output(0)->type()};
        spec.source = node->source();
        editor.replaceAllUses(node->output(0), editor.addNode(std::move(spec), node)->output(0));
        slack += 0.5 * kSteepest * rounding->scale;
    }
    return slack;
}

} // namespace

std::vector<std::optional<QuantizedOutput>> quantizedOutputs(Oracle& oracle, const ir::Graph& body,
                                                             const std::vector<ir::ConstantPtr>& inputs,
                                                             const std::vector<int64_t>& symbolValues,
                                                             const StandIn& standIn) {
    std::vector<std::optional<QuantizedOutput>> result(body.outputs().size());
    // The same body with what is quantized as outputs.
    ir::Graph graph(body.name(), body.poolPtr());
    ir::GraphEditor editor(graph);
    std::vector<ir::Value*> outer;
    for (const ir::Value* input : body.inputs()) {
        outer.push_back(editor.addInput(input->name(), input->type()));
        editor.setContents(outer.back(), input->contents());
    }
    for (ir::Value* output : inlineBody(body, graph, outer)) {
        editor.addOutput(output);
    }
    const double slack = skipRoundings(graph, inputs);
    std::vector<std::pair<size_t, ir::Value*>> asked; // an output of the body, and the real numbers that it is made of
    for (size_t o = 0; o < graph.outputs().size(); ++o) {
        ir::Node* const node = graph.outputs()[o]->producer();
        if (roundingOf(graph, inputs, node)) {
            asked.emplace_back(o, node->input(0));
        } else if (slack > 0 && graph.outputs()[o]->type().dtype == ir::DataType::kF32) {
            asked.emplace_back(o, graph.outputs()[o]);
        }
    }
    if (asked.empty()) {
        return result;
    }
    for (const auto& [o, real] : asked) {
        if (!real->isGraphOutput()) {
            editor.addOutput(real);
        }
    }
    const support::Result<std::vector<ir::ConstantPtr>> reals = oracle.run(graph, inputs, symbolValues, standIn);
    for (const auto& [o, value] : asked) {
        const auto at = std::find(graph.outputs().begin(), graph.outputs().end(), value);
        const ir::ConstantPtr real =
            reals.ok() ? (*reals)[static_cast<size_t>(at - graph.outputs().begin())] : ir::ConstantPtr();
        if (!real) {
            continue;
        }
        QuantizedOutput expected;
        const auto rounding = roundingOf(graph, inputs, graph.outputs()[o]->producer());
        expected.slack = rounding ? 0.5 + slack / rounding->scale : slack;
        for (int64_t i = 0; i < real->elements(); ++i) {
            const double number = real->numberAt(i);
            const double code = rounding ? number / rounding->scale + rounding->zero : number;
            expected.exact.push_back(
                rounding && !std::isnan(code) ? std::clamp(code, rounding->range.low, rounding->range.high) : code);
        }
        result[o] = std::move(expected);
    }
    return result;
}

Difference compareQuantized(const ir::Constant& actual, const ir::Constant& reference, const QuantizedOutput& expected,
                            const Tolerance& tolerance) {
    Difference difference;
    const int64_t count = actual.elements();
    for (int64_t i = 0; i < count; ++i) {
        const double real = expected.exact[static_cast<size_t>(i)];
        // A number that is none rounds to whatever there is; roundings on the way, each multiplied by what follows, may go further than the slack
        // knows, the same way in both.
        if (std::isnan(real) || actual.numberAt(i) == reference.numberAt(i)) {
            continue;
        }
        const double gap = std::abs(actual.numberAt(i) - real);
        const double beyond = std::max(gap - expected.slack, 0.0);
        difference.maxAbs = std::max(difference.maxAbs, beyond);
        difference.peak = std::max(difference.peak, std::abs(real));
        if (!(gap <= expected.slack + 10 * tolerance.atol + tolerance.rtol * std::abs(real))) {
            difference.firstIndex = difference.firstIndex < 0 ? i : difference.firstIndex;
            ++difference.mismatched;
        }
    }
    return difference;
}

} // namespace tenon::schedule
