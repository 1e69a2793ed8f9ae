// move_quantization: dequantize moves down and quantize up through what only moves elements, until they meet and cancel.
//
//   quantize(dequantize(x)), equal scale and zero point         x
//   move(dequantize(x))                                         dequantize(move(x)): reshape, transpose, slice, nearest pixels, largest of a window, ...
//   concat(dequantize(x), dequantize(y)), equal parameters      dequantize(concat(x, y))
//   quantize(move(x))                                           move(quantize(x)), where nobody else reads what is moved
//   quantize(relu(x)), quantize(clip(x))                        quantize(x), where the range of the integers cuts as much
//   weights of u8 with a zero point                             weights of i8 with one that is 128 less, where that is not none
//   matmul(a, dequantize(move(quantize(b)))), quantized to u8   the same with i8 and a zero point that is 128 less
//   dequantize read by several                                  one for each, so that each reader can take it into its kernel
//
// Everything is exact: integers that move are the integers that would have been made of what moved.
#include "core/passes/quantization.h"
#include "core/passes/rewriter.h"

#include <algorithm>
#include <cmath>

namespace tenon::passes {

namespace {

using ir::Node;
using ir::Value;

// Each element is one of operand 0; not so where a crop reaches outside.
bool takesNearest(const Node& node) {
    return node.op() == "resize" && node.attributes().stringOr("mode", "nearest") == "nearest" &&
           node.attributes().stringOr("coordinate", "half_pixel") != "tf_crop_and_resize";
}

// Moves, repeats or leaves out elements of operand 0, whatever they are; or picks the largest, which is that of the integers too.
bool isMovement(const Node& node) {
    static constexpr std::string_view kOps[] = {"reshape",  "flatten", "squeeze", "unsqueeze", "transpose",
                                                "identity", "slice",   "expand",  "tile",      "pool.max"};
    // What a slice fills in is the number zero, which is not the byte zero.
    const bool fills = node.op() == "slice" && node.attributes().stringOr("mode", "strict") == "fill";
    return node.outputs().size() == 1 && !fills &&
           (takesNearest(node) || std::find(std::begin(kOps), std::end(kOps), node.op()) != std::end(kOps));
}

bool keepsOrder(const Node& node) {
    return node.op() == "reshape" || node.op() == "flatten" || node.op() == "squeeze" || node.op() == "unsqueeze" ||
           node.op() == "identity" || node.op() == "pool.max" || takesNearest(node);
}

bool isPlain(const Node& node) {
    return !node.settings().debugOutput && !node.output(0)->quantization() && !node.settings().precision &&
           std::none_of(node.settings().outputs.begin(), node.settings().outputs.end(),
                        [](const auto& type) { return type.has_value(); });
}

class Mover {
public:
    explicit Mover(PassContext& context) : mRewriter(context) {}

    support::Result<bool> run() {
        mRewriter.forEachNode([this](Node& node) {
            if (node.outputs().size() != 1 || !isPlain(node)) {
                return;
            }
            if (isByteQuantize(&node)) {
                cancel(node) || skipClamp(node) || moveUp(node);
            } else if (isMovement(node)) {
                moveDown(node);
            } else if (node.op() == "concat") {
                joinBelow(node);
            } else if (isByteDequantize(&node)) {
                giveToEach(node);
                if (isQuantizedWeight(node)) {
                    makeSigned(node, 0, 2);
                }
            } else if (node.op() == "matmul") {
                makeOperandSigned(node);
            } else if (node.op() == "matmul_integer" || node.op() == "conv_integer") {
                makeSigned(node, 1, 3);
            }
        });
        return mRewriter.finish();
    }

private:
    bool cancel(Node& node) {
        Node* const before = node.input(0)->producer();
        if (!isByteDequantize(before) || !isPlain(*before) || !sameParameters(node, *before) ||
            before->input(0)->type().dtype != node.output(0)->type().dtype) {
            return false;
        }
        mRewriter.replace(node, before->input(0));
        return true;
    }

