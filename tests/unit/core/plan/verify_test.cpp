// Every rule of verifyPlan: one change to a sound plan, one message.
#include "core/plan/expression_table.h"
#include "core/plan/tensor_span.h"
#include "core/plan/verify.h"
#include "tests/unit/core/plan/sample_plan.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <limits>

namespace tenon::plan {
namespace {

using ::testing::HasSubstr;
using testing::samplePlan;

TEST(VerifyPlan, AcceptsTheSample) {
    EXPECT_TRUE(verifyPlan(samplePlan()).ok()) << verifyPlan(samplePlan()).toString();
}

struct Rule {
    const char* name;
    std::function<void(Plan&)> breakIt;
    const char* message;
};

class VerifyRule : public ::testing::TestWithParam<Rule> {};

TEST_P(VerifyRule, IsChecked) {
    Plan plan = samplePlan();
    GetParam().breakIt(plan);
    const auto status = verifyPlan(plan);
    EXPECT_FALSE(status.ok());
    EXPECT_EQ(status.code(), support::Code::kInvalidFile);
    EXPECT_THAT(status.message(), HasSubstr(GetParam().message));
}

const Rule kRules[] = {
    {"NoProgram", [](Plan& p) { p.programs.clear(); }, "the plan has 0 programs"},
    {"SymbolTwice", [](Plan& p) { p.symbols[1].name = "N"; },
     "symbol 1 'N': its name is empty, too long or used twice"},
    {"SymbolInput", [](Plan& p) { p.symbols[0].input = 2; }, "comes from input 2, the plan has 2"},
    {"SymbolDim", [](Plan& p) { p.symbols[0].index = 2; }, "is dimension 2 of input 'x', which has no such one"},
    {"SymbolElement", [](Plan& p) { p.symbols[1].index = 1; }, "symbol 'S' is element 1 of"},
    {"SymbolNoShapeInput", [](Plan& p) { p.symbols[1].input = 0; }, "which is no shape input"},
    {"ExpressionSymbol", [](Plan& p) { p.expressions[0].value = 2; }, "expression 0 reads symbol 2 of 2"},
    {"ExpressionOrder", [](Plan& p) { p.expressions[3].operands[1].id = 3; },
     "expression 3 has operand 3 at position 1"},
    {"ExpressionExtra", [](Plan& p) { p.expressions[3].operands[2].id = 0; },
     "expression 3 has operand 0 at position 2"},
    {"ExpressionScale", [](Plan& p) { p.expressions[8].scale = std::numeric_limits<double>::infinity(); },
     "has scale inf"},
    {"BindingTwice", [](Plan& p) { p.bindings[2].name = "x"; }, "binding 2 'x': its name"},
    {"BindingOrder", [](Plan& p) { std::swap(p.bindings[1], p.bindings[2]); }, "is an input after an output"},
    {"BindingDims", [](Plan& p) { p.bindings[2].dims[0] = 9; }, "binding 2 'y' refers to expression 9 of 9"},
    {"BindingRank", [](Plan& p) { p.bindings[2].format.rank = 3; }, "its format has 3 dimensions, the tensor 2"},
    {"BindingComputed", [](Plan& p) { p.bindings[0].dims[0] = testing::kTwoN; }, "neither a constant nor a symbol"},
    {"BindingNames", [](Plan& p) { p.bindings[0].dimNames.pop_back(); }, "2 dimensions and 1 names"},
    {"BindingString", [](Plan& p) { p.bindings[0].dtype = ir::DataType::kString; }, "has strings"},
    {"ShapeInputType", [](Plan& p) { p.bindings[1].dtype = ir::DataType::kF32; }, "must be a linear i32 or i64 input"},
    {"ProfileMissing", [](Plan& p) { p.bindings[0].profiles.pop_back(); }, "has 1 profiles of extents"},
    {"ProfileOrder", [](Plan& p) { p.bindings[0].profiles[0][1][0] = 9; },
     "minimum 1, optimum 9 and maximum 8 are not in order"},
    {"ProfileRank", [](Plan& p) { p.bindings[0].profiles[1][2].pop_back(); }, "has 1 values where 2 are needed"},
    {"ProfileNegative", [](Plan& p) { p.bindings[0].profiles[0][0][0] = -1; }, "negative extent"},
    {"ProfileOfOutput", [](Plan& p) { p.bindings[2].profiles.emplace_back(); }, "binding 2 'y' has 1 profiles"},
    {"ConstantBytes", [](Plan& p) { p.constants[0].bytes = 52; },
     "constant 0 'w' has 52 bytes; its type and extents make 48"},
    {"ConstantHuge",
     [](Plan& p) {
         p.constants[0].dims = {INT64_MAX, INT64_MAX};
     },
     "its type and extents make -1"},
    {"KernelRuntime", [](Plan& p) { p.kernels[0].runtime.clear(); }, "names no kernel runtime"},
    {"KernelBlob", [](Plan& p) { p.kernels[0].blob = nullptr; }, "has no blob"},
    {"KernelRequirement", [](Plan& p) { p.kernels[0].blobVersion = 4; },
     "needs kernel runtime 'acme.run', blob version 4"},
    {"RequirementName", [](Plan& p) { p.requirements[0].name.clear(); }, "has no name"},
    {"BoxSize", [](Plan& p) { p.programs[1].box.pop_back(); }, "program 1 'profile 1' has ranges for 1 of 2 symbols"},
    {"BoxOrder", [](Plan& p) { p.programs[0].box[0].min = 3; }, "the range of symbol 'N', 3 .. 2 .. 8"},
    {"BoxEndless", [](Plan& p) { p.programs[0].box[0].max = INT64_MAX; }, "is not in order or has no end"},
    {"ArenaNegative", [](Plan& p) { p.programs[0].arenaBytes = -1; }, "has an arena of -1 bytes"},
    {"TensorDims", [](Plan& p) { p.programs[0].tensors[0].dims[0] = -1; }, "tensor 0 'x' refers to expression -1"},
    {"TensorBinding", [](Plan& p) { p.programs[0].tensors[0].binding = 2; }, "refers to binding 2, which is no input"},
    {"TensorConstant", [](Plan& p) { p.programs[0].tensors[1].constant = 4; }, "refers to constant 4 of 4"},
    {"TensorOrder", [](Plan& p) { p.programs[0].tensors[2].format.order[0] = 1; }, "no permutation"},
    {"TensorBlock", [](Plan& p) { p.programs[0].tensors[2].format.blocks[0].size = 0; },
     "a block of 0 along dimension 1"},
    {"TensorAlignment", [](Plan& p) { p.programs[0].tensors[2].format.alignment = 3; }, "wants alignment 3"},
    {"TensorOffset", [](Plan& p) { p.programs[0].tensors[3].offset += 1; }, "not a multiple of its element's size"},
    {"TensorCapacity", [](Plan& p) { p.programs[0].tensors[2].capacity -= 4; },
     "needs 256 bytes at the largest extents, its capacity is 252"},
    {"TensorOutsideArena", [](Plan& p) { p.programs[0].tensors[2].offset = 512; }, "outside the arena of"},
    {"TensorOutsideBinding", [](Plan& p) { p.programs[0].tensors[4].offset = 4; },
     "takes 16 bytes from 4 at the smallest extents, where there are 16"},
    {"TensorOverflow", [](Plan& p) { p.programs[0].tensors[3].offset = INT64_MAX - 7; }, "outside the arena"},
    {"TensorPitch", [](Plan& p) { p.programs[0].tensors[3].format.outer_pitch = 1; }, "needs too many bytes"},
    {"TensorNotGrowing", [](Plan& p) { p.programs[0].tensors[0].capacity = kUnbounded; }, "has capacity -1"},
    {"StepInput", [](Plan& p) { p.programs[0].steps[0].inputs[0] = 6; }, "step 0 'conv + relu' reads tensor 6 of 6"},
    {"StepOutput", [](Plan& p) { p.programs[0].steps[0].outputs[0] = -1; }, "writes tensor -1 of 6"},
    {"StepWritesInput", [](Plan& p) { p.programs[0].steps[0].outputs[0] = 0; },
     "writes tensor 0 'x', which is an input"},
    {"StepWritesConstant", [](Plan& p) { p.programs[0].steps[0].outputs[0] = 1; }, "which is a constant"},
    {"StepWritesSource", [](Plan& p) { p.weightProgram.steps[0].outputs[0] = 0; }, "which is a constant"},
    {"StepKernel", [](Plan& p) { p.programs[0].steps[1].kernel = -1; }, "has kernel -1 of 4"},
    {"StepScalar", [](Plan& p) { p.programs[0].steps[0].scalars[0] = 100; }, "refers to expression 100"},
    {"StepSymbol", [](Plan& p) { p.programs[0].steps[0].symbols = {0}; },
     "writes symbol 0, which is not one that a step writes"},
    {"StepStream", [](Plan& p) { p.programs[0].steps[0].stream = 64; }, "runs on stream 64"},
    {"StepWorkspace", [](Plan& p) { p.programs[0].steps[0].workspaceCapacity += 1; }, "outside the arena"},
    {"StepWorkspaceAligned", [](Plan& p) { p.programs[0].steps[0].workspaceOffset -= 4; }, "not aligned"},
    {"AliasElsewhere", [](Plan& p) { p.programs[0].steps[2].inputs[0] = 2; }, "its output is not where its input is"},
    {"CopyKinds",
     [](Plan& p) {
         p.programs[0].steps[1] = {};
         p.programs[0].steps[1].kind = StepKind::kCopy;
         p.programs[0].steps[1].inputs = {2};
         p.programs[0].steps[1].outputs = {4};
     },
     "is a copy between tensors of different type or layout"},
    {"TensorWithoutItsDevice", [](Plan& p) { p.programs[0].tensors[0].placement = 1; },
     "is at placement 1; the plan has the host and 0 devices"},
    {"DeviceArenas",
     [](Plan& p) {
         p.devices.push_back({"moonbase", "{}", "m"});
     },
     "has 0 arenas on devices, the plan has 1 devices"},
    {"DeviceWithoutBackend", [](Plan& p) { p.devices.emplace_back(); }, "device 0 names no backend"},
    {"StepAwayFromItsTensors",
     [](Plan& p) {
         p.devices.push_back({"moonbase", "{}", "m"});
         p.weightProgram.deviceArenaBytes = {0};
         for (PlanProgram& program : p.programs) {
             program.deviceArenaBytes = {int64_t{1} << 20};
             program.tensors[static_cast<size_t>(program.steps[0].outputs[0])].placement = 1;
         }
     },
     "has a tensor that is neither there nor in host memory"},
    {"HostShapeOutput",
     [](Plan& p) {
         p.programs[0].steps[1] = {};
         p.programs[0].steps[1].kind = StepKind::kHostShape;
         p.programs[0].steps[1].outputs = {4};
     },
     "has not one linear integer output"},
    {"FetchNothing",
     [](Plan& p) {
         p.programs[0].steps[1] = {};
         p.programs[0].steps[1].kind = StepKind::kFetch;
     },
     "fetches values, but not from"},
    {"WeightProgramInput", [](Plan& p) { p.weightProgram.tensors[0] = p.programs[0].tensors[0]; },
     "which is no input of this program"},
};

INSTANTIATE_TEST_SUITE_P(All, VerifyRule, ::testing::ValuesIn(kRules),
                         [](const auto& rule) { return std::string(rule.param.name); });

// The sample with a symbol that has no upper bound; it is expression 9.
Plan planWithUnboundedSymbol() {
    Plan plan = samplePlan();
    plan.symbols.push_back({"u", ir::SymbolSource::kUnbacked, -1, 0});
    for (PlanProgram& program : plan.programs) {
        program.box.push_back({0, 10, INT64_MAX});
    }
    plan.expressions.push_back(testing::symbolNode(2));
    return plan;
}

TEST(VerifyPlan, AnUnboundedActivationNeedsNoRoom) {
    Plan plan = planWithUnboundedSymbol();
    PlanTensor tensor = testing::makeTensor("grows", PlanTensor::Role::kActivation, -1, {9});
    tensor.capacity = kUnbounded;
    plan.programs[0].tensors.push_back(tensor);
    EXPECT_TRUE(verifyPlan(plan).ok()) << verifyPlan(plan).toString();
}

// Only tensors that mention the symbol are left to the runtime.
TEST(VerifyPlan, AnUnboundedSymbolSwitchesNoOtherCheckOff) {
    Plan plan = planWithUnboundedSymbol();
    EXPECT_TRUE(verifyPlan(plan).ok()) << verifyPlan(plan).toString();
    plan.programs[0].tensors[2].capacity -= 4;
    EXPECT_THAT(verifyPlan(plan).message(), HasSubstr("needs 256 bytes at the largest extents, its capacity is 252"));
    plan = planWithUnboundedSymbol();
    plan.programs[0].tensors[0].offset = 4;
    EXPECT_THAT(verifyPlan(plan).message(),
                HasSubstr("takes 16 bytes from 4 at the smallest extents, where there are 16"));
}

TEST(VerifyPlan, AnUnboundedBindingHoldsNoTensorOfFixedExtents) {
    Plan plan = planWithUnboundedSymbol();
    plan.bindings[2].dims[0] = 9;
    plan.programs[0].box[2].min = 8; // room enough where there is a number
    EXPECT_THAT(verifyPlan(plan).message(), HasSubstr("in a binding whose extents have none"));
}

TEST(ExpressionTable, EvaluatesEveryOperator) {
    using testing::binaryNode;
    using testing::constantNode;
    using testing::symbolNode;
    std::vector<ir::ExprNode> table = {symbolNode(0), symbolNode(1), constantNode(0)};
    const auto add = [&](ir::ExprNode node) { table.push_back(node); };
    for (int op = static_cast<int>(ir::ExprOp::kSum); op <= static_cast<int>(ir::ExprOp::kLess); ++op) {
        add(binaryNode(static_cast<ir::ExprOp>(op), 0, 1));
    }
    ir::ExprNode select = binaryNode(ir::ExprOp::kSelect, 2, 0);
    select.operands[2].id = 1;
    add(select);
    add(binaryNode(ir::ExprOp::kFloorDiv, 0, 2));
    for (const ir::ExprOp op : {ir::ExprOp::kScaleFloor, ir::ExprOp::kScaleCeil, ir::ExprOp::kScaleRound}) {
        ir::ExprNode node;
        node.op = op;
        node.operands[0].id = 0;
        node.scale = 0.5;
        add(node);
    }
    const std::vector<int64_t> symbols = {-7, 2};
    std::vector<int64_t> values(table.size());
    evaluateTable(table, symbols, values);
    //                                        sum  prod sub max min fdiv cdiv mod eq less select x/0 floor ceil round
    const std::vector<int64_t> expected = {-7, 2, 0, -5, -14, -9, 2, -7, -4, -3, 1, 0, 1, 2, 0, -4, -3, -4};
    EXPECT_EQ(values, expected);
}

TEST(TensorSpan, EndsAtTheLastElement) {
    const int64_t dims[] = {3, 2};
    ir::TensorFormat format = ir::linearFormat(2);
    EXPECT_EQ(spanOf(format, ir::DataType::kF32, dims), 24);
    format.outer_pitch = 5;
    EXPECT_EQ(ir::bytesOf(format, ir::DataType::kF32, dims), 60);
    EXPECT_EQ(spanOf(format, ir::DataType::kF32, dims), 2 * 20 + 8);
    format.outer_pitch = 1;
    EXPECT_EQ(spanOf(format, ir::DataType::kF32, dims), -1) << "rows would overlap";
    const int64_t empty[] = {0, 2};
    EXPECT_EQ(spanOf(format, ir::DataType::kF32, empty), 0);
    const int64_t huge[] = {int64_t{1} << 40, int64_t{1} << 40};
    EXPECT_EQ(spanOf(ir::linearFormat(2), ir::DataType::kF32, huge), -1);
    ir::TensorFormat blocked = ir::blockedFormat(2, {{1, 8}});
    blocked.outer_pitch = 16;
    EXPECT_EQ(spanOf(blocked, ir::DataType::kF32, dims), 2 * 64 + 32);
    ir::TensorFormat blockedOuter = ir::blockedFormat(2, {{0, 2}});
    blockedOuter.outer_pitch = 10;
    EXPECT_EQ(spanOf(blockedOuter, ir::DataType::kF32, dims), 1 * 40 + 16) << "two steps of two rows";
}

} // namespace
} // namespace tenon::plan
