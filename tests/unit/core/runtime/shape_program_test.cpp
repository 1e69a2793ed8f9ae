#include "core/runtime/shape_program.h"

#include <gtest/gtest.h>

namespace tenon::runtime {
namespace {

using ir::ExprNode;
using ir::ExprOp;

ExprNode node(ExprOp op, int64_t value, int32_t a = -1, int32_t b = -1) {
    ExprNode out;
    out.op = op;
    out.value = value;
    out.operands[0].id = a;
    out.operands[1].id = b;
    return out;
}

// 0: N  1: U (unbacked)  2: 3  3: 5  4: 3*5  5: N*15  6: U+N*15  7: N/(N-N)  8: N-N
const std::vector<ExprNode> kTable = {
    node(ExprOp::kSymbol, 0),    node(ExprOp::kSymbol, 1),     node(ExprOp::kConstant, 3),
    node(ExprOp::kConstant, 5),  node(ExprOp::kProd, 0, 2, 3), node(ExprOp::kProd, 0, 0, 4),
    node(ExprOp::kSum, 0, 1, 5), node(ExprOp::kSub, 0, 0, 0),  node(ExprOp::kFloorDiv, 0, 0, 7),
};
const std::vector<int32_t> kStages = {0, 1};

TEST(ShapeProgram, ComputesRootsAndWhatTheyNeed) {
    const std::vector<plan::ExprIndex> roots = {5, 6};
    const ShapeProgram program = ShapeProgram::compile(kTable, kStages, roots);
    std::vector<int64_t> registers = program.initialRegisters();
    EXPECT_EQ(program.run(0, std::vector<int64_t>{4, 100}, registers), -1);
    EXPECT_EQ(registers[static_cast<size_t>(program.registerOf(5))], 60);
    EXPECT_EQ(registers[static_cast<size_t>(program.registerOf(6))], 160);
    EXPECT_EQ(program.registerOf(8), -1) << "nobody asked for it";
}

TEST(ShapeProgram, FoldsConstants) {
    const std::vector<plan::ExprIndex> roots = {4, 5};
    const ShapeProgram program = ShapeProgram::compile(kTable, kStages, roots);
    EXPECT_TRUE(program.isConstant(program.registerOf(4)));
    EXPECT_EQ(program.initialRegisters()[static_cast<size_t>(program.registerOf(4))], 15);
    EXPECT_FALSE(program.isConstant(program.registerOf(5)));
}

TEST(ShapeProgram, LaterStagesRunAlone) {
    const std::vector<plan::ExprIndex> roots = {5, 6};
    const ShapeProgram program = ShapeProgram::compile(kTable, kStages, roots);
    EXPECT_EQ(program.stageOf(program.registerOf(5)), 0);
    EXPECT_EQ(program.stageOf(program.registerOf(6)), 1);
    std::vector<int64_t> registers = program.initialRegisters();
    program.run(0, std::vector<int64_t>{4, 100}, registers);
    program.run(1, std::vector<int64_t>{9, 7}, registers);
    EXPECT_EQ(registers[static_cast<size_t>(program.registerOf(5))], 60) << "stage 0 keeps its values";
    EXPECT_EQ(registers[static_cast<size_t>(program.registerOf(6))], 67);
}

TEST(ShapeProgram, TellsWhatDividedByZero) {
    const std::vector<plan::ExprIndex> roots = {8};
    const ShapeProgram program = ShapeProgram::compile(kTable, kStages, roots);
    std::vector<int64_t> registers = program.initialRegisters();
    EXPECT_EQ(program.run(0, std::vector<int64_t>{4, 0}, registers), 8);
    EXPECT_EQ(registers[static_cast<size_t>(program.registerOf(8))], 0);
}

} // namespace
} // namespace tenon::runtime
