// fold_batch_norm: scales and shifts by constants move into the weights of the convolution, deconvolution or matrix product beside them.
//
//   batch_norm with constant parameters is x * s + b
//   behind:  conv * c, conv + c, deconv * c, deconv + c, matmul * c   where c is one number, or one per output channel
//   before:  conv(x * c), deconv(x * c), matmul(x * c)                where c is one number, or one per input channel
//            conv(x + c)                                              only without padding: padding is 0, not c
//   (matmul + b) * c is matmul * c + b * c, so that the scale goes on; (matmul + b) + c is one shift
//
// What is between must have no other reader and be no output. The new weights are ordinary nodes on constants, which constant_fold computes and
// whose derivation it keeps. 16-bit weights are computed in f32.
#include "core/passes/rewriter.h"

#include <algorithm>
#include <numeric>

namespace tenon::passes {

namespace {

using ir::DataType;
using ir::Node;
using ir::Value;

bool isOp(const Value* value, std::string_view op) {
    return value != nullptr && value->producer() != nullptr && value->producer()->op() == op;
}

// A node with constant weights that a scale can move into.
struct Linear {
    enum class Kind { kConv, kDeconv, kMatmul } kind = Kind::kConv;
    Node* node = nullptr;
    std::vector<int64_t> weights; // extents
    int64_t groups = 1;
    bool transposed = false; // matmul: the weights are [N, K]
    int64_t outputs = 0;     // channels
    int64_t inputs = 0;
    size_t spatial() const { return weights.size() - 2; }
};

enum class Fit { kNone, kOne, kPerChannel };

class Folder {
public:
    explicit Folder(PassContext& context) : mContext(context), mRewriter(context) {}

    support::Result<bool> run() {
        mRewriter.forEachNode([this](Node& node) {
            if (node.op() == "const" || node.settings().debugOutput) {
                return;
            }
            if (node.op() == "batch_norm") {
                openBatchNorm(node);
            } else if (node.op() == "binary.mul" || node.op() == "binary.add") {
                if (node.inputs().size() == 2 && isUsable(node.input(1)) && !isUsable(node.input(0))) {
                    foldBehind(node);
                }
            } else {
                foldBefore(node);
            }
        });
        return mRewriter.finish();
    }

private:
    static bool isUsable(const Value* value) {
        if (value == nullptr || value->constant() == nullptr) {
            return false;
        }
        const DataType type = value->type().dtype;
        return type == DataType::kF32 || type == DataType::kF64 || type == DataType::kF16 || type == DataType::kBF16;
    }

    // Only `reader` sees the value, so that it may change.
    static bool mayChange(const Value& value) { return isPrivate(value) && !value.quantization(); }

    // --- Linear nodes ----------------------------------------------------------------------------------------------------

    std::optional<Linear> linearOf(Node* node) const {
        Linear linear;
        linear.node = node;
        if (node == nullptr || node->settings().debugOutput) {
            return std::nullopt;
        }
        if (node->op() == "conv") {
            linear.kind = Linear::Kind::kConv;
        } else if (node->op() == "deconv") {
            linear.kind = Linear::Kind::kDeconv;
        } else if (node->op() == "matmul") {
            linear.kind = Linear::Kind::kMatmul;
        } else {
            return std::nullopt;
        }
        const bool isMatmul = linear.kind == Linear::Kind::kMatmul;
        const Value* const weights = node->input(1);
        if (!isUsable(weights) || isUsable(node->input(0)) ||
            (node->input(2) != nullptr && !isUsable(node->input(2)))) {
            return std::nullopt;
        }
        linear.weights = weights->constant()->dims;
        linear.groups = node->attributes().intOr("group", 1);
        linear.transposed = node->attributes().intOr("trans_b", 0) != 0;
        if (linear.weights.size() < 2 || (isMatmul && linear.weights.size() != 2) || linear.groups < 1) {
            return std::nullopt;
        }
        const int64_t first = linear.weights[0];
        const int64_t second = linear.weights[1];
        switch (linear.kind) {
        case Linear::Kind::kConv:
            linear.outputs = first;
            linear.inputs = second * linear.groups;
            break;
        case Linear::Kind::kDeconv:
            linear.outputs = second * linear.groups;
            linear.inputs = first;
            break;
        case Linear::Kind::kMatmul:
            linear.outputs = linear.transposed ? first : second;
            linear.inputs = linear.transposed ? second : first;
            break;
        }
        return linear;
    }