    // An integer type that ends where an activation does needs no activation.
    bool skipClamp(Node& node) {
        Node* const clamp = node.input(0)->producer();
        const auto parameters = oneScaleOf(node);
        if (clamp == nullptr || !parameters || !isPlain(*clamp)) {
            return false;
        }
        double low = 0;
        double high = INFINITY;
        if (clamp->op() == "activation.clip") {
            low = clamp->attributes().floatOr("min", -INFINITY);
            high = clamp->attributes().floatOr("max", INFINITY);
        } else if (clamp->op() != "activation.relu") {
            return false;
        }
        const ir::DataType type = node.output(0)->type().dtype;
        const auto codeOf = [&](double value) {
            const auto quotient = static_cast<float>(value / parameters->scale);
            return std::nearbyint(static_cast<double>(quotient)) + parameters->zero;
        };
        if (codeOf(low) > lowestCode(type) || codeOf(high) < highestCode(type)) {
            return false;
        }
        mRewriter.setInput(node, 0, clamp->input(0));
        return true;
    }

    bool moveUp(Node& node) {
        Node* const move = node.input(0)->producer();
        if (move == nullptr || !isPlain(*move) || !isPrivate(*node.input(0)) || !oneScaleOf(node)) {
            return false;
        }
        const auto quantized = [&](Value* value) {
            std::vector<Value*> inputs = node.inputs();
            inputs[0] = value;
            return mRewriter.make(*move, "quantize", std::move(inputs), node.attributes());
        };
        std::vector<Value*> inputs = move->inputs();
        if (move->op() == "concat") {
            for (Value*& input : inputs) {
                input = quantized(input);
            }
        } else if (keepsOrder(*move) && move->outputs().size() == 1 && move->input(0)->constant() == nullptr) {
            inputs[0] = quantized(inputs[0]);
        } else {
            return false;
        }
        mRewriter.replace(node, mRewriter.makeInstead(node, move->op(), std::move(inputs), move->attributes()));
        return true;
    }

    void moveDown(Node& node) {
        Node* const before = node.input(0) != nullptr ? node.input(0)->producer() : nullptr;
        if (!isByteDequantize(before) || !isPlain(*before)) {
            return;
        }
        ir::AttributeMap attributes = before->attributes();
        if (!oneScaleOf(*before)) {
            const auto axis = axisBehind(node, *before);
            if (!axis) {
                return;
            }
            attributes.set("axis", *axis);
        }
        std::vector<Value*> inputs = node.inputs();
        inputs[0] = before->input(0);
        Value* const moved = mRewriter.make(node, node.op(), std::move(inputs), node.attributes());
        dequantizeInstead(node, moved, *before, std::move(attributes));
    }

    // Where a transpose puts the dimension that has a scale for each index.
    static std::optional<int64_t> axisBehind(const Node& node, const Node& dequantize) {
        const int32_t rank = node.input(0)->type().rank();
        int64_t axis = dequantize.attributes().intOr("axis", 1);
        axis += axis < 0 ? rank : 0;
        if (node.op() != "transpose" || rank < 1) {
            return std::nullopt;
        }
        std::vector<int64_t> perm = node.attributes().intsOr("perm", {});
        for (int64_t d = rank; perm.size() < static_cast<size_t>(rank) && d-- > 0;) {
            perm.push_back(d);
        }
        const auto at = std::find(perm.begin(), perm.end(), axis);
        return at == perm.end() ? std::nullopt : std::optional<int64_t>(at - perm.begin());
    }

    void joinBelow(Node& node) {
        std::vector<Value*> inputs;
        Node* const first = node.input(0) != nullptr ? node.input(0)->producer() : nullptr;
        for (const Value* input : node.inputs()) {
            Node* const before = input != nullptr ? input->producer() : nullptr;
            if (!isByteDequantize(before) || !isPlain(*before) || !sameParameters(*before, *first) ||
                before->input(0)->type().dtype != first->input(0)->type().dtype) {
                return;
            }
            inputs.push_back(before->input(0));
        }
        if (!inputs.empty()) {
            Value* const joined = mRewriter.make(node, "concat", std::move(inputs), node.attributes());
            dequantizeInstead(node, joined, *first, first->attributes());
        }
    }

    void dequantizeInstead(Node& node, Value* integers, const Node& like, ir::AttributeMap attributes) {
        if (integers == nullptr) {
            return;
        }
        std::vector<Value*> inputs = like.inputs();
        inputs[0] = integers;
        mRewriter.replace(node, mRewriter.makeInstead(node, "dequantize", std::move(inputs), std::move(attributes)));
    }

