// canonicalize: one spelling for each thing, so that later passes, patterns and kernels meet fewer forms.
//
//   axes are non-negative; attributes at their defaults are left out; the permutation of a transpose and the axes of a reduction are given
//   flatten, squeeze, unsqueeze and reshape are reshapes to explicit extents
//   tile, concat and gather that repeat elements side by side are an expand (canonicalize_repeat.h)
//   constants are the right operand of commutative ops and comparisons
//   auto_pad is explicit padding where the extents that decide it are known (canonicalize_window.h)
//   x - c is x + (-c), x / c is x * (1 / c) where that is exact, 1 / x is the reciprocal; x^2 is x * x,
//   x^0.5 and x^-0.5 are roots
//   an average over the whole image is a mean, and reductions of one kind one after the other are one
//   identity and what amounts to it disappears: x * 1, x / 1, x - 0, x^1, concat of one, a clip without bounds
#include "core/passes/canonicalize_reduce.h"
#include "core/passes/canonicalize_repeat.h"
#include "core/passes/canonicalize_window.h"
#include "core/passes/rewriter.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>

namespace tenon::passes {

namespace {

using ir::Node;
using ir::Value;

class Canonicalizer {
public:
    explicit Canonicalizer(PassContext& context) : mContext(context), mRewriter(context) {}

    support::Result<bool> run() {
        mRewriter.forEachNode([this](Node& node) {
            const int32_t id = node.id();
            if (node.op() == "const" || node.settings().debugOutput) {
                return;
            }
            normaliseAxes(node);
            spellOut(node);
            explicitPadding(mRewriter, node);
            if (orderOperands(node) || viewAsReshape(node) || repeatAsExpand(mRewriter, node) || removeTrivial(node) ||
                simplerArithmetic(node) || wholeAverage(mRewriter, node) || joinReductions(mRewriter, node)) {
                return;
            }
            if (mContext.graph.nodeOf(id) != nullptr) {
                dropDefaults(node);
                dropListDefaults(node);
            }
        });
        return mRewriter.finish();
    }

private:
    // --- Attributes ------------------------------------------------------------------------------------------------------

    // The rank that axes of the node count in; -1 if it is not known.
    static int32_t axisRank(const Node& node) {
        const bool ofOutput = node.op() == "unsqueeze" || node.op() == "one_hot";
        const Value* const value = ofOutput ? node.output(0) : node.input(0);
        return value != nullptr ? value->type().rank() : -1;
    }

    void normaliseAxes(Node& node) {
        const int32_t rank = axisRank(node);
        // What an axis of a module's op counts is for the module to say.
        if (rank < 0 || ops::OpRegistry::builtin().find(node.op()) == nullptr) {
            return;
        }
        if (const auto* const axis = node.attributes().get<int64_t>("axis"); axis != nullptr && *axis < 0) {
            mRewriter.setAttribute(node, "axis", *axis + rank);
        }
        if (const auto* const axes = node.attributes().get<std::vector<int64_t>>("axes")) {
            std::vector<int64_t> normal = *axes;
            for (int64_t& axis : normal) {
                axis += axis < 0 ? rank : 0;
            }
            if (isReduction(node)) {
                std::sort(normal.begin(), normal.end());
            }
            mRewriter.setAttribute(node, "axes", std::move(normal));
        }
        // A negative default is spelled out, so that an axis is either non-negative or 0.
        const ops::OpDef* const def = mRewriter.def(node);
        const ops::AttributeSpec* const spec = def != nullptr ? def->attribute("axis") : nullptr;
        const auto* const fallback =
            spec != nullptr && spec->fallback ? std::get_if<int64_t>(&*spec->fallback) : nullptr;
        if (fallback != nullptr && *fallback < 0 && !node.attributes().has("axis") && *fallback + rank >= 0) {
            mRewriter.setAttribute(node, "axis", *fallback + rank);
        }
    }

    static bool isReduction(const Node& node) { return node.op().compare(0, 7, "reduce.") == 0; }

    void spellOut(Node& node) {
        const int32_t rank = node.input(0) != nullptr ? node.input(0)->type().rank() : -1;
        if (rank < 0) {
            return;
        }
        std::vector<int64_t> all(static_cast<size_t>(rank));
        std::iota(all.begin(), all.end(), 0);
        if (node.op() == "transpose" && !node.attributes().has("perm")) {
            mRewriter.setAttribute(node, "perm", std::vector<int64_t>(all.rbegin(), all.rend()));
        }
        if (isReduction(node) && node.input(1) == nullptr && node.attributes().intsOr("axes", {}).empty() && rank > 0 &&
            node.attributes().intOr("noop_with_empty_axes", 0) == 0) {
            mRewriter.setAttribute(node, "axes", std::move(all));
        }
        if (isReduction(node) && !node.attributes().intsOr("axes", {}).empty()) {
            mRewriter.eraseAttribute(node, "noop_with_empty_axes");
        }
    }

