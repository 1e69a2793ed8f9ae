#include "core/runtime/shape_program.h"

#include "core/ir/expr_math.h"
#include "core/plan/expression_table.h"

#include <algorithm>

namespace tenon::runtime {

ShapeProgram ShapeProgram::compile(std::span<const ir::ExprNode> table, std::span<const int32_t> symbolStages,
                                   std::span<const plan::ExprIndex> roots) {
    ShapeProgram program;
    std::vector<bool> needed(table.size(), false);
    for (const plan::ExprIndex root : roots) {
        needed[static_cast<size_t>(root)] = true;
    }
    for (size_t i = table.size(); i-- > 0;) {
        for (int32_t k = 0; needed[i] && k < plan::operandCount(table[i].op); ++k) {
            needed[static_cast<size_t>(table[i].operands[k].id)] = true;
        }
    }

    program.mRegisters.assign(table.size(), -1);
    for (size_t i = 0; i < table.size(); ++i) {
        if (!needed[i]) {
            continue;
        }
        const ir::ExprNode& from = table[i];
        const auto target = static_cast<int32_t>(program.mInitial.size());
        program.mRegisters[i] = target;
        Instruction instruction{from, target, 0, static_cast<plan::ExprIndex>(i)};
        bool constant = from.op != ir::ExprOp::kSymbol;
        if (from.op == ir::ExprOp::kSymbol) {
            instruction.stage = symbolStages[static_cast<size_t>(from.value)];
        }
        int64_t operands[3] = {0, 0, 0};
        for (int32_t k = 0; k < 3; ++k) {
            ir::DimExpr& operand = instruction.node.operands[k];
            if (k >= plan::operandCount(from.op)) {
                operand.id = 0; // any register: its value is not looked at
                continue;
            }
            operand.id = program.mRegisters[static_cast<size_t>(operand.id)];
            const auto reg = static_cast<size_t>(operand.id);
            instruction.stage = std::max(instruction.stage, program.mStages[reg]);
            constant = constant && program.mConstant[reg];
            operands[k] = program.mInitial[reg];
        }
        program.mStages.push_back(instruction.stage);
        program.mConstant.push_back(constant);
        program.mInitial.push_back(constant ? ir::evaluateNode(from, operands[0], operands[1], operands[2]) : 0);
        if (!constant) {
            program.mCode.push_back(instruction);
        }
    }
    std::stable_sort(program.mCode.begin(), program.mCode.end(),
                     [](const Instruction& a, const Instruction& b) { return a.stage < b.stage; });
    return program;
}

plan::ExprIndex ShapeProgram::run(int32_t from, std::span<const int64_t> symbols,
                                  std::span<int64_t> registers) const noexcept {
    plan::ExprIndex zeroDivision = -1;
    for (const Instruction& instruction : mCode) {
        if (instruction.stage < from) {
            continue;
        }
        const ir::ExprNode& node = instruction.node;
        int64_t& target = registers[static_cast<size_t>(instruction.target)];
        if (node.op == ir::ExprOp::kSymbol) {
            target = symbols[static_cast<size_t>(node.value)];
            continue;
        }
        const int64_t b = registers[static_cast<size_t>(node.operands[1].id)];
        if (plan::dividesByZero(node.op, b) && zeroDivision < 0) {
            zeroDivision = instruction.expression;
        }
        target = ir::evaluateNode(node, registers[static_cast<size_t>(node.operands[0].id)], b,
                                  registers[static_cast<size_t>(node.operands[2].id)]);
    }
    return zeroDivision;
}

} // namespace tenon::runtime
