#include "backends/common/task_kernel.h"

#include "backends/common/parallel.h"
#include "backends/common/ports.h"

namespace tenon::kernels {

namespace {

Shape shapeOf(const TnTensor& tensor, const TnPortFormat& port) {
    if (tensor.rank < 0 || tensor.rank > TN_MAX_DIMS || tensor.rank != port.format.rank) {
        invalid("a tensor of rank ", tensor.rank, " at a port of rank ", port.format.rank);
    }
    if (tensor.dtype != port.dtype) {
        invalid("a tensor of ", nameOf(tensor.dtype), " at a port of ", nameOf(port.dtype));
    }
    Shape shape;
    shape.present = true;
    shape.dtype = tensor.dtype;
    shape.dims.assign(tensor.dims, tensor.dims + tensor.rank);
    for (int64_t dim : shape.dims) {
        if (dim < 0) {
            invalid("a tensor with an extent of ", dim);
        }
    }
    shape.elements = product(shape.dims);
    shape.format = tensor.format;
    if (shape.format.rank != tensor.rank) {
        shape.format = port.format;
    }
    shape.bytes = module::bytesOf(shape.format, shape.dtype, shape.dims.data());
    if (shape.bytes < 0) {
        invalid("a tensor of shape ", shapeText(shape.dims), " has more bytes than 64 bits count");
    }
    return shape;
}

PortShapes shapesOf(const Task& task, const module::PrepareArgs& args, int threads) {
    if (args.inputCount() != static_cast<int32_t>(task.inputs.size()) ||
        args.outputCount() != static_cast<int32_t>(task.outputs.size())) {
        invalid("prepare with ", args.inputCount(), " inputs and ", args.outputCount(), " outputs for a kernel of ",
                task.inputs.size(), " and ", task.outputs.size());
    }
    PortShapes shapes;
    for (size_t i = 0; i < task.inputs.size(); ++i) {
        shapes.inputs.push_back(shapeOf(args.input(static_cast<int32_t>(i)), task.inputs[i]));
    }
    for (size_t i = 0; i < task.outputs.size(); ++i) {
        shapes.outputs.push_back(shapeOf(args.output(static_cast<int32_t>(i)), task.outputs[i]));
    }
    shapes.scalars = args.scalars();
    shapes.threads = std::max(1, threads);
    return shapes;
}

class TeamSession final : public module::Session {
public:
    explicit TeamSession(const TnThreadTeam* team) : mTeam(team) {}
    const TnThreadTeam* team() const { return mTeam; }
    int threads() const { return mTeam != nullptr ? mTeam->threads : 1; }

private:
    const TnThreadTeam* mTeam;
};

// Of a kernel of this session.
const TnThreadTeam* teamOf(const Task& task, const TeamSession& session) {
    return (task.tactic & kOnOneThread) != 0 ? nullptr : session.team();
}
int threadsOf(const Task& task, const TeamSession& session) {
    return (task.tactic & kOnOneThread) != 0 ? 1 : session.threads();
}

class TaskState final : public module::State {
public:
    TaskState(const Planner& planner, const Task& task, const TeamSession& session)
        : mPlanner(planner), mTask(task), mSession(session) {}

    module::Code prepare(const module::PrepareArgs& args, module::Reason& reason) override {
        const TeamScope scope(teamOf(mTask, mSession));
        return explained(reason, [&] {
            mPlan = mPlanner.plan(mTask, shapesOf(mTask, args, threadsOf(mTask, mSession)));
            mInputs.assign(mPlan.inputPorts.size(), nullptr);
            mOutputs.assign(mPlan.outputPorts.size(), nullptr);
        });
    }