    void dropDefaults(Node& node) {
        const ops::OpDef* const def = mRewriter.def(node);
        if (def == nullptr) {
            return;
        }
        for (const ops::AttributeSpec& spec : def->attributes) {
            const ir::AttributeValue* const value = node.attributes().find(spec.name);
            const bool isNegativeAxis = spec.name == "axis" && spec.fallback == ir::AttributeValue(int64_t{-1});
            if (value != nullptr && spec.fallback && !isNegativeAxis && sameMeaning(*value, *spec.fallback)) {
                mRewriter.eraseAttribute(node, spec.name);
            }
        }
    }

    // Lists that say of every dimension what their absence says.
    void dropListDefaults(Node& node) {
        const bool slides = node.op() == "conv" || node.op() == "deconv" || node.op().compare(0, 5, "pool.") == 0;
        if (node.op() == "slice" && node.input(4) == nullptr) {
            const std::vector<int64_t> steps = node.attributes().intsOr("steps", {});
            if (std::all_of(steps.begin(), steps.end(), [](int64_t step) { return step == 1; })) {
                mRewriter.eraseAttribute(node, "steps");
            }
        }
        if (!slides || ops::OpRegistry::builtin().find(node.op()) == nullptr) {
            return;
        }
        static constexpr std::array<std::pair<const char*, int64_t>, 3> kDefaults{
            {{"strides", 1}, {"dilations", 1}, {"pads", 0}}};
        for (const auto& [name, fallback] : kDefaults) {
            const std::vector<int64_t> values = node.attributes().intsOr(name, {});
            if (std::all_of(values.begin(), values.end(), [value = fallback](int64_t each) { return each == value; })) {
                mRewriter.eraseAttribute(node, name);
            }
        }
    }

    static bool sameMeaning(const ir::AttributeValue& a, const ir::AttributeValue& b) {
        if (a.index() == b.index()) {
            return a == b;
        }
        const auto* const integer = std::get_if<int64_t>(&a);
        const auto* const number = std::get_if<double>(&b);
        return integer != nullptr && number != nullptr && static_cast<double>(*integer) == *number;
    }

    // --- Operands --------------------------------------------------------------------------------------------------------

    bool orderOperands(Node& node) {
        if (node.inputs().size() != 2 || node.input(0) == nullptr || node.input(1) == nullptr ||
            node.input(0)->constant() == nullptr || node.input(1)->constant() != nullptr) {
            return false;
        }
        const ops::OpDef* const def = mRewriter.def(node);
        if (def != nullptr && def->commutative) {
            Value* const constant = node.input(0);
            mRewriter.editor().setInput(&node, 0, node.input(1));
            mRewriter.editor().setInput(&node, 1, constant);
            mRewriter.markChanged();
            return false; // what follows may apply as well
        }
        static constexpr std::array<std::pair<const char*, const char*>, 4> kMirrored{{
            {"binary.less", "binary.greater"},
            {"binary.greater", "binary.less"},
            {"binary.less_equal", "binary.greater_equal"},
            {"binary.greater_equal", "binary.less_equal"},
        }};
        for (const auto& [op, mirror] : kMirrored) {
            if (node.op() == op) {
                mRewriter.replace(node, mRewriter.makeInstead(node, mirror, {node.input(1), node.input(0)}));
                return true;
            }
        }
        return false;
    }

    // --- Views -----------------------------------------------------------------------------------------------------------

    bool viewAsReshape(Node& node) {
        const bool isOther = node.op() == "flatten" || node.op() == "squeeze" || node.op() == "unsqueeze";
        if (!isOther && node.op() != "reshape") {
            return false;
        }
        const ir::TensorType& type = node.output(0)->type();
        if (!isExplicitShape(mRewriter.pool(), type) || node.input(1) != nullptr) {
            return false;
        }
        if (!isOther) {
            mRewriter.setAttribute(node, "shape", ir::DimList{type.dims});
            mRewriter.setAttribute(node, "allow_zero", int64_t{1});
            return false;
        }
        ir::AttributeMap attributes;
        attributes.set("shape", ir::DimList{type.dims});
        attributes.set("allow_zero", int64_t{1});
        mRewriter.replace(node, mRewriter.makeInstead(node, "reshape", {node.input(0)}, std::move(attributes)));
        return true;
    }

    // --- What does nothing -----------------------------------------------------------------------------------------------

    bool replaceByInput(Node& node) {
        mRewriter.replace(node, node.input(0));
        return true;
    }

