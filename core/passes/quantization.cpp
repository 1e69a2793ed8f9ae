#include "core/passes/quantization.h"

#include "core/passes/rewriter.h"

#include <algorithm>
#include <cmath>

namespace tenon::passes {

using ir::DataType;
using ir::Node;
using ir::Value;

namespace {

constexpr int kMaxSteps = 8; // between a product and the dequantize of its operand

bool isByte(DataType type) { return type == DataType::kI8 || type == DataType::kU8; }

bool isSingle(const Value& value) {
    const ir::TensorType& type = value.type();
    return type.ranked && (type.dims.empty() || (value.constant() != nullptr && value.constant()->elements() == 1));
}

bool isQuantizer(const Node& node) { return node.op() == "quantize" || node.op() == "dequantize"; }

// Where an operand's elements come from, through ops that only move them.
const Node* sourceOf(const Value* value) {
    for (int step = 0; value != nullptr && value->producer() != nullptr && step < kMaxSteps; ++step) {
        const Node* const node = value->producer();
        const std::string& op = node->op();
        if (op != "reshape" && op != "transpose" && op != "flatten" && op != "squeeze" && op != "unsqueeze" &&
            op != "identity" && op != "pad" && op != "slice" && op != "concat" && op != "pool.max") {
            return node;
        }
        value = node->input(0);
    }
    return nullptr;
}

} // namespace

std::optional<OneScale> oneScaleOf(const Node& node) {
    if (!isQuantizer(node) || node.input(1) == nullptr || !isSingle(*node.input(1)) ||
        node.input(1)->constant() == nullptr) {
        return std::nullopt;
    }
    OneScale result;
    result.scale = node.input(1)->constant()->numberAt(0);
    if (node.input(2) != nullptr) {
        if (!isSingle(*node.input(2)) || node.input(2)->constant() == nullptr) {
            return std::nullopt;
        }
        result.zero = node.input(2)->constant()->numberAt(0);
    }
    return std::isfinite(result.scale) && result.scale > 0 ? std::optional<OneScale>(result) : std::nullopt;
}

bool isByteQuantize(const Node* node) {
    return node != nullptr && node->op() == "quantize" && isByte(node->output(0)->type().dtype) &&
           node->input(0)->type().dtype == DataType::kF32;
}

bool isByteDequantize(const Node* node) {
    return node != nullptr && node->op() == "dequantize" && isByte(node->input(0)->type().dtype) &&
           node->output(0)->type().dtype == DataType::kF32;
}

double lowestCode(DataType type) { return type == DataType::kU8 ? 0 : -128; }
double highestCode(DataType type) { return type == DataType::kU8 ? 255 : 127; }

bool sameParameters(const Node& a, const Node& b) {
    const auto left = oneScaleOf(a);
    const auto right = oneScaleOf(b);
    return left && right && left->scale == right->scale && left->zero == right->zero;
}

bool isQuantizedWeight(const Node& node) {
    if (!isByteDequantize(&node) || node.input(0)->constant() == nullptr ||
        node.input(0)->constant()->dims.size() < 2 || node.output(0)->quantization() ||
        node.output(0)->isGraphOutput()) {
        return false;
    }
    const auto isMultiplied = [](const ir::Use& use) {
        const std::string& op = use.node->op();
        if ((op != "conv" && op != "matmul") || use.index > 1) {
            return false;
        }
        const Node* const other = sourceOf(use.node->input(use.index == 0 ? 1 : 0));
        return isByteDequantize(other) && other->input(0)->constant() == nullptr;
    };
    return std::any_of(node.output(0)->uses().begin(), node.output(0)->uses().end(), [&](const ir::Use& use) {
        const std::vector<ir::Use>& behind =
            use.node->op() == "transpose" ? use.node->output(0)->uses() : std::vector<ir::Use>{use};
        return std::any_of(behind.begin(), behind.end(), isMultiplied);
    });
}

bool isElementwise(const ops::OpDef& def, const Node& node) {
    if (!isQuantizer(node)) {
        return def.pointwise;
    }
    return node.input(1) != nullptr && isSingle(*node.input(1)) &&
           (node.input(2) == nullptr || isSingle(*node.input(2)));
}

} // namespace tenon::passes