    // How a constant broadcasts against a tensor with `channels` in dimension `axis`.
    static Fit fitOf(const Value& constant, const ir::TensorType& type, int64_t axis, int64_t channels) {
        const std::vector<int64_t>& dims = constant.constant()->dims;
        if (!type.ranked || dims.size() > type.dims.size() || constant.type().dtype != type.dtype || axis < 0) {
            return Fit::kNone;
        }
        Fit fit = Fit::kOne;
        for (size_t i = 0; i < dims.size(); ++i) {
            const auto at = static_cast<int64_t>(type.dims.size() - dims.size() + i);
            if (dims[i] == 1) {
                continue;
            }
            if (at != axis || dims[i] != channels) {
                return Fit::kNone;
            }
            fit = Fit::kPerChannel;
        }
        return fit;
    }

    // --- Making nodes ----------------------------------------------------------------------------------------------------

    // 16-bit numbers are computed with as f32.
    Value* wide(Node& at, Value* value) {
        const DataType type = value->type().dtype;
        return type == DataType::kF16 || type == DataType::kBF16 ? cast(at, value, DataType::kF32) : value;
    }

    Value* cast(Node& at, Value* value, DataType type) {
        if (value == nullptr || value->type().dtype == type) {
            return value;
        }
        ir::AttributeMap attributes;
        attributes.set("to", type);
        return mRewriter.make(at, "cast", {value}, std::move(attributes));
    }

    Value* binary(Node& at, const char* op, Value* a, Value* b) { return mRewriter.make(at, op, {a, b}); }

    Value* reshape(Node& at, Value* value, const std::vector<int64_t>& dims) {
        if (value == nullptr || staticDims(mRewriter.pool(), value->type()) == dims) {
            return value;
        }
        ir::AttributeMap attributes;
        attributes.set("shape", dimListOf(mRewriter.pool(), dims));
        attributes.set("allow_zero", int64_t{1});
        return mRewriter.make(at, "reshape", {value}, std::move(attributes));
    }

    static std::vector<int64_t> ones(size_t rank) { return std::vector<int64_t>(rank, 1); }

    // The weights with groups as a dimension of their own where there are several; `outer` and `inner` are the extents of the two channel
    // dimensions in a constant that is to broadcast against it (one of them is 1).
    struct GroupedView {
        std::vector<int64_t> weights;
        std::vector<int64_t> factor;
    };
    static GroupedView groupedView(const Linear& linear, bool byOutput, Fit fit) {
        GroupedView view;
        const int64_t g = linear.groups;
        if (linear.kind == Linear::Kind::kMatmul) {
            view.weights = linear.weights;
            view.factor = ones(2);
            const bool alongFirst = byOutput == linear.transposed;
            view.factor[alongFirst ? 0 : 1] = byOutput ? linear.outputs : linear.inputs;
        } else {
            // conv: [g, M/g, C/g, k...]; deconv: [g, C/g, M/g, k...].
            view.weights = {g, linear.weights[0] / g, linear.weights[1]};
            view.weights.insert(view.weights.end(), linear.weights.begin() + 2, linear.weights.end());
            view.factor = ones(view.weights.size());
            const bool alongFirst = byOutput == (linear.kind == Linear::Kind::kConv);
            view.factor[0] = g;
            view.factor[alongFirst ? 1 : 2] = view.weights[alongFirst ? 1 : 2];
            if (g == 1) {
                view.weights.erase(view.weights.begin());
                view.factor.erase(view.factor.begin());
            }
        }
        if (fit == Fit::kOne) {
            view.factor = ones(view.factor.size());
        }
        return view;
    }

    // weights * c, c per output or input channel; in the wide type and the grouped shape.
    Value* scaledWeights(const Linear& linear, Value* c, Fit fit, bool byOutput) {
        const GroupedView view = groupedView(linear, byOutput, fit);
        Node& at = *linear.node;
        Value* const weights = reshape(at, wide(at, at.input(1)), view.weights);
        return binary(at, "binary.mul", weights, reshape(at, wide(at, c), view.factor));
    }