    bool removeTrivial(Node& node) {
        const Value* const x = node.input(0);
        if (x == nullptr || node.outputs().size() != 1) {
            return false;
        }
        const std::string& op = node.op();
        const bool alone = node.inputs().size() == 1;
        if ((op == "identity" && alone) || (op == "concat" && alone) || (op == "split" && alone)) {
            return replaceByInput(node);
        }
        if (op == "activation.clip" && node.attributes().floatOr("min", -INFINITY) == -INFINITY &&
            node.attributes().floatOr("max", INFINITY) == INFINITY) {
            return replaceByInput(node);
        }
        if (op == "transpose" && isIdentity(node.attributes().intsOr("perm", {})) && x->type().rank() > 0) {
            return replaceByInput(node);
        }
        if (node.inputs().size() != 2 || !sameShape(mRewriter.pool(), x->type(), node.output(0)->type()) ||
            x->type().dtype != node.output(0)->type().dtype) {
            return false;
        }
        const auto c = splatOf(node.input(1));
        if (!c) {
            return false;
        }
        const bool isInteger = ir::isInteger(x->type().dtype);
        const bool isZero = *c == 0 && !std::signbit(*c);
        // x + 0 turns -0 into 0; x - 0 and x + (-0) do not.
        if ((*c == 1 && (op == "binary.mul" || op == "binary.div" || op == "binary.pow")) ||
            (isZero && op == "binary.sub") || (*c == 0 && op == "binary.add" && (isInteger || std::signbit(*c)))) {
            return replaceByInput(node);
        }
        return false;
    }

    static bool isIdentity(const std::vector<int64_t>& perm) {
        for (size_t i = 0; i < perm.size(); ++i) {
            if (perm[i] != static_cast<int64_t>(i)) {
                return false;
            }
        }
        return true;
    }

    // --- Arithmetic ------------------------------------------------------------------------------------------------------

    // 1 / x
    bool asReciprocal(Node& node) {
        Value* const x = node.op() == "binary.div" ? node.input(1) : nullptr;
        const auto one = x != nullptr ? splatOf(node.input(0)) : std::nullopt;
        if (!one || *one != 1 || x->constant() != nullptr || !ir::isFloat(x->type().dtype) ||
            !sameShape(mRewriter.pool(), x->type(), node.output(0)->type())) {
            return false;
        }
        mRewriter.replace(node, mRewriter.makeInstead(node, "unary.recip", {x}));
        return true;
    }

    bool simplerArithmetic(Node& node) {
        if (asReciprocal(node)) {
            return true;
        }
        if (node.inputs().size() != 2 || node.input(0) == nullptr || node.input(1) == nullptr ||
            node.input(1)->constant() == nullptr || node.input(0)->constant() != nullptr) {
            return false;
        }
        Value* const x = node.input(0);
        Value* const c = node.input(1);
        if (node.op() == "binary.pow" && splatOf(c) == 2.0 &&
            sameShape(mRewriter.pool(), x->type(), node.output(0)->type())) {
            mRewriter.replace(node, mRewriter.makeInstead(node, "binary.mul", {x, x}));
            return true;
        }
        const char* const root = splatOf(c) == 0.5 ? "unary.sqrt" : splatOf(c) == -0.5 ? "unary.rsqrt" : nullptr;
        if (node.op() == "binary.pow" && root != nullptr && ir::isFloat(x->type().dtype) &&
            sameShape(mRewriter.pool(), x->type(), node.output(0)->type())) {
            mRewriter.replace(node, mRewriter.makeInstead(node, root, {x}));
            return true;
        }
        // Without an evaluator the new constant would be computed at every run.
        if (mContext.evaluator == nullptr || !ir::isFloat(c->type().dtype)) {
            return false;
        }
        if (node.op() == "binary.sub") {
            Value* const negated = mRewriter.make(node, "unary.neg", {c});
            mRewriter.replace(node, mRewriter.makeInstead(node, "binary.add", {x, negated}));
            return true;
        }
        if (node.op() == "binary.div" && hasExactReciprocal(*c->constant())) {
            Value* const reciprocal = mRewriter.make(node, "unary.recip", {c});
            mRewriter.replace(node, mRewriter.makeInstead(node, "binary.mul", {x, reciprocal}));
            return true;
        }
        return false;
    }

    // All elements are powers of two whose reciprocals are normal numbers of the type.
    static bool hasExactReciprocal(const ir::Constant& constant) {
        const int limit = constant.dtype == ir::DataType::kF16 ? 14 : 120;
        if (ir::bitsOf(constant.dtype) < 16 || constant.elements() == 0) {
            return false;
        }
        for (int64_t i = 0; i < constant.elements(); ++i) {
            int exponent = 0;
            const double mantissa = std::frexp(constant.numberAt(i), &exponent);
            if (std::fabs(mantissa) != 0.5 || std::abs(exponent) > limit) {
                return false;
            }
        }
        return true;
    }

    PassContext& mContext;
    Rewriter mRewriter;
};

} // namespace

support::Result<bool> canonicalize(PassContext& context) { return Canonicalizer(context).run(); }

} // namespace tenon::passes
