#include "core/schedule/plan_assembler.h"

#include "core/support/hash.h"
#include "core/support/text.h"

#include <algorithm>
#include <set>

namespace tenon::schedule {

namespace {

std::string tacticText(const BuildContext& context, const Candidate& candidate) {
    const registry::ProviderEntry& provider = context.snapshot->providers()[static_cast<size_t>(candidate.provider)];
    return support::cat(provider.name, "/", candidate.tactic.name);
}

} // namespace

plan::ExprIndex PlanAssembler::expression(ir::DimExpr expr) {
    auto known = mExpressions.find(expr.id);
    if (known != mExpressions.end()) {
        return known->second;
    }
    ir::ExprNode node = mPool->at(expr);
    for (ir::DimExpr& operand : node.operands) {
        if (operand.valid()) {
            operand.id = expression(operand);
        }
    }
    auto index = static_cast<plan::ExprIndex>(mPlan.expressions.size());
    mPlan.expressions.push_back(node);
    mExpressions.emplace(expr.id, index);
    return index;
}

support::Result<int32_t> PlanAssembler::kernel(const Task& task, const Candidate& candidate) {
    TN_ASSIGN_OR_RETURN(CompiledKernel compiled, mTimer.compiled(task, candidate));
    std::string tactic = tacticText(mContext, candidate);
    std::string key = support::cat(compiled.runtime, "/", compiled.blobVersion, "/", tactic, "/",
                                   support::hashBytes(compiled.blob->data(), compiled.blob->size()).hex());
    auto [position, added] = mKernels.emplace(key, static_cast<int32_t>(mPlan.kernels.size()));
    if (added) {
        mPlan.kernels.push_back({compiled.runtime, compiled.blobVersion, compiled.blob, tactic});
    }
    return position->second;
}

support::Result<int64_t> PlanAssembler::workspaceAtMost(const Task& task, const Candidate& candidate) {
    if (!mContext.canRun(candidate.placement)) {
        return int64_t{0};
    }
    TN_ASSIGN_OR_RETURN(CompiledKernel compiled, mTimer.compiled(task, candidate));
    TN_ASSIGN_OR_RETURN(std::unique_ptr<KernelRunner> runner, KernelRunner::open(mContext, candidate, compiled));
    return runner->workspaceAtMost(task);
}

int32_t PlanAssembler::addConstant(plan::PlanConstant constant) {
    mPlan.constants.push_back(std::move(constant));
    return static_cast<int32_t>(mPlan.constants.size()) - 1;
}

int32_t PlanAssembler::weightTensor(int32_t constantIndex, TnPlacement placement) {
    auto known = mWeightTensors.find({constantIndex, placement});
    if (known != mWeightTensors.end()) {
        return known->second;
    }
    const plan::PlanConstant& constant = mPlan.constants[static_cast<size_t>(constantIndex)];
    plan::PlanTensor tensor;
    tensor.name = constant.name;
    tensor.role = plan::PlanTensor::Role::kConstant;
    tensor.constant = constantIndex;
    tensor.dtype = constant.dtype;
    tensor.placement = placement;
    tensor.format = constant.format;
    tensor.capacity = constant.bytes;
    for (int64_t dim : constant.dims) {
        tensor.dims.push_back(expression(mPool->constant(dim)));
    }
    auto index = static_cast<int32_t>(mPlan.weightProgram.tensors.size());
    mPlan.weightProgram.tensors.push_back(std::move(tensor));
    mWeightTensors.emplace(std::pair(constantIndex, placement), index);
    return index;
}

void PlanAssembler::addWeightStep(plan::PlanStep step) { mPlan.weightProgram.steps.push_back(std::move(step)); }

support::Result<int32_t> PlanAssembler::constant(const ir::Value& value, const PortLayout& asked,
                                                 Conversions& conversions) {
    PortLayout port = asked;
    if (port.placement != TN_PLACEMENT_HOST) {
        TN_ASSIGN_OR_RETURN(const ConstantRoute route, routeOf(conversions, mPool, value.type(), port));
        if (route.kind == ConstantRoute::Kind::kDevice) {
            return deviceConstant(value, port, conversions);
        }
        port.placement = TN_PLACEMENT_HOST; // the runtime copies the bytes
    }
    std::string layout = toText(port);
    auto known = mConstants.find({value.name(), layout});
    if (known != mConstants.end()) {
        return known->second;
    }
    ir::ConstantPtr source = value.constant();
    PortLayout linear = linearPort(source->dtype, static_cast<int32_t>(source->dims.size()));
    plan::PlanConstant entry;
    entry.name = value.name();
    entry.dims = source->dims;
    if (equal(port, linear)) {
        entry.identity = source->weightsName;
        entry.dtype = source->dtype;
        entry.format = linear.format;
        entry.bytes = source->bytes;
        entry.owner = source;
        entry.data = source->data;
        int32_t index = addConstant(std::move(entry));
        mConstants.emplace(std::pair(value.name(), layout), index);
        return index;
    }
    TN_ASSIGN_OR_RETURN(int32_t sourceIndex, constant(value, linear, conversions));
    TN_ASSIGN_OR_RETURN(const ConversionChoice* choice,
                        conversions.direct(value.producer()->graph()->poolPtr(), value.type(), linear, port));
    if (!choice) {
        return support::internalError("no module converts constant '", value.name(), "' to ", layout,
                                      " though selection relied on it");
    }
    const Candidate& candidate = choice->task->candidates[static_cast<size_t>(choice->candidate)];
    TN_ASSIGN_OR_RETURN(CompiledKernel compiled, mTimer.compiled(*choice->task, candidate));
    TN_ASSIGN_OR_RETURN(std::unique_ptr<KernelRunner> runner, KernelRunner::open(mContext, candidate, compiled));
    std::vector<int64_t> symbolValues = conversions.box().opt;
    TN_RETURN_IF_ERROR(runner->prepare(*choice->task, symbolValues));
    const TnTensor& output = runner->outputs()[0];
    auto bytes = std::make_shared<GuardedBuffer>(output.bytes);
    if (!bytes->data()) {
        return support::makeError(support::Code::kOutOfMemory, "no memory for ", output.bytes,
                                  " bytes of packed weights");
    }
    TN_RETURN_IF_ERROR(runner->launch({source->data}, {bytes->data()}));
    if (!bytes->canariesIntact()) {
        return support::internalError("packing constant '", value.name(), "' into ", layout, " wrote outside its ",
                                      output.bytes, " bytes");
    }
    entry.dtype = static_cast<ir::DataType>(port.dtype);
    entry.format = port.format;
    entry.bytes = output.bytes;
    entry.owner = bytes;
    entry.data = bytes->data();
    entry.derived = true;
    int32_t index = addConstant(std::move(entry));
    mConstants.emplace(std::pair(value.name(), layout), index);

    plan::PlanStep step;
    step.kind = plan::StepKind::kConvert;
    step.op = "convert";
    step.name = support::cat("pack ", value.name());
    step.sources = value.producer()->source().names();
    TN_ASSIGN_OR_RETURN(step.kernel, kernel(*choice->task, candidate));
    step.inputs = {weightTensor(sourceIndex)};
    step.outputs = {weightTensor(index)};
    step.workspaceCapacity = runner->workspaceBytes();
    step.traits = candidate.tactic.traits & ~TN_TRAIT_FREE_ALIAS; // a constant of its own is written
    mPlan.weightProgram.arenaBytes = std::max(mPlan.weightProgram.arenaBytes, (step.workspaceCapacity + 63) / 64 * 64);
    addWeightStep(std::move(step));
    return index;
}

support::Result<int32_t> PlanAssembler::deviceConstant(const ir::Value& value, const PortLayout& port,
                                                       Conversions& conversions) {
    const std::string layout = toText(port);
    if (auto known = mConstants.find({value.name(), layout}); known != mConstants.end()) {
        return known->second;
    }
    const ir::ConstantPtr source = value.constant();
    const PortLayout linear = linearPort(source->dtype, static_cast<int32_t>(source->dims.size()), port.placement);
    TN_ASSIGN_OR_RETURN(const int32_t sourceIndex, constant(value, linear, conversions));
    TN_ASSIGN_OR_RETURN(const ConversionChoice* choice, conversions.direct(mPool, value.type(), linear, port));
    if (!choice) {
        return support::internalError("no module converts constant '", value.name(), "' to ", layout,
                                      " though selection relied on it");
    }
    const Candidate& candidate = choice->task->candidates[static_cast<size_t>(choice->candidate)];
    TN_ASSIGN_OR_RETURN(const TnTensor tensor, tensorAt(port, source->dims));
    plan::PlanConstant entry;
    entry.name = value.name();
    entry.dims = source->dims;
    entry.dtype = static_cast<ir::DataType>(port.dtype);
    entry.format = port.format;
    entry.bytes = tensor.bytes;
    entry.derived = true;
    const int32_t index = addConstant(std::move(entry));
    mConstants.emplace(std::pair(value.name(), layout), index);

    plan::PlanStep step;
    step.kind = plan::StepKind::kConvert;
    step.op = "convert";
    step.name = support::cat("pack ", value.name());
    step.sources = value.producer()->source().names();
    step.placement = port.placement;
    TN_ASSIGN_OR_RETURN(step.kernel, kernel(*choice->task, candidate));
    step.inputs = {weightTensor(sourceIndex, port.placement)};
    step.outputs = {weightTensor(index, port.placement)};
    step.traits = candidate.tactic.traits & ~TN_TRAIT_FREE_ALIAS; // a constant of its own is written
    addWeightStep(std::move(step));
    return index;
}

support::Status PlanAssembler::addWeightGraph(const ir::Graph& weights) {
    ir::SymbolBox box;
    Conversions conversions(mContext, box);
    // What is derived is derived by the reference, whatever providers the rest may use.
    BuildOptions options = *mContext.options;
    options.providers.clear();
    options.forbiddenProviders.clear();
    BuildContext context = mContext;
    context.options = &options;
    for (ir::Node* node : weights.nodes()) {
        if (node->op() == "const") {
            continue;
        }
        Body body = extractBody({node}, node->name());
        std::vector<ir::ConstantPtr> constants(body.inputs.size());
        TN_ASSIGN_OR_RETURN(std::shared_ptr<Task> task,
                            Task::create(body.graph, constants, box, uint64_t{1} << TN_F32));
        enumerateTactics(context, *task, {}, true);
        if (task->candidates.empty()) {
            return support::internalError("folded node '", node->name(), "' has no reference kernel any more");
        }
        const Candidate& candidate = task->candidates[0];
        plan::PlanStep step;
        step.op = node->op();
        step.name = node->name();
        step.sources = node->source().names();
        step.traits = candidate.tactic.traits & ~TN_TRAIT_FREE_ALIAS;
        TN_ASSIGN_OR_RETURN(step.kernel, kernel(*task, candidate));
        TN_ASSIGN_OR_RETURN(CompiledKernel compiled, mTimer.compiled(*task, candidate));
        TN_ASSIGN_OR_RETURN(std::unique_ptr<KernelRunner> runner, KernelRunner::open(mContext, candidate, compiled));
        std::vector<int64_t> symbolValues(weights.pool().symbols().size(), 1);
        TN_RETURN_IF_ERROR(runner->prepare(*task, symbolValues));
        step.workspaceCapacity = runner->workspaceBytes();
        mPlan.weightProgram.arenaBytes =
            std::max(mPlan.weightProgram.arenaBytes, (step.workspaceCapacity + 63) / 64 * 64);
        for (ir::DimExpr scalar : task->scalars()) {
            step.scalars.push_back(expression(scalar));
        }
        auto tensorOf = [&](ir::Value* value) -> support::Result<int32_t> {
            ir::ConstantPtr known = value->constant();
            plan::PlanConstant entry;
            entry.name = value->name();
            auto existing = mConstants.find({value->name(), "weights"});
            if (existing != mConstants.end()) {
                return weightTensor(existing->second);
            }
            entry.dtype = value->type().dtype;
            for (ir::DimExpr dim : value->type().dims) {
                entry.dims.push_back(weights.pool().constantValue(dim));
            }
            entry.format = ir::linearFormat(static_cast<int32_t>(entry.dims.size()));
            entry.bytes = ir::bytesOf(entry.format, entry.dtype, entry.dims.data());
            if (known) {
                entry.identity = known->weightsName;
                entry.owner = known;
                entry.data = known->data;
            } else {
                entry.derived = true;
            }
            // A derived constant that the engine reads is in the table already, in its linear layout, under the same name.
            auto engine = mConstants.find(
                {value->name(), toText(linearPort(entry.dtype, static_cast<int32_t>(entry.dims.size())))});
            int32_t index = engine != mConstants.end() ? engine->second : addConstant(std::move(entry));
            if (engine != mConstants.end() && !known) {
                mPlan.constants[static_cast<size_t>(index)].derived = true;
            }
            mConstants.emplace(std::pair(value->name(), "weights"), index);
            return weightTensor(index);
        };
        for (ir::Value* input : body.inputs) {
            TN_ASSIGN_OR_RETURN(int32_t tensor, tensorOf(input));
            step.inputs.push_back(tensor);
        }
        for (ir::Value* output : body.outputs) {
            TN_ASSIGN_OR_RETURN(int32_t tensor, tensorOf(output));
            step.outputs.push_back(tensor);
        }
        addWeightStep(std::move(step));
    }
    // Folding comes before packing: steps were recorded in the order of need.
    std::stable_partition(mPlan.weightProgram.steps.begin(), mPlan.weightProgram.steps.end(),
                          [](const plan::PlanStep& step) { return step.kind == plan::StepKind::kLaunch; });
    return {};
}

void PlanAssembler::dropUnreadSources() {
    std::set<int32_t> read;
    for (const plan::PlanProgram& program : mPlan.programs) {
        for (const plan::PlanTensor& tensor : program.tensors) {
            if (tensor.role == plan::PlanTensor::Role::kConstant) {
                read.insert(tensor.constant);
            }
        }
    }
    // What is made when the plan is loaded reads its sources then.
    const plan::PlanProgram& weights = mPlan.weightProgram;
    for (auto step = weights.steps.rbegin(); step != weights.steps.rend(); ++step) {
        for (int32_t output : step->outputs) {
            const int32_t made = weights.tensors[static_cast<size_t>(output)].constant;
            if (read.count(made) && !mPlan.constants[static_cast<size_t>(made)].data) {
                for (int32_t input : step->inputs) {
                    read.insert(weights.tensors[static_cast<size_t>(input)].constant);
                }
            }
        }
    }
    for (size_t i = 0; i < mPlan.constants.size(); ++i) {
        if (!read.count(static_cast<int32_t>(i))) {
            mPlan.constants[i].owner.reset();
            mPlan.constants[i].data = nullptr;
        }
    }
}

void PlanAssembler::finishDevices() {
    size_t used = 0;
    const auto use = [&used](TnPlacement placement) { used = std::max(used, static_cast<size_t>(placement)); };
    const auto useAll = [&](const plan::PlanProgram& program) {
        for (const plan::PlanTensor& tensor : program.tensors) {
            use(tensor.placement);
        }
        for (const plan::PlanStep& step : program.steps) {
            use(step.placement);
        }
    };
    std::for_each(mPlan.programs.begin(), mPlan.programs.end(), useAll);
    useAll(mPlan.weightProgram);
    for (const plan::PlanBinding& binding : mPlan.bindings) {
        use(binding.placement);
    }
    for (size_t placement = 1; placement <= used; ++placement) {
        const Target& target = mContext.targetAt(static_cast<TnPlacement>(placement));
        mPlan.devices.push_back({target.backend, target.json, target.fingerprint});
    }
    for (plan::PlanProgram& program : mPlan.programs) {
        program.deviceArenaBytes.resize(used, 0);
    }
    mPlan.weightProgram.deviceArenaBytes.resize(used, 0);
}

} // namespace tenon::schedule