    // Kernels multiply with signed weights.
    void makeSigned(Node& node, size_t weights, size_t zero) {
        const Value* const bytes = node.input(weights);
        const Value* const zeros = node.input(zero);
        if (bytes == nullptr || bytes->constant() == nullptr || bytes->type().dtype != ir::DataType::kU8 ||
            zeros == nullptr || zeros->constant() == nullptr) {
            return;
        }
        constexpr double kHalf = 128;
        const ir::Constant& before = *zeros->constant();
        bool isHalf = true;
        for (int64_t i = 0; i < before.elements(); ++i) {
            isHalf = isHalf && before.numberAt(i) == kHalf;
        }
        if (!isHalf && before.elements() != 1) { // kernels take one zero point
            return;
        }
        const float one = 1;
        const auto half = static_cast<uint8_t>(kHalf);
        Value* const scale = mRewriter.makeConstant(node, ir::makeConstant(ir::DataType::kF32, {}, &one));
        Value* const shift = mRewriter.makeConstant(node, ir::makeConstant(ir::DataType::kU8, {}, &half));
        ir::AttributeMap attributes;
        attributes.set("to", ir::DataType::kI8);
        Value* const real = mRewriter.make(node, "dequantize", {node.input(weights), scale, shift});
        Value* const integers = real == nullptr ? nullptr : mRewriter.make(node, "quantize", {real, scale}, attributes);
        if (integers == nullptr) {
            return;
        }
        std::vector<Value*> inputs = node.inputs();
        inputs[weights] = integers;
        inputs.resize(zero);
        if (!isHalf) {
            const auto shifted = static_cast<int8_t>(before.numberAt(0) - kHalf);
            inputs.push_back(mRewriter.makeConstant(node, ir::makeConstant(ir::DataType::kI8, before.dims, &shifted)));
        }
        mRewriter.replace(node, mRewriter.makeInstead(node, node.op(), std::move(inputs), node.attributes()));
    }

    // The second operand of a product of two tensors, from where it is quantized.
    void makeOperandSigned(Node& product) {
        std::vector<Node*> path; // from the dequantize up to the quantize
        Value* value = product.input(1);
        while (true) {
            Node* const node = value->producer();
            const bool isEnd = path.empty() ? isByteDequantize(node) : node != nullptr && isByteQuantize(node);
            if (node == nullptr || (!isEnd && (path.empty() || !isMovement(*node))) || !isPlain(*node) ||
                !isPrivate(*value)) {
                return;
            }
            path.push_back(node);
            if (isEnd && path.size() > 1) {
                break;
            }
            value = node->input(0);
        }
        Node& dequantize = *path.front();
        Node& quantize = *path.back();
        const auto parameters = oneScaleOf(quantize);
        if (!parameters || quantize.output(0)->type().dtype != ir::DataType::kU8 ||
            !sameParameters(quantize, dequantize)) {
            return;
        }
        const auto zero = static_cast<int8_t>(parameters->zero - 128);
        Value* const shift = mRewriter.makeConstant(product, ir::makeConstant(ir::DataType::kI8, {}, &zero));
        ir::AttributeMap attributes = quantize.attributes();
        attributes.set("to", ir::DataType::kI8);
        Value* made = mRewriter.make(quantize, "quantize", {quantize.input(0), quantize.input(1), shift}, attributes);
        for (size_t i = path.size() - 1; made != nullptr && i-- > 1;) {
            std::vector<Value*> inputs = path[i]->inputs();
            inputs[0] = made;
            made = mRewriter.make(*path[i], path[i]->op(), std::move(inputs), path[i]->attributes());
        }
        if (made != nullptr) {
            mRewriter.replace(dequantize,
                              mRewriter.makeInstead(dequantize, "dequantize", {made, dequantize.input(1), shift},
                                                    dequantize.attributes()));
        }
    }

    void giveToEach(Node& node) {
        const std::vector<ir::Use> uses = node.output(0)->uses();
        const Node* owner = node.output(0)->isGraphOutput() || uses.empty() ? nullptr : uses[0].node;
        for (const ir::Use& use : uses) {
            if (use.node == owner) {
                continue;
            }
            if (Value* const copy = mRewriter.make(node, "dequantize", node.inputs(), node.attributes())) {
                mRewriter.setInput(*use.node, static_cast<size_t>(use.index), copy);
            }
        }
    }

    Rewriter mRewriter;
};

} // namespace

support::Result<bool> moveQuantization(PassContext& context) { return Mover(context).run(); }

} // namespace tenon::passes