    module::Code launch(const module::LaunchArgs& args) override {
        module::Reason reason = args.reason();
        if (!mPlan.plan.run) {
            return reason.invalidArgument("launch before prepare");
        }
        for (size_t i = 0; i < mInputs.size(); ++i) {
            mInputs[i] = mPlan.inputPorts[i] < 0 ? nullptr : args.inputs()[mPlan.inputPorts[i]];
        }
        for (size_t i = 0; i < mOutputs.size(); ++i) {
            mOutputs[i] = mPlan.outputPorts[i] < 0 ? nullptr : args.outputs()[mPlan.outputPorts[i]];
        }
        const TeamScope scope(teamOf(mTask, mSession));
        return mPlan.plan.run({mInputs.data(), mOutputs.data(), args.workspace(), &reason});
    }

private:
    const Planner& mPlanner;
    const Task& mTask;
    const TeamSession& mSession;
    TaskPlan mPlan;
    std::vector<const void*> mInputs;
    std::vector<void*> mOutputs;
};

class TaskKernel final : public module::Kernel {
public:
    TaskKernel(std::shared_ptr<const Planner> planner, module::OwnedGraph graph, Task task)
        : mPlanner(std::move(planner)), mGraph(std::move(graph)), mTask(std::move(task)) {
        mTask.body = mGraph.graph();
    }
    const Task& task() const { return mTask; }

