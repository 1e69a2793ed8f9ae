#include "core/passes/canonicalize_repeat.h"

#include <algorithm>

namespace tenon::passes {

using ir::DimExpr;
using ir::Node;
using ir::Value;

namespace {

ir::AttributeMap shapeOf(std::vector<DimExpr> dims, bool isReshape) {
    ir::AttributeMap attributes;
    attributes.set("shape", ir::DimList{std::move(dims)});
    if (isReshape) {
        attributes.set("allow_zero", int64_t{1});
    }
    return attributes;
}

bool isOne(const ir::ExprPool& pool, DimExpr extent) {
    return pool.isConstant(extent) && pool.constantValue(extent) == 1;
}

// The node repeats extents of 1 only.
bool repeatsUnits(const ir::ExprPool& pool, const Node& node) {
    const ir::TensorType& from = node.input(0)->type();
    const ir::TensorType& to = node.output(0)->type();
    if (from.rank() != to.rank()) {
        return false;
    }
    for (size_t i = 0; i < to.dims.size(); ++i) {
        if (!isOne(pool, from.dims[i]) && !pool.provablyEqual(from.dims[i], to.dims[i])) {
            return false;
        }
    }
    return true;
}

// How often each index comes, if all come one after the other and equally often.
int64_t repetitionsOf(const ir::Constant& indices, int64_t extent) {
    const int64_t count = indices.elements();
    if (indices.dims.size() != 1 || extent < 1 || count % extent != 0) {
        return 1;
    }
    const int64_t times = count / extent;
    for (int64_t i = 0; i < count; ++i) {
        const int64_t wanted = i / times;
        if (indices.numberAt(i) != static_cast<double>(wanted)) {
            return 1;
        }
    }
    return times;
}

bool gatherAsExpand(Rewriter& rewriter, Node& node) {
    ir::ExprPool& pool = rewriter.pool();
    const ir::ConstantPtr indices = node.input(1)->constant();
    const std::vector<DimExpr>& from = node.input(0)->type().dims;
    int64_t axis = node.attributes().intOr("axis", 0);
    axis += axis < 0 ? static_cast<int64_t>(from.size()) : 0;
    if (indices == nullptr || node.input(0)->constant() != nullptr || axis < 0 ||
        axis >= static_cast<int64_t>(from.size()) || !pool.isConstant(from[static_cast<size_t>(axis)])) {
        return false;
    }
    const int64_t times = repetitionsOf(*indices, pool.constantValue(from[static_cast<size_t>(axis)]));
    if (times < 2) {
        return false;
    }
    std::vector<DimExpr> apart = from;
    apart.insert(apart.begin() + axis + 1, pool.constant(1));
    std::vector<DimExpr> repeated = apart;
    repeated[static_cast<size_t>(axis) + 1] = pool.constant(times);
    Value* value = rewriter.make(node, "reshape", {node.input(0)}, shapeOf(apart, true));
    value = value != nullptr ? rewriter.make(node, "expand", {value}, shapeOf(repeated, false)) : nullptr;
    if (value != nullptr) {
        rewriter.replace(node,
                         rewriter.makeInstead(node, "reshape", {value}, shapeOf(node.output(0)->type().dims, true)));
    }
    return true;
}

} // namespace

bool repeatAsExpand(Rewriter& rewriter, Node& node) {
    const bool isTile = node.op() == "tile" && node.inputs().size() == 1;
    const bool isConcat = node.op() == "concat" && node.inputs().size() > 1;
    const bool isGather = node.op() == "gather" && node.inputs().size() == 2;
    if ((!isTile && !isConcat && !isGather) || node.output(0)->quantization() ||
        !isExplicitShape(rewriter.pool(), node.input(0)->type()) ||
        !isExplicitShape(rewriter.pool(), node.output(0)->type())) {
        return false;
    }
    if (isGather) {
        return gatherAsExpand(rewriter, node);
    }
    if (!repeatsUnits(rewriter.pool(), node) || node.input(0)->constant() != nullptr ||
        std::any_of(node.inputs().begin(), node.inputs().end(),
                    [&](const Value* each) { return each != node.input(0); })) {
        return false;
    }
    rewriter.replace(
        node, rewriter.makeInstead(node, "expand", {node.input(0)}, shapeOf(node.output(0)->type().dims, false)));
    return true;
}

} // namespace tenon::passes
