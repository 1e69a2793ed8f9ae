// A small plan that has one of everything the format can say: dynamic and shape inputs, blocked, pitched and opaque formats, shared and left-out
// constants, a weight program, two profiles. Used by the tests of core/plan and the fuzz target's seeds.
#pragma once

#include "core/plan/plan_model.h"

#include <cstring>
#include <memory>
#include <string>
#include <vector>

namespace tenon::plan::testing {

inline ir::ExprNode constantNode(int64_t value) {
    ir::ExprNode node;
    node.value = value;
    return node;
}

inline ir::ExprNode symbolNode(int64_t symbol) {
    ir::ExprNode node;
    node.op = ir::ExprOp::kSymbol;
    node.value = symbol;
    return node;
}

inline ir::ExprNode binaryNode(ir::ExprOp op, int32_t a, int32_t b) {
    ir::ExprNode node;
    node.op = op;
    node.operands[0].id = a;
    node.operands[1].id = b;
    return node;
}

inline void setData(PlanConstant& constant, std::vector<float> values) {
    const auto bytes = std::make_shared<std::vector<float>>(std::move(values));
    constant.data = reinterpret_cast<const std::byte*>(bytes->data());
    constant.owner = bytes;
}

inline PlanConstant makeConstant(std::string name, std::vector<int64_t> dims, float first) {
    PlanConstant constant;
    constant.name = std::move(name);
    constant.dims = std::move(dims);
    constant.format = ir::linearFormat(static_cast<int32_t>(constant.dims.size()));
    constant.bytes = ir::bytesOf(constant.format, constant.dtype, constant.dims.data());
    std::vector<float> values(static_cast<size_t>(constant.bytes) / sizeof(float));
    for (size_t i = 0; i < values.size(); ++i) {
        values[i] = first + static_cast<float>(i);
    }
    setData(constant, std::move(values));
    return constant;
}

inline PlanTensor makeTensor(std::string name, PlanTensor::Role role, int32_t storage, std::vector<ExprIndex> dims) {
    PlanTensor tensor;
    tensor.name = std::move(name);
    tensor.role = role;
    tensor.binding = role == PlanTensor::Role::kInput || role == PlanTensor::Role::kOutput ? storage : -1;
    tensor.constant = role == PlanTensor::Role::kConstant ? storage : -1;
    tensor.format = ir::linearFormat(static_cast<int32_t>(dims.size()));
    tensor.dims = std::move(dims);
    return tensor;
}

// Expressions of the sample plan.
enum : ExprIndex { kN = 0, kFour = 1, kS = 2, kTwoN = 3, kThree = 4, kEight = 5, kTwo = 6, kOne = 7, kScaled = 8 };

inline Plan samplePlan() {
    Plan plan;
    plan.networkName = "sample";
    plan.tenonVersion = "0.1.0";
    plan.targetJson = R"({"isa":"avx2"})";
    plan.targetFingerprint = "host-avx2-4";
    plan.symbols = {{"N", ir::SymbolSource::kInputDim, 0, 0}, {"S", ir::SymbolSource::kInputElement, 1, 0}};
    plan.expressions = {symbolNode(0),   constantNode(4), symbolNode(1),   binaryNode(ir::ExprOp::kProd, kN, kFour),
                        constantNode(3), constantNode(8), constantNode(2), constantNode(1)};
    ir::ExprNode scaled;
    scaled.op = ir::ExprOp::kScaleFloor;
    scaled.scale = 1.5;
    scaled.operands[0].id = kN;
    plan.expressions.push_back(scaled);

    PlanBinding x;
    x.name = "x";
    x.isInput = true;
    x.dims = {kN, kFour};
    x.dimNames = {"batch", ""};
    x.format = ir::linearFormat(2);
    x.profiles = {{{{1, 4}, {2, 4}, {8, 4}}}, {{{8, 4}, {16, 4}, {32, 4}}}};
    PlanBinding shape;
    shape.name = "shape";
    shape.isInput = true;
    shape.dtype = ir::DataType::kI64;
    shape.dims = {kOne};
    shape.format = ir::linearFormat(1);
    shape.isShapeInput = true;
    shape.profiles = {{{{1}, {1}, {1}}}, {{{1}, {1}, {1}}}};
    shape.profileValues = {{{{1}, {2}, {3}}}, {{{1}, {4}, {9}}}};
    PlanBinding y;
    y.name = "y";
    y.dims = {kN, kFour};
    y.format = ir::linearFormat(2);
    plan.bindings = {x, shape, y};

    plan.constants = {makeConstant("w", {3, 4}, 1), makeConstant("w_again", {3, 4}, 1),
                      makeConstant("packed", {4, 4}, 7), makeConstant("gone", {2}, 0)};
    plan.constants[0].identity = "layer.weight";
    plan.constants[1].identity = "layer.weight.shared";
    plan.constants[2].derived = true;
    plan.constants[2].format = {};
    plan.constants[2].format.rank = 2;
    plan.constants[2].format.order[1] = 1;
    std::strcpy(plan.constants[2].format.opaque_provider, "acme");
    plan.constants[2].format.opaque_id = 0x1fULL << 40;
    plan.constants[2].format.opaque_version = 2;
    plan.constants[2].format.opaque_bytes = 64;
    plan.constants[3].data = nullptr;
    plan.constants[3].owner = nullptr;

    const auto blob = [](std::string text) {
        const auto* begin = reinterpret_cast<const std::byte*>(text.data());
        return std::make_shared<const std::vector<std::byte>>(begin, begin + text.size());
    };
    plan.kernels = {{"acme.run", 3, blob("kernel one"), "acme/fast"},
                    {"acme.run", 3, blob("kernel two"), "acme/slow"},
                    {"acme.run", 3, blob("kernel one"), "acme/fast"},
                    {"acme.run", 3, blob(""), "acme/empty"}};
    plan.requirements = {{"acme", "2.1.0", "acme.run", 3}};

    for (int p = 0; p < 2; ++p) {
        const int64_t maxN = p == 0 ? 8 : 32;
        PlanProgram program;
        program.name = "profile " + std::to_string(p);
        program.box = {p == 0 ? SymbolRange{1, 2, 8} : SymbolRange{8, 16, 32},
                       p == 0 ? SymbolRange{1, 2, 3} : SymbolRange{1, 4, 9}};
        PlanTensor in = makeTensor("x", PlanTensor::Role::kInput, 0, {kN, kFour});
        in.capacity = maxN * 16;
        PlanTensor weight = makeTensor("packed", PlanTensor::Role::kConstant, 2, {kFour, kFour});
        weight.format = plan.constants[2].format;
        weight.capacity = 64;
        PlanTensor blocked = makeTensor("t", PlanTensor::Role::kActivation, -1, {kN, kThree});
        blocked.format = ir::blockedFormat(2, {{1, 8}});
        blocked.format.tail_zero = 1;
        blocked.capacity = maxN * 32;
        PlanTensor view = makeTensor("v", PlanTensor::Role::kActivation, -1, {kN, kTwo});
        view.format.outer_pitch = 4;
        view.offset = blocked.capacity + 8; // columns 2 and 3 of a matrix of four columns
        view.capacity = maxN * 16 - 8;
        PlanTensor out = makeTensor("y", PlanTensor::Role::kOutput, 2, {kN, kFour});
        out.capacity = maxN * 16;
        PlanTensor flat = makeTensor("y_flat", PlanTensor::Role::kOutput, 2, {kTwoN});
        flat.capacity = maxN * 16;
        program.tensors = {in, weight, blocked, view, out, flat};
        PlanStep first;
        first.name = "conv + relu";
        first.sources = {"conv", "relu"};
        first.op = "fused:epilogue";
        first.kernel = 0;
        first.inputs = {0, 1, -1};
        first.outputs = {2};
        first.scalars = {kS, kScaled};
        first.workspaceOffset = blocked.capacity + maxN * 16;
        first.workspaceCapacity = 128;
        first.traits = TN_TRAIT_DETERMINISTIC;
        PlanStep second;
        second.name = "tail";
        second.op = "matmul";
        second.kernel = 2;
        second.inputs = {2, 3};
        second.outputs = {4};
        PlanStep alias;
        alias.name = "reshape";
        alias.op = "reshape";
        alias.traits = TN_TRAIT_FREE_ALIAS;
        alias.inputs = {4};
        alias.outputs = {5};
        program.steps = {first, second, alias};
        program.arenaBytes = first.workspaceOffset + 128;
        plan.programs.push_back(program);
    }

    PlanTensor source = makeTensor("w", PlanTensor::Role::kConstant, 0, {kThree, kFour});
    source.capacity = 48;
    PlanTensor derived = makeTensor("packed", PlanTensor::Role::kConstant, 2, {kFour, kFour});
    derived.format = plan.constants[2].format;
    derived.capacity = 64;
    PlanStep pack;
    pack.kind = StepKind::kConvert;
    pack.name = "pack w";
    pack.op = "convert";
    pack.kernel = 1;
    pack.inputs = {0};
    pack.outputs = {1};
    plan.weightProgram.name = "weights";
    plan.weightProgram.tensors = {source, derived};
    plan.weightProgram.steps = {pack};

    plan.graphText = "graph @sample(%x: f32[N,4]) -> (%y) {\n}\n";
    plan.inspectorJson = R"({"Layers":[],"Bindings":["x","shape","y"]})";
    plan.ledgerJson = R"({"decisions":[]})";
    return plan;
}

} // namespace tenon::plan::testing
