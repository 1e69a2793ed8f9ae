#include "core/schedule/oracle.h"

#include "core/support/text.h"

#include <algorithm>
#include <map>

namespace tenon::schedule {

namespace {

// A box that holds one point.
ir::SymbolBox pointBox(const std::vector<int64_t>& symbolValues) {
    ir::SymbolBox box;
    for (int64_t value : symbolValues) {
        box.bounds.push_back({value, value});
    }
    box.opt = symbolValues;
    return box;
}

} // namespace

support::Result<std::vector<ir::ConstantPtr>> Oracle::run(const ir::Graph& body,
                                                          const std::vector<ir::ConstantPtr>& inputs,
                                                          const std::vector<int64_t>& symbolValues) {
    std::map<const ir::Value*, ir::ConstantPtr> values;
    for (size_t i = 0; i < body.inputs().size(); ++i) {
        values[body.inputs()[i]] = inputs[i];
    }
    for (const ir::Node* node : body.nodes()) {
        if (node->op() == "const") {
            values[node->output(0)] = node->output(0)->constant();
            continue;
        }
        std::vector<ir::ConstantPtr> operands;
        for (const ir::Value* input : node->inputs()) {
            operands.push_back(input ? values[input] : nullptr);
        }
        support::Result<std::vector<ir::ConstantPtr>> results = runNode(*node, operands, symbolValues);
        if (!results.ok()) {
            return results.status().withContext(
                support::cat("while the oracle computes node '", node->name(), "' (", node->op(), ")"));
        }
        for (size_t i = 0; i < node->outputs().size(); ++i) {
            values[node->output(i)] = (*results)[i];
        }
    }
    std::vector<ir::ConstantPtr> outputs;
    for (const ir::Value* output : body.outputs()) {
        outputs.push_back(values[output]);
    }
    return outputs;
}

support::Result<std::vector<ir::ConstantPtr>> Oracle::evaluate(const ir::Node& node) {
    std::vector<ir::ConstantPtr> operands;
    for (const ir::Value* input : node.inputs()) {
        operands.push_back(input ? input->constant() : nullptr);
        if (input && !operands.back()) {
            return support::internalError("input '", input->name(), "' of '", node.name(), "' is not a constant");
        }
    }
    std::vector<int64_t> symbolValues(node.graph()->pool().symbols().size(), 1);
    return runNode(node, operands, symbolValues);
}

bool Oracle::enumerateOnDevice(Task& task) {
    constexpr int64_t kLargeElements = int64_t{1} << 22;
    const Target& device = mContext.targets.back();
    if (mOnHostOnly || device.placement == TN_PLACEMENT_HOST || !device.machine) {
        return false;
    }
    int64_t largest = 0;
    for (const auto& values : {task.body().inputs(), task.body().outputs()}) {
        for (const ir::Value* value : values) {
            int64_t elements = 1;
            for (const int64_t dim : evaluateDims(task.body().pool(), value->type(), task.box().opt)) {
                elements *= std::max<int64_t>(dim, 1);
            }
            largest = std::max(largest, elements);
        }
    }
    if (largest < kLargeElements) {
        return false;
    }
    if (!mDeviceContext) {
        mDeviceOptions = *mContext.options;
        mDeviceOptions.providers = {device.backend};
        mDeviceContext = mContext;
        mDeviceContext->options = &mDeviceOptions;
    }
    enumerateTactics(*mDeviceContext, task, {});
    // Linear ports of the task's own element types, at the device or at home.
    const auto isPlain = [](const PortLayout& port, const ir::Value* value) {
        PortLayout linear = linearPort(value->type().dtype, std::max(value->type().rank(), 0), port.placement);
        return equal(port, linear);
    };
    std::erase_if(task.candidates, [&](const Candidate& candidate) {
        const Tactic& tactic = candidate.tactic;
        bool plain = (tactic.traits & TN_TRAIT_EXACT_MATH) != 0 && candidate.placement == device.placement;
        for (size_t i = 0; plain && i < task.inputCount(); ++i) {
            plain = isPlain(tactic.inputs[i], task.body().inputs()[i]);
        }
        for (size_t i = 0; plain && i < task.outputCount(); ++i) {
            plain = isPlain(tactic.outputs[i], task.body().outputs()[i]);
        }
        return !plain;
    });
    task.rejections.clear();
    return !task.candidates.empty();
}

support::Result<std::vector<ir::ConstantPtr>> Oracle::runNode(const ir::Node& node,
                                                              const std::vector<ir::ConstantPtr>& inputs,
                                                              const std::vector<int64_t>& symbolValues) {
    Body body = extractBody({const_cast<ir::Node*>(&node)}, node.name());
    if (node.op() == "fused" && node.regions().size() == 1) {
        return run(*node.regions()[0], inputs, symbolValues);
    }
    // Body inputs are the distinct present inputs, in order of first use.
    std::vector<ir::ConstantPtr> bound;
    for (const ir::Value* outer : body.inputs) {
        for (size_t i = 0; i < node.inputs().size(); ++i) {
            if (node.inputs()[i] == outer) {
                bound.push_back(inputs[i]);
                break;
            }
        }
    }
    TN_ASSIGN_OR_RETURN(std::shared_ptr<Task> task,
                        Task::create(body.graph, bound, pointBox(symbolValues), uint64_t{1} << TN_F32));
    auto known = mRunners.find(task->key());
    if (known == mRunners.end()) {
        if (!enumerateOnDevice(*task)) {
            enumerateTactics(mContext, *task, {}, true);
        }
        if (task->candidates.empty()) {
            std::string reasons;
            for (const Rejection& rejection : task->rejections) {
                reasons += support::cat(reasons.empty() ? "" : "; ", rejection.provider, ": ", rejection.reason);
            }
            return support::unsupported("no reference kernel for op '", node.op(), "' (", reasons, ")");
        }
        TN_ASSIGN_OR_RETURN(CompiledKernel compiled, compileTactic(mContext, *task, task->candidates[0]));
        TN_ASSIGN_OR_RETURN(std::unique_ptr<KernelRunner> runner,
                            KernelRunner::open(mContext, task->candidates[0], compiled));
        known = mRunners.emplace(task->key(), std::move(runner)).first;
    }
    KernelRunner& runner = *known->second;
    TN_RETURN_IF_ERROR(runner.prepare(*task, symbolValues));
    std::vector<const void*> inputAddresses;
    for (const ir::ConstantPtr& constant : bound) {
        inputAddresses.push_back(constant ? constant->data : nullptr);
    }
    std::vector<ir::ConstantPtr> results;
    std::vector<void*> outputAddresses;
    for (const TnTensor& output : runner.outputs()) {
        auto bytes = std::make_shared<std::vector<std::byte>>(static_cast<size_t>(output.bytes) + 64);
        outputAddresses.push_back(bytes->data());
        results.push_back(ir::adoptConstant(static_cast<ir::DataType>(output.dtype),
                                            std::vector<int64_t>(output.dims, output.dims + output.rank), bytes,
                                            bytes->data()));
    }
    TN_RETURN_IF_ERROR(runner.launch(inputAddresses, outputAddresses));
    return results;
}

} // namespace tenon::schedule
