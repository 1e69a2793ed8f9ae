// shape_operands: an operand that defines a shape (axes of a reduction, shape of a reshape, starts of a slice) becomes the attribute that its
// definition names where its contents are known, constants or expressions. Kernels see attributes only, and the shape arithmetic that fed the
// operand dies unless something else reads it.
#include "core/passes/rewriter.h"

namespace tenon::passes {

namespace {

using ir::AttributeValue;
using ir::DimExpr;
using ir::Value;

std::optional<std::vector<DimExpr>> contentsOf(const Value& value, ir::ExprPool& pool) {
    if (value.type().rank() < 0 || value.type().rank() > 1) {
        return std::nullopt;
    }
    if (const ir::ConstantPtr constant = value.constant()) {
        if (!ir::isInteger(constant->dtype)) {
            return std::nullopt;
        }
        std::vector<DimExpr> elements;
        for (int64_t i = 0; i < constant->elements(); ++i) {
            elements.push_back(pool.constant(constant->integerAt(i)));
        }
        return elements;
    }
    if (!value.contents() || !ir::isInteger(value.type().dtype)) {
        return std::nullopt;
    }
    for (const DimExpr element : *value.contents()) {
        if (!element.valid()) {
            return std::nullopt;
        }
    }
    return value.contents();
}

std::optional<AttributeValue> numbersOf(const Value& value) {
    const ir::ConstantPtr constant = value.constant();
    if (constant == nullptr || value.type().rank() > 1 || constant->dtype == ir::DataType::kString) {
        return std::nullopt;
    }
    std::vector<double> numbers;
    for (int64_t i = 0; i < constant->elements(); ++i) {
        numbers.push_back(constant->numberAt(i));
    }
    return AttributeValue(std::move(numbers));
}

std::optional<AttributeValue> attributeOf(const Value& value, ops::AttributeKind kind, ir::ExprPool& pool) {
    if (kind == ops::AttributeKind::kFloats) {
        return numbersOf(value);
    }
    const auto contents = contentsOf(value, pool);
    if (!contents) {
        return std::nullopt;
    }
    if (kind == ops::AttributeKind::kDims) {
        return AttributeValue(ir::DimList{*contents});
    }
    std::vector<int64_t> integers;
    for (const DimExpr element : *contents) {
        if (!pool.isConstant(element)) {
            return std::nullopt;
        }
        integers.push_back(pool.constantValue(element));
    }
    if (kind == ops::AttributeKind::kInts) {
        return AttributeValue(std::move(integers));
    }
    if (kind == ops::AttributeKind::kInt && integers.size() == 1) {
        return AttributeValue(integers[0]);
    }
    return std::nullopt;
}

} // namespace

support::Result<bool> shapeOperands(PassContext& context) {
    Rewriter rewriter(context);
    rewriter.forEachNode([&](ir::Node& node) {
        const ops::OpDef* const def = rewriter.def(node);
        if (def == nullptr) {
            return;
        }
        for (const ops::ShapeOperand& operand : def->shapeOperands) {
            const auto index = static_cast<size_t>(operand.input);
            const Value* const value = node.input(index);
            if (value == nullptr) {
                continue;
            }
            if (!node.attributes().has(operand.attribute)) {
                auto attribute = attributeOf(*value, operand.kind, rewriter.pool());
                if (!attribute) {
                    continue;
                }
                rewriter.setAttribute(node, operand.attribute, std::move(*attribute));
            }
            rewriter.setInput(node, index, nullptr);
        }
    });
    return rewriter.finish();
}

} // namespace tenon::passes
