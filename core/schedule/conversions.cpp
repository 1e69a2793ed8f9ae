#include "core/schedule/conversions.h"

#include "core/ir/editor.h"
#include "core/schedule/copy_costs.h"
#include "core/schedule/kernel_runner.h"
#include "core/schedule/tactic_timer.h"
#include "core/schedule/tensor_data.h"
#include "core/support/text.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>

namespace tenon::schedule {

namespace {

constexpr double kFreeAliasUs =
    0.01; // where memory cannot be shared, it copies: seldom, and what comes out is small or the user's
constexpr double kModelBytesPerUs = 8000; // 8 GB/s
constexpr double kModelLaunchUs = 1;
// Of some kilobytes; what steps of large tensors lose beyond it no choice among them saves.
constexpr double kHandOverUs = 0.5;
// Up to so many elements of its results a step is not shared out.
constexpr int64_t kAloneElements = 1024;
constexpr double kModelDeviceBytesPerUs = 500'000; // 500 GB/s
constexpr double kModelDeviceLaunchUs = 3;

std::shared_ptr<const ir::Graph> conversionBody(const std::shared_ptr<ir::ExprPool>& pool, const ir::TensorType& type) {
    auto graph = std::make_shared<ir::Graph>("convert", pool);
    {
        ir::GraphEditor editor(*graph);
        ir::NodeSpec spec;
        spec.op = "convert";
        spec.inputs = {editor.addInput("from", type)};
        spec.outputTypes = {type};
        spec.outputNames = {"to"};
        spec.source = ir::SourceSet("convert");
        editor.addOutput(editor.addNode(std::move(spec))->output(0));
    }
    graph->freeze();
    return graph;
}

int64_t bytesAtOpt(const Task& task, const Tactic& tactic) {
    const ir::TensorType& type = task.body().inputs()[0]->type();
    std::vector<int64_t> dims = evaluateDims(task.body().pool(), type, task.box().opt);
    int64_t bytes = 0;
    for (const PortLayout& port : {tactic.inputs[0], tactic.outputs[0]}) {
        support::Result<TnTensor> tensor = tensorAt(port, dims);
        bytes += tensor.ok() ? tensor->bytes : 0;
    }
    return bytes;
}

} // namespace

double modelledDeviceUs(int64_t bytes) {
    return kModelDeviceLaunchUs + static_cast<double>(bytes) / kModelDeviceBytesPerUs;
}

double modelledUs(int64_t bytes) { return kModelLaunchUs + static_cast<double>(bytes) / kModelBytesPerUs; }

double handOverUs(const BuildContext& context, const Task& task) {
    if (context.host().threads <= 1) {
        return 0;
    }
    for (const ir::Value* output : task.body().outputs()) {
        int64_t elements = 1;
        for (const int64_t extent : evaluateDims(task.body().pool(), output->type(), task.box().opt)) {
            elements *= extent;
        }
        if (elements > kAloneElements) {
            return kHandOverUs;
        }
    }
    return 0;
}

support::Result<const ConversionChoice*> Conversions::direct(const std::shared_ptr<ir::ExprPool>& pool,
                                                             const ir::TensorType& type, const PortLayout& from,
                                                             const PortLayout& to) {
    if (from.placement != to.placement) {
        return copy(*pool, type, from, to);
    }
    TN_ASSIGN_OR_RETURN(std::shared_ptr<Task> task,
                        Task::create(conversionBody(pool, type), {}, mBox, uint64_t{1} << TN_F32, from, to));
    auto [position, added] = mChoices.emplace(task->key(), nullptr);
    if (!added) {
        return position->second.get();
    }
    enumerateTactics(mContext, *task, {});
    mTasks.push_back(task);
    const bool isFree = std::any_of(task->candidates.begin(), task->candidates.end(),
                                    [](const Candidate& each) { return each.tactic.isFreeAlias(); });
    if (mTimer && !isFree) {
        time(*task);
    }
    position->second = cheapest(task);
    return position->second.get();
}

void Conversions::time(Task& task) {
    std::vector<Candidate*> references;
    std::vector<Candidate*> others;
    for (Candidate& candidate : task.candidates) {
        (candidate.tactic.isReference() ? references : others).push_back(&candidate);
    }
    mTimer->time(task, others);
    if (!task.hasFast()) {
        mTimer->time(task, references);
    }
}

void Conversions::reconsider(const Task& task) {
    std::unique_ptr<ConversionChoice>& choice = mChoices.at(task.key());
    if (mTimer) {
        time(*choice->task);
    }
    choice = cheapest(choice->task);
}

void Conversions::spare(const std::set<int32_t>& providers) {
    if (providers == mSpared) {
        return;
    }
    mSpared = providers;
    for (const std::shared_ptr<Task>& task : mTasks) {
        mChoices.at(task->key()) = cheapest(task);
    }
}

std::unique_ptr<ConversionChoice> Conversions::cheapest(const std::shared_ptr<Task>& task) const {
    auto choice = std::make_unique<ConversionChoice>();
    const bool hasFast = task->hasFast();
    for (size_t c = 0; c < task->candidates.size(); ++c) {
        const Candidate& candidate = task->candidates[c];
        if (candidate.state == CandidateState::kFailed || candidate.state == CandidateState::kWrong ||
            mSpared.count(candidate.provider) > 0 || (hasFast && candidate.tactic.isReference())) {
            continue;
        }
        double cost = candidate.time.us + (candidate.placement == TN_PLACEMENT_HOST ? handOverUs(mContext, *task) : 0);
        if (candidate.tactic.isFreeAlias()) {
            cost = kFreeAliasUs;
        } else if (candidate.state == CandidateState::kOpen) {
            const int64_t bytes = bytesAtOpt(*task, candidate.tactic);
            cost = candidate.placement == TN_PLACEMENT_HOST ? modelledUs(bytes) : modelledDeviceUs(bytes);
            cost *= candidate.tactic.isReference() ? 20 : 1;
        }
        if (choice->candidate < 0 || cost < choice->costUs) {
            choice->candidate = static_cast<int32_t>(c);
            choice->costUs = cost;
        }
    }
    if (choice->candidate < 0) {
        return nullptr;
    }
    choice->task = task;
    return choice;
}

support::Result<const ConversionChoice*> Conversions::copy(const ir::ExprPool& pool, const ir::TensorType& type,
                                                           const PortLayout& from, const PortLayout& to) {
    PortLayout there = from;
    there.placement = to.placement;
    const bool viaHost = from.placement != TN_PLACEMENT_HOST && to.placement != TN_PLACEMENT_HOST;
    if (!equal(there, to) || viaHost || ir::isOpaque(from.format) || from.format.outer_pitch != 0) {
        return static_cast<const ConversionChoice*>(nullptr);
    }
    TN_ASSIGN_OR_RETURN(const TnTensor tensor, tensorAt(from, evaluateDims(pool, type, mBox.opt)));
    std::unique_ptr<ConversionChoice>& choice =
        mChoices[support::cat("copy ", tensor.bytes, " ", from.placement, " ", to.placement)];
    if (!choice) {
        choice = std::make_unique<ConversionChoice>();
        CopyCosts estimates(mContext, nullptr, false);
        choice->costUs = (mCopyCosts ? *mCopyCosts : estimates).us(from.placement, to.placement, tensor.bytes);
    }
    return choice.get();
}

support::Result<ConstantRoute> routeOf(Conversions& conversions, const std::shared_ptr<ir::ExprPool>& pool,
                                       const ir::TensorType& type, const PortLayout& port) {
    using Kind = ConstantRoute::Kind;
    PortLayout linear = linearPort(type.dtype, std::max(type.rank(), 0));
    PortLayout onHost = port;
    onHost.placement = TN_PLACEMENT_HOST;
    if (equal(linear, onHost)) {
        return ConstantRoute{Kind::kHost};
    }
    TN_ASSIGN_OR_RETURN(const ConversionChoice* choice, conversions.direct(pool, type, linear, onHost));
    if (choice) {
        return ConstantRoute{Kind::kHost, choice};
    }
    if (port.placement == TN_PLACEMENT_HOST) {
        return ConstantRoute{};
    }
    linear.placement = port.placement;
    TN_ASSIGN_OR_RETURN(choice, conversions.direct(pool, type, linear, port));
    return choice ? ConstantRoute{Kind::kDevice, choice} : ConstantRoute{};
}

support::Result<ir::ConstantPtr> convertBytes(const BuildContext& context, const ir::ConstantPtr& from,
                                              const PortLayout& fromPort, const PortLayout& toPort, ConvertBy by) {
    // The bytes are in host memory, wherever the ports are.
    PortLayout hostFrom = fromPort;
    PortLayout hostTo = toPort;
    hostFrom.placement = hostTo.placement = TN_PLACEMENT_HOST;
    if (equal(hostFrom, hostTo)) {
        return from;
    }
    auto pool = std::make_shared<ir::ExprPool>();
    ir::TensorType type;
    type.dtype = from->dtype;
    for (int64_t dim : from->dims) {
        type.dims.push_back(pool->constant(dim));
    }
    Conversions conversions(context, {});
    TN_ASSIGN_OR_RETURN(const ConversionChoice* choice, conversions.direct(pool, type, hostFrom, hostTo));
    if (const TnPlacement device = std::max(fromPort.placement, toPort.placement);
        !choice && device != TN_PLACEMENT_HOST) {
        hostFrom.placement = hostTo.placement = device;
        TN_ASSIGN_OR_RETURN(choice, conversions.direct(pool, type, hostFrom, hostTo));
    }
    if (!choice) {
        return support::unsupported("no module converts ", toText(fromPort), " to ", toText(toPort));
    }
    const std::vector<Candidate>& candidates = choice->task->candidates;
    auto chosen = candidates.begin() + choice->candidate;
    if (by == ConvertBy::kReference) {
        const auto reference = std::find_if(candidates.begin(), candidates.end(),
                                            [](const Candidate& each) { return each.tactic.isReference(); });
        chosen = reference != candidates.end() ? reference : chosen;
    }
    const Candidate& candidate = *chosen;
    TN_ASSIGN_OR_RETURN(CompiledKernel compiled, compileTactic(context, *choice->task, candidate));
    TN_ASSIGN_OR_RETURN(std::unique_ptr<KernelRunner> runner, KernelRunner::open(context, candidate, compiled));
    TN_RETURN_IF_ERROR(runner->prepare(*choice->task, {}));
    const TnTensor& output = runner->outputs()[0];
    const std::shared_ptr<std::byte> bytes = pagesFor(output.bytes);
    if (!bytes) {
        return support::makeError(support::Code::kOutOfMemory, "no memory for ", output.bytes, " bytes");
    }
    TN_RETURN_IF_ERROR(runner->launch({from->data}, {bytes.get()}));
    auto converted = std::make_shared<ir::Constant>();
    converted->dtype = static_cast<ir::DataType>(toPort.dtype);
    converted->dims = from->dims;
    converted->owner = bytes;
    converted->data = static_cast<const std::byte*>(bytes.get());
    converted->bytes = output.bytes;
    return ir::ConstantPtr(std::move(converted));
}

} // namespace tenon::schedule
