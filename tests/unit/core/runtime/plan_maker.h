// Makes small plans for the fake runtime, one call per binding, tensor and step.
#pragma once

#include "core/plan/plan_model.h"
#include "core/plan/verify.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

namespace tenon::runtime::testing {

using plan::ExprIndex;
using plan::PlanTensor;

class PlanMaker {
public:
    PlanMaker() {
        mPlan.networkName = "test";
        mPlan.requirements = {{"fakes", "3.1.4", "fake", 1}};
        mPlan.programs.resize(1);
        mPlan.programs[0].name = "profile 0";
    }

    ExprIndex constant(int64_t value) {
        ir::ExprNode node;
        node.value = value;
        return add(node);
    }
    ExprIndex binary(ir::ExprOp op, ExprIndex a, ExprIndex b) {
        ir::ExprNode node;
        node.op = op;
        node.operands[0].id = a;
        node.operands[1].id = b;
        return add(node);
    }
    ExprIndex symbol(const std::string& name, ir::SymbolSource source, int32_t input, int32_t index,
                     std::vector<plan::SymbolRange> ranges) {
        ir::ExprNode node;
        node.op = ir::ExprOp::kSymbol;
        node.value = static_cast<int64_t>(mPlan.symbols.size());
        mPlan.symbols.push_back({name, source, input, index});
        mPlan.programs.resize(ranges.size());
        for (size_t p = 0; p < ranges.size(); ++p) {
            mPlan.programs[p].name = "profile " + std::to_string(p);
            mPlan.programs[p].box.push_back(ranges[p]);
        }
        return add(node);
    }

    // `profiles`: min, opt, max extents of each profile.
    int32_t input(const std::string& name, std::vector<ExprIndex> dims,
                  std::vector<std::array<std::vector<int64_t>, 3>> profiles, ir::DataType dtype = ir::DataType::kF32) {
        plan::PlanBinding binding;
        binding.name = name;
        binding.isInput = true;
        binding.dtype = dtype;
        binding.format = ir::linearFormat(static_cast<int32_t>(dims.size()));
        binding.dims = std::move(dims);
        binding.profiles = std::move(profiles);
        mPlan.bindings.push_back(binding);
        return static_cast<int32_t>(mPlan.bindings.size()) - 1;
    }
    int32_t output(const std::string& name, std::vector<ExprIndex> dims, ir::DataType dtype = ir::DataType::kF32) {
        plan::PlanBinding binding;
        binding.name = name;
        binding.dtype = dtype;
        binding.format = ir::linearFormat(static_cast<int32_t>(dims.size()));
        binding.dims = std::move(dims);
        mPlan.bindings.push_back(binding);
        return static_cast<int32_t>(mPlan.bindings.size()) - 1;
    }
    int32_t floats(const std::string& name, std::vector<float> values) {
        plan::PlanConstant constant;
        constant.name = name;
        constant.dims = {static_cast<int64_t>(values.size())};
        constant.format = ir::linearFormat(1);
        constant.bytes = static_cast<int64_t>(values.size() * sizeof(float));
        const auto owner = std::make_shared<std::vector<float>>(std::move(values));
        constant.data = reinterpret_cast<const std::byte*>(owner->data());
        constant.owner = owner;
        mPlan.constants.push_back(constant);
        return static_cast<int32_t>(mPlan.constants.size()) - 1;
    }

