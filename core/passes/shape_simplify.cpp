// shape_simplify: movements and casts that change nothing disappear.
//
//   expand, tile, slice, pad and resize to the shape that the input has, cast to the type that it has
//   cast(cast(x)) is one cast where the first one loses nothing
//   an expand that feeds an op which broadcasts anyway
//   a where whose condition is one constant
//   extents that are those of the graph's inputs are read there, so that what has them too has one reader less
#include "core/passes/rewriter.h"

#include <algorithm>
#include <cmath>

namespace tenon::passes {

namespace {

using ir::DataType;
using ir::DimExpr;
using ir::Node;
using ir::Value;

class Simplifier {
public:
    explicit Simplifier(PassContext& context) : mContext(context), mRewriter(context) {}

    support::Result<bool> run() {
        mRewriter.forEachNode([this](Node& node) {
            if (node.op() == "const" || node.settings().debugOutput || node.outputs().empty()) {
                return;
            }
            if (removeIdle(node) || mergeCasts(node) || chooseBranch(node) || readInputs(node)) {
                return;
            }
            skipExpansions(node);
        });
        return mRewriter.finish();
    }

private:
    bool keepsType(const Node& node) const {
        const Value* const x = node.input(0);
        return x != nullptr && node.outputs().size() == 1 && x->type().kind == ir::ValueKind::kTensor &&
               x->type().dtype == node.output(0)->type().dtype &&
               sameShape(mRewriter.pool(), x->type(), node.output(0)->type());
    }

    // A node whose output has the type of its input and, because of that, its elements.
    bool removeIdle(Node& node) {
        if (node.op() == "cast") {
            const Value* const x = node.input(0);
            if (x->type().dtype != node.output(0)->type().dtype) {
                return false;
            }
        } else if (!keepsType(node) || !(node.op() == "expand" || node.op() == "tile" || isWholeSlice(node) ||
                                         isZeroPad(node) || isIdleResize(node))) {
            return false;
        }
        mRewriter.replace(node, node.input(0));
        return true;
    }

    static bool allOnes(const std::vector<int64_t>& values) {
        return std::all_of(values.begin(), values.end(), [](int64_t value) { return value == 1; });
    }

    // As many elements as there are, one after the other, and none from outside: all of them. An operand may hide a step.
    static bool isWholeSlice(const Node& node) {
        const std::string mode = node.attributes().stringOr("mode", "strict");
        return node.op() == "slice" && node.inputs().size() == 1 && allOnes(node.attributes().intsOr("steps", {})) &&
               (mode == "strict" || node.attributes().has("ends"));
    }

    bool isZeroPad(const Node& node) const {
        const auto* const list = node.attributes().get<ir::DimList>("pads");
        const auto* const integers = node.attributes().get<std::vector<int64_t>>("pads");
        if (node.op() != "pad" || (list == nullptr && integers == nullptr)) {
            return false;
        }
        return list != nullptr
                   ? std::all_of(list->dims.begin(), list->dims.end(),
                                 [this](DimExpr count) {
                                     return mRewriter.pool().isConstant(count) &&
                                            mRewriter.pool().constantValue(count) == 0;
                                 })
                   : std::all_of(integers->begin(), integers->end(), [](int64_t count) { return count == 0; });
    }

    // To the extents that it has: every coordinate rule maps a position to itself then, except a cut-out; so do all scales of 1.
    static bool isIdleResize(const Node& node) {
        const std::vector<double>* const scales = node.attributes().get<std::vector<double>>("scales");
        return node.op() == "resize" && node.inputs().size() == 1 &&
               node.attributes().stringOr("coordinate", "half_pixel") != "tf_crop_and_resize" &&
               (scales == nullptr ||
                std::all_of(scales->begin(), scales->end(), [](double scale) { return scale == 1; }));
    }

    // --- Casts -----------------------------------------------------------------------------------------------------------

    // Every value of `from` is one of `to`.
    static bool isLossless(DataType from, DataType to) {
        const auto bits = [](DataType type) { return ir::bitsOf(type); };
        if (from == DataType::kBool) {
            return ir::isInteger(to) || ir::isFloat(to);
        }
        if (ir::isFloat(from) && ir::isFloat(to)) {
            const bool widens = (to == DataType::kF64 && from != DataType::kF64) ||
                                (to == DataType::kF32 && bits(from) < 32) ||
                                (to == DataType::kF16 && bits(from) < 16 && from != DataType::kF8E8M0);
            return widens || from == to;
        }
        if (ir::isInteger(from) && ir::isInteger(to)) {
            const auto isSigned = [](DataType type) { return nameOf(type)[0] == 'i'; };
            return from == to || (bits(to) > bits(from) && (isSigned(to) || !isSigned(from)));
        }
        if (ir::isInteger(from) && ir::isFloat(to)) {
            return (to == DataType::kF64 && bits(from) <= 32) || (to == DataType::kF32 && bits(from) <= 16) ||
                   (to == DataType::kF16 && bits(from) <= 8);
        }
        return false;
    }

    bool mergeCasts(Node& node) {
        if (node.op() != "cast" || node.input(0)->producer() == nullptr || node.input(0)->producer()->op() != "cast") {
            return false;
        }
        const Node& inner = *node.input(0)->producer();
        Value* const x = inner.input(0);
        const DataType from = x->type().dtype;
        const DataType between = node.input(0)->type().dtype;
        const DataType to = node.output(0)->type().dtype;
        // Integers that do not fit wrap; floats that do not fit an integer are nobody's promise.
        const bool detours = ir::isInteger(from) && ir::isFloat(between) && ir::isInteger(to) && !isLossless(from, to);
        if (!isLossless(from, between) || detours || inner.settings().debugOutput) {
            return false;
        }
        mRewriter.replace(node, mRewriter.makeInstead(node, "cast", {x}, node.attributes()));
        return true;
    }

