// The shape program: a plan's expressions, compiled to a list of instructions over int64 registers.
// Used by loaded programs. Knows expressions and symbols; no tensor, no step, no module.
//
// Instructions are ordered by stage: stage 0 depends on inputs alone, stage k also on what fetch steps 1..k made known. Immutable after
// compile, so contexts share one and bring their own registers. Running allocates nothing.
#pragma once

#include "core/ir/dim_expr.h"
#include "core/plan/plan_model.h"

#include <cstdint>
#include <span>
#include <vector>

namespace tenon::runtime {

class ShapeProgram {
public:
    /// Compiles what `roots` need. `symbolStages` has the stage in which each symbol becomes known.
    /// Precondition: verifyPlan accepted the table, and roots are inside it.
    static ShapeProgram compile(std::span<const ir::ExprNode> table, std::span<const int32_t> symbolStages,
                                std::span<const plan::ExprIndex> roots);

    /// Where the value of a root is found. Precondition: `expression` was a root, or an operand of one.
    int32_t registerOf(plan::ExprIndex expression) const { return mRegisters[static_cast<size_t>(expression)]; }
    /// First stage in which a register holds its final value; 0 for constants.
    int32_t stageOf(int32_t reg) const { return mStages[static_cast<size_t>(reg)]; }
    bool isConstant(int32_t reg) const { return mConstant[static_cast<size_t>(reg)]; }
    /// Registers before the first run: constants are in place.
    const std::vector<int64_t>& initialRegisters() const { return mInitial; }

    /// Evaluates every instruction of stage `from` and later, with the symbol values known so far and upper bounds for the others.
    /// Returns the expression that divided by zero first, or -1.
    plan::ExprIndex run(int32_t from, std::span<const int64_t> symbols, std::span<int64_t> registers) const noexcept;

private:
    struct Instruction {
        ir::ExprNode node; // operands are registers; of kSymbol `value` is the symbol
        int32_t target;
        int32_t stage;
        plan::ExprIndex expression;
    };

    std::vector<Instruction> mCode; // by stage, then as in the table
    std::vector<int64_t> mInitial;
    std::vector<int32_t> mStages;
    std::vector<bool> mConstant;
    std::vector<int32_t> mRegisters; // by expression; -1: not needed
};

} // namespace tenon::runtime
