#include "core/schedule/oracle.h"

#include "core/schedule/tensor_data.h"
#include "core/support/text.h"

#include <algorithm>
#include <map>

namespace tenon::schedule {

namespace {

// Of operands that a kernel may want to know when it is made.
constexpr int64_t kSmallBytes = 4096;
// Of a reference kernel that waits for its next call.
constexpr int64_t kKeptWorkspace = int64_t{1} << 20;

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

Oracle::Oracle(const BuildContext& context)
    : mContext(context), mReferenceOptions(*context.options), mReferenceContext(context) {
    mReferenceOptions.providers.clear();
    mReferenceOptions.forbiddenProviders.clear();
    mReferenceContext.options = &mReferenceOptions;
}

Oracle::Datum Oracle::datumOf(const ir::ConstantPtr& constant) {
    Datum datum;
    if (constant) {
        datum.dtype = constant->dtype;
        datum.dims = constant->dims;
        datum.host = constant;
    }
    return datum;
}

support::Result<ir::ConstantPtr> Oracle::onHost(Datum& datum) const {
    if (!datum.host && datum.device) {
        const std::shared_ptr<BuildDevice>& device = mContext.targets.back().machine;
        const std::shared_ptr<std::byte> bytes = pagesFor(datum.device->bytes());
        if (!bytes) {
            return support::makeError(support::Code::kOutOfMemory, "no memory for ", datum.device->bytes(), " bytes");
        }
        TN_RETURN_IF_ERROR(device->copy(bytes.get(), datum.device->address(), datum.device->bytes()));
        TN_RETURN_IF_ERROR(device->synchronize());
        datum.host = ir::adoptConstant(datum.dtype, datum.dims, bytes, bytes.get());
    }
    return datum.host;
}

support::Result<std::vector<ir::ConstantPtr>> Oracle::run(const ir::Graph& body,
                                                          const std::vector<ir::ConstantPtr>& inputs,
                                                          const std::vector<int64_t>& symbolValues,
                                                          const StandIn& standIn) {
    std::vector<Datum> data;
    for (const ir::ConstantPtr& input : inputs) {
        data.push_back(datumOf(input));
    }
    TN_ASSIGN_OR_RETURN(std::vector<Datum> results, runBody(body, std::move(data), symbolValues, standIn));
    std::vector<ir::ConstantPtr> outputs;
    for (Datum& result : results) {
        TN_ASSIGN_OR_RETURN(ir::ConstantPtr output, onHost(result));
        outputs.push_back(std::move(output));
    }
    return outputs;
}

support::Result<std::vector<Oracle::Datum>> Oracle::runBody(const ir::Graph& body, std::vector<Datum> inputs,
                                                            const std::vector<int64_t>& symbolValues,
                                                            const StandIn& standIn) {
    std::map<const ir::Value*, Datum> values;
    for (size_t i = 0; i < body.inputs().size(); ++i) {
        values[body.inputs()[i]] = std::move(inputs[i]);
    }
    for (const ir::Node* node : body.nodes()) {
        if (node->op() == "const") {
            values[node->output(0)] = datumOf(node->output(0)->constant());
            continue;
        }
        std::vector<Datum> operands;
        for (const ir::Value* input : node->inputs()) {
            operands.push_back(input ? values[input] : Datum());
        }
        support::Result<std::vector<Datum>> results = runNode(*node, std::move(operands), symbolValues, standIn);
        if (!results.ok()) {
            return results.status().withContext(
                support::cat("while the oracle computes node '", node->name(), "' (", node->op(), ")"));
        }
        for (size_t i = 0; i < node->outputs().size(); ++i) {
            values[node->output(i)] = std::move((*results)[i]);
        }
    }
    std::vector<Datum> outputs;
    for (const ir::Value* output : body.outputs()) {
        outputs.push_back(values[output]);
    }
    return outputs;
}

support::Result<std::vector<ir::ConstantPtr>> Oracle::evaluate(const ir::Node& node) {
    std::vector<Datum> operands;
    for (const ir::Value* input : node.inputs()) {
        operands.push_back(input ? datumOf(input->constant()) : Datum());
        if (input && !operands.back()) {
            return support::internalError("input '", input->name(), "' of '", node.name(), "' is not a constant");
        }
    }
    const std::vector<int64_t> symbolValues(node.graph()->pool().symbols().size(), 1);
    TN_ASSIGN_OR_RETURN(std::vector<Datum> results, runNode(node, std::move(operands), symbolValues, {}));
    std::vector<ir::ConstantPtr> outputs;
    for (Datum& result : results) {
        TN_ASSIGN_OR_RETURN(ir::ConstantPtr output, onHost(result));
        outputs.push_back(std::move(output));
    }
    return outputs;
}

bool Oracle::isLarge(const Task& task) const {
    constexpr int64_t kLargeElements = int64_t{1} << 22;
    const Target& device = mContext.targets.back();
    if (device.placement == TN_PLACEMENT_HOST || !device.machine) {
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
    return largest >= kLargeElements;
}

std::vector<Candidate> Oracle::standInsFor(Task& task, bool large, const StandIn& standIn) const {
    const Target& device = mContext.targets.back();
    const std::vector<registry::ProviderEntry>& providers = mContext.snapshot->providers();
    const Candidate* const checked = standIn.checked;
    enumerateTactics(mContext, task, {});
    // Linear ports of the task's own element types, where the kernel runs.
    const auto isPlain = [](const PortLayout& port, const ir::Value* value, TnPlacement placement) {
        return equal(port, linearPort(value->type().dtype, std::max(value->type().rank(), 0), placement));
    };
    const auto serves = [&](const Candidate& candidate) {
        const Tactic& tactic = candidate.tactic;
        bool plain = (tactic.traits & TN_TRAIT_EXACT_MATH) != 0 && !tactic.isReference() &&
                     mContext.canRun(candidate.placement) &&
                     (!large || standIn.inHurry || candidate.placement == device.placement);
        for (size_t i = 0; plain && i < task.inputCount(); ++i) {
            plain = isPlain(tactic.inputs[i], task.body().inputs()[i], candidate.placement);
        }
        for (size_t i = 0; plain && i < task.outputCount(); ++i) {
            plain = isPlain(tactic.outputs[i], task.body().outputs()[i], candidate.placement);
        }
        // Nothing is compared with itself.
        const bool own = checked && candidate.provider == checked->provider;
        return plain && !(own && (!large || tactic.key() == checked->tactic.key()));
    };
    std::vector<Candidate> found;
    for (const Candidate& candidate : task.candidates) {
        if (serves(candidate)) {
            found.push_back(candidate);
        }
    }
    const auto doubt = [&](const Candidate& candidate) {
        const bool own = checked && candidate.provider == checked->provider;
        const bool devices = providers[static_cast<size_t>(candidate.provider)].name == device.backend;
        return (own ? 2 : 0) + (devices ? 0 : 1);
    };
    std::stable_sort(found.begin(), found.end(),
                     [&](const Candidate& a, const Candidate& b) { return doubt(a) < doubt(b); });
    task.candidates.clear();
    task.rejections.clear();
    return found;
}

support::Result<KernelRunner*> Oracle::referenceFor(Task& task, std::string_view op) {
    const auto known = mReferences.find(task.key());
    if (known != mReferences.end()) {
        return known->second.get();
    }
    enumerateTactics(mReferenceContext, task, {}, true);
    if (task.candidates.empty()) {
        std::string reasons;
        for (const Rejection& rejection : task.rejections) {
            reasons += support::cat(reasons.empty() ? "" : "; ", rejection.provider, ": ", rejection.reason);
        }
        return support::unsupported("no reference kernel for op '", op, "' (", reasons, ")");
    }
    TN_ASSIGN_OR_RETURN(const CompiledKernel compiled, compileTactic(mReferenceContext, task, task.candidates[0]));
    TN_ASSIGN_OR_RETURN(std::unique_ptr<KernelRunner> runner,
                        KernelRunner::open(mReferenceContext, task.candidates[0], compiled));
    return mReferences.emplace(task.key(), std::move(runner)).first->second.get();
}

support::Result<std::vector<Oracle::Datum>> Oracle::launchOnHost(KernelRunner& runner,
                                                                 const std::vector<ir::ConstantPtr>& inputs) {
    std::vector<const void*> inputAddresses;
    for (const ir::ConstantPtr& constant : inputs) {
        inputAddresses.push_back(constant ? constant->data : nullptr);
    }
    std::vector<Datum> results;
    std::vector<void*> outputAddresses;
    for (const TnTensor& output : runner.outputs()) {
        const std::shared_ptr<std::byte> bytes = pagesFor(output.bytes + 64);
        if (!bytes) {
            return support::makeError(support::Code::kOutOfMemory, "no memory for ", output.bytes, " bytes");
        }
        outputAddresses.push_back(bytes.get());
        results.push_back(datumOf(ir::adoptConstant(static_cast<ir::DataType>(output.dtype),
                                                    std::vector<int64_t>(output.dims, output.dims + output.rank), bytes,
                                                    bytes.get())));
    }
    TN_RETURN_IF_ERROR(runner.launch(inputAddresses, outputAddresses));
    return results;
}

support::Result<std::vector<Oracle::Datum>> Oracle::launchOnDevice(KernelRunner& runner,
                                                                   std::vector<Datum*> inputs) const {
    std::vector<DeviceInput::Contents> missing;
    for (const Datum* datum : inputs) {
        const bool isMissing = !datum->device && datum->host;
        missing.push_back(isMissing ? DeviceInput::Contents{datum->host->bytes, datum->host->data, datum->host->bytes}
                                    : DeviceInput::Contents{});
    }
    TN_ASSIGN_OR_RETURN(std::vector<std::shared_ptr<DeviceInput>> there,
                        DeviceInput::createRow(mContext.targets.back().machine, missing));
    for (size_t i = 0; i < inputs.size(); ++i) {
        if (there[i]) {
            inputs[i]->device = there[i];
        }
        there[i] = inputs[i]->device;
    }
    TN_ASSIGN_OR_RETURN(const std::vector<std::shared_ptr<DeviceInput>> made, runner.compute(std::move(there)));
    std::vector<Datum> results;
    for (size_t o = 0; o < made.size(); ++o) {
        const TnTensor& output = runner.outputs()[o];
        results.push_back({static_cast<ir::DataType>(output.dtype),
                           std::vector<int64_t>(output.dims, output.dims + output.rank), nullptr, made[o]});
    }
    return results;
}

support::Result<std::vector<Oracle::Datum>> Oracle::runNode(const ir::Node& node, std::vector<Datum> inputs,
                                                            const std::vector<int64_t>& symbolValues,
                                                            const StandIn& standIn) {
    if (node.op() == "fused" && node.regions().size() == 1) {
        return runBody(*node.regions()[0], std::move(inputs), symbolValues, standIn);
    }
    const Body body = extractBody({const_cast<ir::Node*>(&node)}, node.name());
    // Body inputs are the distinct present inputs, in order of first use.
    std::vector<Datum*> bound;
    std::vector<ir::ConstantPtr> known; // small ones may be axes or the like
    for (const ir::Value* outer : body.inputs) {
        for (size_t i = 0; i < node.inputs().size(); ++i) {
            if (node.inputs()[i] == outer) {
                bound.push_back(&inputs[i]);
                if (inputs[i].device && inputs[i].device->bytes() <= kSmallBytes) {
                    TN_RETURN_IF_ERROR(onHost(inputs[i]).status());
                }
                known.push_back(inputs[i].host);
                break;
            }
        }
    }
    TN_ASSIGN_OR_RETURN(const std::shared_ptr<Task> task,
                        Task::create(body.graph, std::move(known), pointBox(symbolValues), uint64_t{1} << TN_F32));
    const bool large = !mOnHostOnly && isLarge(*task);
    if (!mOnHostOnly && (large || standIn.inHurry)) {
        for (const Candidate& candidate : standInsFor(*task, large, standIn)) {
            // Whatever goes wrong, the next one is asked, and the reference at last.
            const support::Result<CompiledKernel> compiled = compileTactic(mContext, *task, candidate);
            support::Result<std::unique_ptr<KernelRunner>> runner =
                compiled.ok() ? KernelRunner::open(mContext, candidate, *compiled) : compiled.status();
            if (!runner.ok() || !(*runner)->prepare(*task, symbolValues).ok()) {
                continue;
            }
            support::Result<std::vector<Datum>> results = std::vector<Datum>();
            if ((*runner)->onDevice()) {
                results = launchOnDevice(**runner, bound);
            } else {
                std::vector<ir::ConstantPtr> operands;
                for (Datum* datum : bound) {
                    TN_ASSIGN_OR_RETURN(ir::ConstantPtr operand, onHost(*datum));
                    operands.push_back(std::move(operand));
                }
                results = launchOnHost(**runner, operands);
            }
            if (results.ok()) {
                return results;
            }
        }
    }
    TN_ASSIGN_OR_RETURN(KernelRunner* const reference, referenceFor(*task, node.op()));
    TN_RETURN_IF_ERROR(reference->prepare(*task, symbolValues));
    std::vector<ir::ConstantPtr> operands;
    for (Datum* datum : bound) {
        TN_ASSIGN_OR_RETURN(ir::ConstantPtr operand, onHost(*datum));
        operands.push_back(std::move(operand));
    }
    support::Result<std::vector<Datum>> results = launchOnHost(*reference, operands);
    if (reference->workspaceBytes() > kKeptWorkspace) {
        mReferences.erase(task->key());
    }
    return results;
}

} // namespace tenon::schedule