    void setWeights(const Linear& linear, Value* scaled) {
        Node& at = *linear.node;
        Value* const made = cast(at, reshape(at, scaled, linear.weights), at.input(1)->type().dtype);
        if (made != nullptr) {
            mRewriter.setInput(at, 1, made);
        }
    }

    // `node` disappears: its reader sees the linear node, which takes over where it came from.
    void absorb(const Linear& linear, Node& node) {
        mRewriter.replace(node, linear.node->output(0));
        mRewriter.inferAgain(*linear.node);
    }

    // --- The rules -------------------------------------------------------------------------------------------------------

    void openBatchNorm(Node& node) {
        Value* const x = node.input(0);
        for (size_t i = 1; i < 5; ++i) {
            if (!isUsable(node.input(i))) {
                return;
            }
        }
        if (x->type().rank() < 2 || isUsable(x)) {
            return;
        }
        const DataType type = x->type().dtype;
        Value* const scale = wide(node, node.input(1));
        Value* const bias = wide(node, node.input(2));
        Value* const mean = wide(node, node.input(3));
        Value* const variance = wide(node, node.input(4));
        const auto epsilon = static_cast<float>(node.attributes().floatOr("epsilon", 1e-5));
        Value* epsilonValue = mRewriter.makeConstant(node, ir::makeConstantF32({1}, {epsilon}));
        epsilonValue = cast(node, epsilonValue, variance->type().dtype);
        Value* const deviation =
            mRewriter.make(node, "unary.sqrt", {binary(node, "binary.add", variance, epsilonValue)});
        Value* const factor = binary(node, "binary.div", scale, deviation);
        Value* const shift = binary(node, "binary.sub", bias, binary(node, "binary.mul", mean, factor));
        std::vector<int64_t> dims = ones(static_cast<size_t>(x->type().rank() - 1));
        dims[0] = node.input(1)->constant()->elements();
        Value* const product = binary(node, "binary.mul", x, cast(node, reshape(node, factor, dims), type));
        Value* const sum = cast(node, reshape(node, shift, dims), type);
        mRewriter.replace(node, mRewriter.makeInstead(node, "binary.add", {product, sum}));
    }

    void foldBehind(Node& node) {
        Value* const y = node.input(0);
        Value* const c = node.input(1);
        if (!mayChange(*y) || y->producer() == nullptr ||
            !sameShape(mRewriter.pool(), y->type(), node.output(0)->type())) {
            return;
        }
        if (isOp(y, "binary.add") && isUsable(y->producer()->input(1))) {
            foldBehindShift(node, *y->producer());
            return;
        }
        const auto linear = linearOf(y->producer());
        if (!linear) {
            return;
        }
        const bool isMatmul = linear->kind == Linear::Kind::kMatmul;
        const Fit fit = fitOf(*c, y->type(), isMatmul ? y->type().rank() - 1 : 1, linear->outputs);
        if (fit == Fit::kNone || (isMatmul && node.op() == "binary.add")) {
            return;
        }
        mRewriter.editor().addSource(linear->node, node.source());
        if (node.op() == "binary.mul") {
            Node& at = *linear->node;
            setWeights(*linear, scaledWeights(*linear, c, fit, true));
            if (at.input(2) != nullptr) {
                Value* const factor = reshape(at, wide(at, c), {fit == Fit::kOne ? 1 : linear->outputs});
                setBias(*linear, binary(at, "binary.mul", wide(at, at.input(2)), factor));
            }
        } else {
            addToBias(*linear, c, fit);
        }
        absorb(*linear, node);
    }

    // (linear + b) op c
    void foldBehindShift(Node& node, Node& shift) {
        Value* const inner = shift.input(0);
        if (isUsable(inner) || inner->producer() == nullptr || !mayChange(*inner) || !linearOf(inner->producer()) ||
            !sameShape(mRewriter.pool(), inner->type(), shift.output(0)->type())) {
            return;
        }
        Value* const b = wide(node, shift.input(1));
        Value* const c = wide(node, node.input(1));
        const DataType type = inner->type().dtype;
        mRewriter.editor().addSource(&node, shift.source());
        const bool scales = node.op() == "binary.mul";
        Value* const scaled = scales ? binary(node, "binary.mul", inner, node.input(1)) : inner;
        Value* const sum = cast(node, binary(node, scales ? "binary.mul" : "binary.add", b, c), type);
        mRewriter.replace(node, mRewriter.makeInstead(node, "binary.add", {scaled, sum}));
    }