    bool chooseBranch(Node& node) {
        const auto condition = node.op() == "where" ? splatOf(node.input(0)) : std::nullopt;
        if (!condition) {
            return false;
        }
        Value* const chosen = node.input(*condition != 0 ? 1 : 2);
        if (!sameShape(mRewriter.pool(), chosen->type(), node.output(0)->type())) {
            return false;
        }
        mRewriter.replace(node, chosen);
        return true;
    }

    // --- Expansions ------------------------------------------------------------------------------------------------------

    // The extents that shapes broadcast to, where that can be told for every symbol value.
    std::optional<std::vector<DimExpr>> broadcast(const std::vector<const ir::TensorType*>& types) const {
        const ir::ExprPool& pool = mRewriter.pool();
        size_t rank = 0;
        for (const ir::TensorType* type : types) {
            if (!isFullyKnown(*type)) {
                return std::nullopt;
            }
            rank = std::max(rank, type->dims.size());
        }
        std::vector<DimExpr> dims(rank);
        for (const ir::TensorType* type : types) {
            for (size_t i = 0; i < type->dims.size(); ++i) {
                const DimExpr extent = type->dims[type->dims.size() - 1 - i];
                DimExpr& known = dims[rank - 1 - i];
                const bool isOne = pool.isConstant(extent) && pool.constantValue(extent) == 1;
                const bool wasOne = known.valid() && pool.isConstant(known) && pool.constantValue(known) == 1;
                if (!known.valid() || wasOne) {
                    known = extent;
                } else if (!isOne && !pool.provablyEqual(known, extent)) {
                    return std::nullopt;
                }
            }
        }
        return dims;
    }

    void skipExpansions(Node& node) {
        const ops::OpDef* const def = mRewriter.def(node);
        if (def == nullptr || !def->pointwise || node.inputs().size() < 2) {
            return;
        }
        for (size_t i = 0; i < node.inputs().size(); ++i) {
            const Node* const expand = node.input(i) != nullptr ? node.input(i)->producer() : nullptr;
            if (expand == nullptr || expand->op() != "expand" || expand->settings().debugOutput) {
                continue;
            }
            std::vector<const ir::TensorType*> types;
            for (size_t k = 0; k < node.inputs().size(); ++k) {
                const Value* const operand = k == i ? expand->input(0) : node.input(k);
                if (operand != nullptr) {
                    types.push_back(&operand->type());
                }
            }
            const auto dims = broadcast(types);
            const ir::TensorType& wanted = node.output(0)->type();
            // prelu broadcasts its slope only.
            const bool mayBroadcast = node.op() != "prelu" || i == 1;
            if (dims && mayBroadcast &&
                sameShape(mRewriter.pool(), ir::TensorType{wanted.kind, wanted.dtype, true, *dims}, wanted)) {
                mRewriter.setInput(node, i, expand->input(0));
            }
        }
    }

    // --- Extents ---------------------------------------------------------------------------------------------------------

    // The input of the graph and its dimension that the symbol stands for.
    std::optional<std::pair<Value*, int64_t>> inputWith(DimExpr extent) const {
        const ir::ExprNode& expr = mRewriter.pool().at(extent);
        if (expr.op != ir::ExprOp::kSymbol) {
            return std::nullopt;
        }
        const ir::Symbol& symbol = mRewriter.pool().symbols()[static_cast<size_t>(expr.value)];
        const std::vector<Value*>& inputs = mContext.graph.inputs();
        if (symbol.source != ir::SymbolSource::kInputDim || symbol.input < 0 ||
            static_cast<size_t>(symbol.input) >= inputs.size()) {
            return std::nullopt;
        }
        Value* const input = inputs[static_cast<size_t>(symbol.input)];
        const std::vector<DimExpr>& dims = input->type().dims;
        const auto dim = static_cast<size_t>(symbol.index);
        return dim < dims.size() && dims[dim] == extent ? std::optional(std::pair{input, int64_t{symbol.index}})
                                                        : std::nullopt;
    }

    // shape(x), where constants and extents of inputs tell it all
    bool readInputs(Node& node) {
        const Value* const x = node.op() == "shape" ? node.input(0) : nullptr;
        const auto& contents = node.output(0)->contents();
        if (x == nullptr || x->producer() == nullptr || x->producer()->op() == "const" || !contents ||
            contents->empty() || node.output(0)->uses().empty()) {
            return false;
        }
        for (const DimExpr extent : *contents) {
            if (!mRewriter.pool().isConstant(extent) && !inputWith(extent)) {
                return false;
            }
        }
        std::vector<Value*> parts;
        for (const DimExpr extent : *contents) {
            if (mRewriter.pool().isConstant(extent)) {
                parts.push_back(
                    mRewriter.makeConstant(node, ir::makeConstantI64({1}, {mRewriter.pool().constantValue(extent)})));
                continue;
            }
            const auto [input, dim] = *inputWith(extent);
            ir::AttributeMap attributes;
            attributes.set("start", dim);
            attributes.set("end", dim + 1);
            parts.push_back(mRewriter.make(node, "shape", {input}, std::move(attributes)));
        }
        if (std::find(parts.begin(), parts.end(), nullptr) != parts.end()) {
            return true;
        }
        ir::AttributeMap attributes;
        attributes.set("axis", int64_t{0});
        mRewriter.replace(
            node, parts.size() == 1 ? parts[0] : mRewriter.makeInstead(node, "concat", parts, std::move(attributes)));
        return true;
    }

    PassContext& mContext;
    Rewriter mRewriter;
};

} // namespace

support::Result<bool> shapeSimplify(PassContext& context) { return Simplifier(context).run(); }

} // namespace tenon::passes
