#include "core/plan/expression_table.h"

#include "core/ir/expr_math.h"

namespace tenon::plan {

int32_t operandCount(ir::ExprOp op) {
    switch (op) {
    case ir::ExprOp::kConstant:
    case ir::ExprOp::kSymbol:
        return 0;
    case ir::ExprOp::kSum:
    case ir::ExprOp::kProd:
    case ir::ExprOp::kSub:
    case ir::ExprOp::kMax:
    case ir::ExprOp::kMin:
    case ir::ExprOp::kFloorDiv:
    case ir::ExprOp::kCeilDiv:
    case ir::ExprOp::kMod:
    case ir::ExprOp::kEqual:
    case ir::ExprOp::kLess:
        return 2;
    case ir::ExprOp::kSelect:
        return 3;
    case ir::ExprOp::kScaleFloor:
    case ir::ExprOp::kScaleCeil:
    case ir::ExprOp::kScaleRound:
        return 1;
    }
    return 0;
}

bool dividesByZero(ir::ExprOp op, int64_t divisor) {
    return divisor == 0 && (op == ir::ExprOp::kFloorDiv || op == ir::ExprOp::kCeilDiv || op == ir::ExprOp::kMod);
}

void evaluateTable(std::span<const ir::ExprNode> table, std::span<const int64_t> symbols, std::span<int64_t> values) {
    for (size_t i = 0; i < table.size(); ++i) {
        const ir::ExprNode& node = table[i];
        if (node.op == ir::ExprOp::kSymbol) {
            values[i] = symbols[static_cast<size_t>(node.value)];
            continue;
        }
        const auto operand = [&](int32_t k) {
            return k < operandCount(node.op) ? values[static_cast<size_t>(node.operands[k].id)] : 0;
        };
        values[i] = ir::evaluateNode(node, operand(0), operand(1), operand(2));
    }
}

} // namespace tenon::plan