    // Tensors and steps go to every program. Activations get a place of their own.
    int32_t tensor(PlanTensor::Role role, int32_t storage, std::vector<ExprIndex> dims, int64_t capacity,
                   ir::DataType dtype = ir::DataType::kF32) {
        PlanTensor tensor = bare(role, storage, std::move(dims), capacity, dtype);
        for (plan::PlanProgram& program : mPlan.programs) {
            if (role == PlanTensor::Role::kActivation && capacity >= 0) {
                tensor.offset = program.arenaBytes;
                program.arenaBytes += (capacity + 63) / 64 * 64;
            }
            program.tensors.push_back(tensor);
        }
        return static_cast<int32_t>(mPlan.programs[0].tensors.size()) - 1;
    }
    int32_t weightTensor(int32_t constant) {
        const plan::PlanConstant& info = mPlan.constants[static_cast<size_t>(constant)];
        mPlan.weightProgram.tensors.push_back(
            bare(PlanTensor::Role::kConstant, constant, {this->constant(info.dims[0])}, info.bytes, info.dtype));
        return static_cast<int32_t>(mPlan.weightProgram.tensors.size()) - 1;
    }
    plan::PlanStep launch(const std::string& what, std::vector<int32_t> inputs, std::vector<int32_t> outputs) {
        plan::PlanStep step;
        step.name = what + " " + std::to_string(mPlan.programs[0].steps.size());
        step.op = what;
        step.kernel = kernel(what);
        step.inputs = std::move(inputs);
        step.outputs = std::move(outputs);
        step.traits = TN_TRAIT_ANY_EXTENT;
        return step;
    }
    void step(const plan::PlanStep& step) {
        for (plan::PlanProgram& program : mPlan.programs) {
            program.steps.push_back(step);
        }
    }
    void weightStep(const plan::PlanStep& step) { mPlan.weightProgram.steps.push_back(step); }

    plan::Plan& plan() { return mPlan; }
    plan::Plan finish() {
        const auto status = plan::verifyPlan(mPlan);
        EXPECT_TRUE(status.ok()) << status.toString();
        return mPlan;
    }

private:
    static PlanTensor bare(PlanTensor::Role role, int32_t storage, std::vector<ExprIndex> dims, int64_t capacity,
                           ir::DataType dtype) {
        PlanTensor tensor;
        tensor.name = "t";
        tensor.role = role;
        tensor.binding = role == PlanTensor::Role::kInput || role == PlanTensor::Role::kOutput ? storage : -1;
        tensor.constant = role == PlanTensor::Role::kConstant ? storage : -1;
        tensor.dtype = dtype;
        tensor.format = ir::linearFormat(static_cast<int32_t>(dims.size()));
        tensor.dims = std::move(dims);
        tensor.capacity = capacity;
        return tensor;
    }
    ExprIndex add(const ir::ExprNode& node) {
        mPlan.expressions.push_back(node);
        return static_cast<ExprIndex>(mPlan.expressions.size()) - 1;
    }
    int32_t kernel(const std::string& what) {
        const auto* begin = reinterpret_cast<const std::byte*>(what.data());
        const auto blob = std::make_shared<const std::vector<std::byte>>(begin, begin + what.size());
        for (size_t i = 0; i < mPlan.kernels.size(); ++i) {
            if (*mPlan.kernels[i].blob == *blob) {
                return static_cast<int32_t>(i);
            }
        }
        mPlan.kernels.push_back({"fake", 1, blob, "fake/" + what});
        return static_cast<int32_t>(mPlan.kernels.size()) - 1;
    }

    plan::Plan mPlan;
};

// y[N,2] = x + x, then scaled by N: dynamic in N, two profiles (1..4 and 4..16).
inline plan::Plan dynamicPlan() {
    PlanMaker maker;
    const ExprIndex n = maker.symbol("N", ir::SymbolSource::kInputDim, 0, 0, {{1, 2, 4}, {4, 8, 16}});
    const ExprIndex two = maker.constant(2);
    const int32_t x = maker.input("x", {n, two}, {{{{1, 2}, {2, 2}, {4, 2}}}, {{{4, 2}, {8, 2}, {16, 2}}}});
    const int32_t y = maker.output("y", {n, two});
    const int32_t in = maker.tensor(PlanTensor::Role::kInput, x, {n, two}, 16 * 8);
    const int32_t sum = maker.tensor(PlanTensor::Role::kActivation, -1, {n, two}, 16 * 8);
    const int32_t out = maker.tensor(PlanTensor::Role::kOutput, y, {n, two}, 16 * 8);
    maker.step(maker.launch("add", {in, in}, {sum}));
    plan::PlanStep scale = maker.launch("scale", {sum}, {out});
    scale.scalars = {n};
    maker.step(scale);
    return maker.finish();
}

} // namespace tenon::runtime::testing
