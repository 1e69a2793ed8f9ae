// recognise_norms: group normalisation that exporters write as another normalisation of a reshaped tensor becomes the op that it is.
//
//   reshape [N, C, ..] -> [N, G, ..], instance_norm with scale 1 and bias 0, or layer_norm of what is behind the groups, reshape back,
//   then * scale, + bias per channel, each if it is there
#include "core/passes/rewriter.h"

#include <algorithm>

namespace tenon::passes {

namespace {

using ir::Node;
using ir::Value;

class Recogniser {
public:
    explicit Recogniser(PassContext& context) : mRewriter(context) {}

    support::Result<bool> run() {
        mRewriter.forEachNode([this](Node& node) {
            if (isPlainNorm(node) && isInner(*node.output(0))) {
                recognise(node);
            }
        });
        return mRewriter.finish();
    }

private:
    static bool isReshape(const Node* node) {
        return node != nullptr && node->op() == "reshape" && node->input(1) == nullptr && !node->settings().debugOutput;
    }
    static bool isInner(const Value& value) { return isPrivate(value) && !value.quantization(); }

    // Of each [N, G] for itself, without scale and bias.
    static bool isPlainNorm(const Node& node) {
        return node.op() == "instance_norm"
                   ? splatOf(node.input(1)) == 1.0 && splatOf(node.input(2)) == 0.0
                   : node.op() == "layer_norm" && node.inputs().size() == 1 && node.attributes().intOr("axis", -1) == 2;
    }

    void recognise(Node& norm) {
        Node* const first = norm.input(0)->producer();
        Node* const last = norm.output(0)->uses()[0].node;
        if (!isReshape(first) || !isReshape(last)) {
            return;
        }
        Value* const x = first->input(0);
        const ir::TensorType& type = x->type();
        const ir::TensorType& grouped = first->output(0)->type();
        ir::ExprPool& pool = mRewriter.pool();
        if (type.rank() < 3 || grouped.rank() < 3 || !sameShape(pool, type, last->output(0)->type()) ||
            !pool.provablyEqual(type.dims[0], grouped.dims[0]) || !pool.isConstant(type.dims[1]) ||
            !pool.isConstant(grouped.dims[1]) || !ir::isFloat(type.dtype)) {
            return;
        }
        const int64_t channels = pool.constantValue(type.dims[1]);
        const int64_t groups = pool.constantValue(grouped.dims[1]);
        if (groups < 1 || channels % groups != 0) {
            return;
        }
        Node* end = last;
        Value* const scale = parameter(end, "binary.mul", channels);
        Value* const bias = parameter(end, "binary.add", channels);
        const auto flat = [&](Value* value, float otherwise) {
            if (value == nullptr) {
                Value* const all = mRewriter.makeConstant(
                    norm,
                    ir::makeConstantF32({channels}, std::vector<float>(static_cast<size_t>(channels), otherwise)));
                ir::AttributeMap to;
                to.set("to", type.dtype);
                return type.dtype == ir::DataType::kF32 ? all : mRewriter.make(norm, "cast", {all}, std::move(to));
            }
            ir::AttributeMap shape;
            shape.set("shape", dimListOf(pool, {channels}));
            shape.set("allow_zero", int64_t{1});
            return mRewriter.make(*end, "reshape", {value}, std::move(shape));
        };
        ir::AttributeMap attributes;
        attributes.set("groups", groups);
        attributes.set("epsilon", norm.attributes().floatOr("epsilon", 1e-5));
        const ir::SourceSet sources[] = {first->source(), norm.source(), last->source()};
        Value* const made =
            mRewriter.makeInstead(*end, "group_norm", {x, flat(scale, 1), flat(bias, 0)}, std::move(attributes));
        for (const ir::SourceSet& source : sources) {
            if (made != nullptr) {
                mRewriter.editor().addSource(made->producer(), source);
            }
        }
        mRewriter.replace(*end, made);
    }

    // The constant of one element per channel that alone follows with this op; `end` goes on to that node.
    Value* parameter(Node*& end, const char* op, int64_t channels) const {
        Value* const value = end->output(0);
        Node* const next = isInner(*value) ? value->uses()[0].node : nullptr;
        if (next == nullptr || next->op() != op || next->settings().debugOutput) {
            return nullptr;
        }
        Value* const other = next->input(next->input(0) == value ? 1 : 0);
        const ir::ConstantPtr constant = other->constant();
        const int32_t rank = value->type().rank();
        if (constant == nullptr || constant->elements() != channels || constant->dtype != value->type().dtype ||
            static_cast<int32_t>(constant->dims.size()) > rank) {
            return nullptr;
        }
        const auto axis = static_cast<int32_t>(constant->dims.size()) - rank + 1; // of the channels
        if (axis < 0 || constant->dims[static_cast<size_t>(axis)] != channels) {
            return nullptr;
        }
        end = next;
        return other;
    }

    Rewriter mRewriter;
};

} // namespace

support::Result<bool> recogniseNorms(PassContext& context) { return Recogniser(context).run(); }

} // namespace tenon::passes