    int64_t workspace(module::Session& session, const module::PrepareArgs& args,
                      module::Reason& reason) const override {
        int64_t bytes = -1;
        explained(reason, [&] {
            const int threads = threadsOf(mTask, static_cast<TeamSession&>(session));
            bytes = mPlanner->plan(mTask, shapesOf(mTask, args, threads)).plan.workspace;
        });
        return bytes;
    }
    std::unique_ptr<module::State> makeState(module::Session& session, module::Reason&) const override {
        return std::make_unique<TaskState>(*mPlanner, mTask, static_cast<TeamSession&>(session));
    }

private:
    std::shared_ptr<const Planner> mPlanner;
    module::OwnedGraph mGraph;
    Task mTask;
};

} // namespace

void checkNodeTask(const KernelTable& table, const Task& task, bool mayBeBrain) {
    const module::GraphView& body = task.body;
    if (body.nodeCount() != 1) {
        refuse("a region of ", body.nodeCount(), " nodes; single ops only");
    }
    const module::NodeView node = body.node(0);
    table.require(node);
    for (int32_t i = 0; i < node.inputCount(); ++i) {
        if (node.hasInput(i) && portOf(body.inputs(), node.inputIndex(i)) < 0) {
            invalid(node.op(), ": input ", i, " is no input of the task");
        }
    }
    for (const int32_t output : body.outputs()) {
        bool made = false;
        for (int32_t o = 0; o < node.outputCount(); ++o) {
            made = made || node.outputIndex(o) == output;
        }
        if (!made) {
            invalid("an output of the task is no output of its node ", node.op());
        }
    }
    if (task.inputs.size() != body.inputs().size() || task.outputs.size() != body.outputs().size()) {
        invalid(node.op(), ": the tactic has another number of ports than the task");
    }
    const bool isConvert = node.op() == "convert";
    const auto checkPort = [&](const TnPortFormat& port, module::ValueView value) {
        if (port.placement != TN_PLACEMENT_HOST) {
            refuse(node.op(), " in another memory than the host's");
        }
        if (port.format.rank != value.rank()) {
            invalid(node.op(), ": a port of rank ", port.format.rank, " for a tensor of rank ", value.rank());
        }
        const bool isType =
            port.dtype == value.dtype() || (mayBeBrain && port.dtype == TN_BF16 && value.dtype() == TN_F32);
        if (!isConvert && (!module::isLinear(port.format) || !isType)) {
            refuse(node.op(), " in the layout ", module::describe(port.format), " of ", nameOf(port.dtype),
                   "; only linear layouts in the tensors' own types are supported");
        }
        if (isConvert && (module::isOpaque(port.format) || !contains(kWholeBytes, port.dtype))) {
            refuse("convert of ", nameOf(port.dtype), " in the layout ", module::describe(port.format),
                   "; supported are structural layouts of types of whole bytes");
        }
    };
    for (size_t i = 0; i < task.inputs.size(); ++i) {
        checkPort(task.inputs[i], body.value(body.inputs()[i]));
    }
    for (size_t i = 0; i < task.outputs.size(); ++i) {
        checkPort(task.outputs[i], body.value(body.outputs()[i]));
    }
    if (isConvert) {
        if (task.inputs.size() != 1 || task.outputs.size() != 1) {
            invalid("convert with ", task.inputs.size(), " inputs and ", task.outputs.size(), " outputs");
        }
        const TnDataType from = task.inputs[0].dtype;
        const TnDataType to = task.outputs[0].dtype;
        if (from != to && !(contains(kFloats, from) && contains(kFloats, to))) {
            refuse("convert from ", nameOf(from), " to ", nameOf(to), "; supported are float types among each other");
        }
    }
}

TaskPlan planNode(const KernelTable& table, const Task& task, const PortShapes& shapes) {
    const module::NodeView node = task.body.node(0);
    TaskPlan result;
    std::vector<Shape> inputs(static_cast<size_t>(node.inputCount()));
    for (int32_t i = 0; i < node.inputCount(); ++i) {
        const int32_t port = node.hasInput(i) ? portOf(task.body.inputs(), node.inputIndex(i)) : -1;
        result.inputPorts.push_back(port);
        if (port >= 0) {
            inputs[static_cast<size_t>(i)] = shapes.inputs[static_cast<size_t>(port)];
        }
    }
    std::vector<Shape> outputs(static_cast<size_t>(node.outputCount()));
    for (int32_t o = 0; o < node.outputCount(); ++o) {
        const int32_t port = portOf(task.body.outputs(), node.outputIndex(o));
        result.outputPorts.push_back(port);
        if (port >= 0) {
            outputs[static_cast<size_t>(o)] = shapes.outputs[static_cast<size_t>(port)];
        }
    }
    if (result.outputPorts[0] < 0 && node.op() != "topk" && node.op() != "split") {
        refuse(node.op(), " whose first output nobody reads");
    }
    const Call call(node, shapes.scalars, std::move(inputs), std::move(outputs), shapes.threads);
    result.plan = table.find(node.op())->plan(call);
    return result;
}

module::BlobWriter writeTask(const Task& task) {
    module::BlobWriter out(kTaskBlobVersion);
    out.u64(task.tactic);
    module::writeGraph(out, task.body);
    for (const TnPortFormat& port : task.inputs) {
        out.port(port);
    }
    for (const TnPortFormat& port : task.outputs) {
        out.port(port);
    }
    return out;
}

Task taskOf(const module::TaskView& task, const module::TacticView& tactic) {
    Task result;
    result.body = task.body();
    result.tactic = tactic.id();
    for (int32_t i = 0; i < task.inputCount(); ++i) {
        result.inputs.push_back(tactic.input(i));
    }
    for (int32_t i = 0; i < task.outputCount(); ++i) {
        result.outputs.push_back(tactic.output(i));
    }
    return result;
}

std::unique_ptr<module::Session> TaskRuntime::openSession(const module::SessionInfo& info, module::Reason&) {
    return std::make_unique<TeamSession>(info.team());
}

std::unique_ptr<module::Kernel> TaskRuntime::deserialize(std::span<const std::byte> blob, uint32_t,
                                                         module::Reason& reason) {
    module::BlobReader in(blob, kTaskBlobVersion);
    Task task;
    task.tactic = in.u64();
    module::OwnedGraph graph = module::readGraph(in);
    task.body = graph.graph();
    for (size_t i = 0; i < task.body.inputs().size() && in.ok(); ++i) {
        task.inputs.push_back(in.port());
    }
    for (size_t i = 0; i < task.body.outputs().size() && in.ok(); ++i) {
        task.outputs.push_back(in.port());
    }
    if (!in.finish(reason)) {
        return nullptr;
    }
    auto kernel = std::make_unique<TaskKernel>(mPlanner, std::move(graph), std::move(task));
    const module::Code code = explained(reason, [&] { mPlanner->check(kernel->task()); });
    return code == module::Code::kOk ? std::move(kernel) : nullptr;
}

} // namespace tenon::kernels