    void setBias(const Linear& linear, Value* bias) {
        Node& at = *linear.node;
        Value* const made = cast(at, bias, at.input(1)->type().dtype);
        if (made != nullptr) {
            mRewriter.setInput(at, 2, made);
        }
    }

    // bias + c, where there may be no bias yet; c as wide as fit says.
    void addToBias(const Linear& linear, Value* c, Fit fit) {
        Node& at = *linear.node;
        Value* const vector = reshape(at, wide(at, c), {fit == Fit::kOne ? 1 : linear.outputs});
        if (at.input(2) != nullptr) {
            setBias(linear, binary(at, "binary.add", wide(at, at.input(2)), vector));
            return;
        }
        if (fit == Fit::kPerChannel || linear.outputs == 1) {
            setBias(linear, vector);
            return;
        }
        ir::AttributeMap attributes;
        attributes.set("shape", dimListOf(mRewriter.pool(), {linear.outputs}));
        setBias(linear, mRewriter.make(at, "expand", {vector}, std::move(attributes)));
    }

    void foldBefore(Node& node) {
        const auto linear = linearOf(&node);
        if (!linear) {
            return;
        }
        Value* const x = node.input(0);
        const bool scales = isOp(x, "binary.mul");
        const bool shifts = isOp(x, "binary.add") && linear->kind == Linear::Kind::kConv && isUnpadded(node);
        if ((!scales && !shifts) || !mayChange(*x) || x->producer()->settings().debugOutput) {
            return;
        }
        Node& before = *x->producer();
        Value* const inner = before.input(0);
        Value* const c = before.input(1);
        if (!isUsable(c) || isUsable(inner) || !sameShape(mRewriter.pool(), inner->type(), x->type())) {
            return;
        }
        const bool isMatmul = linear->kind == Linear::Kind::kMatmul;
        int64_t axis = isMatmul ? x->type().rank() - 1 : 1;
        if (isMatmul && node.attributes().intOr("trans_a", 0) != 0) {
            axis = x->type().rank() - 2;
        }
        const Fit fit = fitOf(*c, x->type(), axis, linear->inputs);
        if (fit == Fit::kNone) {
            return;
        }
        mRewriter.editor().addSource(&node, before.source());
        Value* const scaled = scaledWeights(*linear, c, fit, false);
        if (scales) {
            setWeights(*linear, scaled);
        } else {
            // Every output sees every element of the window, so c adds the same number everywhere.
            std::vector<int64_t> axes(linear->spatial() + 1);
            std::iota(axes.begin(), axes.end(), linear->groups == 1 ? 1 : 2);
            ir::AttributeMap attributes;
            attributes.set("axes", std::move(axes));
            attributes.set("keep_dims", int64_t{0});
            Value* const sums = mRewriter.make(node, "reduce.sum", {scaled}, std::move(attributes));
            addWide(*linear, reshape(node, sums, {linear->outputs}));
        }
        mRewriter.setInput(node, 0, inner);
    }

    void addWide(const Linear& linear, Value* sums) {
        Node& at = *linear.node;
        setBias(linear, at.input(2) != nullptr ? binary(at, "binary.add", wide(at, at.input(2)), sums) : sums);
    }

    static bool isUnpadded(const Node& node) {
        const std::string mode = node.attributes().stringOr("auto_pad", "explicit");
        const std::vector<int64_t> pads = node.attributes().intsOr("pads", {});
        return mode == "valid" ||
               (mode == "explicit" && std::all_of(pads.begin(), pads.end(), [](int64_t pad) { return pad == 0; }));
    }

    PassContext& mContext;
    Rewriter mRewriter;
};

} // namespace

support::Result<bool> foldBatchNorm(PassContext& context) {
    // The next step of a chain (batch_norm behind a convolution) waits for constant_fold: the pipeline goes round until nothing changes.
    return Folder(context).run();
}

} // namespace tenon::passes
