#include "core/schedule/kernel_runner.h"

#include "registry/text_sink.h"

#include "core/schedule/tensor_data.h"

#include <chrono>
#include <cstring>
#include <set>
#include <utility>

namespace tenon::schedule {

namespace {

struct BlobCollector {
    CompiledKernel kernel;
    static void set(void* context, TnString runtime, uint32_t version, const void* data, size_t size) {
        auto& self = *static_cast<BlobCollector*>(context);
        self.kernel.runtime.assign(runtime.data, runtime.size);
        self.kernel.blobVersion = version;
        auto bytes = static_cast<const std::byte*>(data);
        self.kernel.blob = std::make_shared<std::vector<std::byte>>(bytes, bytes + size);
    }
};

} // namespace

support::Result<CompiledKernel> compileTactic(const BuildContext& context, const Task& task, const Candidate& candidate,
                                              bool mayStop) {
    const registry::ProviderEntry& provider = context.snapshot->providers()[static_cast<size_t>(candidate.provider)];
    TnTactic tactic{};
    tactic.struct_size = sizeof(TnTactic);
    tactic.id = candidate.tactic.id;
    tactic.name = {candidate.tactic.name.data(), candidate.tactic.name.size()};
    tactic.inputs = candidate.tactic.inputs.data();
    tactic.outputs = candidate.tactic.outputs.data();
    tactic.port_stride = sizeof(PortLayout);
    tactic.traits = candidate.tactic.traits;
    tactic.estimate_us = candidate.tactic.estimateUs;
    tactic.may_alias = candidate.tactic.mayAlias.empty() ? nullptr : candidate.tactic.mayAlias.data();

    // Layout-generic tactics were enumerated for these very ports, so they are what the task offers now.
    std::vector<std::vector<PortLayout>> offered;
    for (const PortLayout& port : candidate.tactic.inputs) {
        offered.push_back({port});
    }
    BlobCollector collector;
    TnBlobSink blobSink{&collector, BlobCollector::set};
    const BuildContext* contextPointer = &context;
    TnCancel cancel{const_cast<BuildContext*>(contextPointer),
                    [](void* self) -> int32_t { return static_cast<const BuildContext*>(self)->cancelled() ? 1 : 0; }};
    registry::TextSink sink;
    TnTarget target = context.targetAt(candidate.placement).view();
    if (!mayStop) {
        cancel.requested = [](void*) -> int32_t { return 0; };
    }
    TnCode code = task.withView(offered, context.options->workspaceLimit, [&](const TnTask& view) {
        return provider.table.compile(provider.table.self, &target, &view, &tactic, &cancel, &blobSink, sink.sink());
    });
    if (code != TN_OK) {
        return support::makeError(registry::codeOf(code), "compile: ", sink.textOr(support::cat("code ", code)));
    }
    if (!collector.kernel.blob || collector.kernel.runtime.empty()) {
        return support::internalError("compile returned no kernel: a defect of module ", provider.name);
    }
    return std::move(collector.kernel);
}

std::vector<int64_t> evaluateDims(const ir::ExprPool& pool, const ir::TensorType& type,
                                  const std::vector<int64_t>& symbolValues) {
    std::vector<int64_t> dims;
    for (ir::DimExpr dim : type.dims) {
        dims.push_back(dim.valid() ? pool.evaluate(dim, symbolValues) : 0);
    }
    return dims;
}

support::Result<TnTensor> tensorAt(const PortLayout& port, const std::vector<int64_t>& dims) {
    TnTensor tensor{};
    tensor.dtype = port.dtype;
    tensor.placement = port.placement;
    tensor.rank = static_cast<int32_t>(dims.size());
    tensor.format = port.format;
    tensor.elements = 1;
    for (size_t i = 0; i < dims.size(); ++i) {
        tensor.dims[i] = dims[i];
        if (dims[i] < 0 || __builtin_mul_overflow(tensor.elements, dims[i], &tensor.elements)) {
            return support::invalidArgument("extent ", dims[i], " of dimension ", i,
                                            " is negative or makes the tensor too large");
        }
    }
    tensor.bytes = ir::bytesOf(port.format, static_cast<ir::DataType>(port.dtype), tensor.dims);
    if (tensor.bytes < 0) {
        return support::invalidArgument("a tensor of ", tensor.elements, " elements is too large");
    }
    return tensor;
}

template <class Dims, class Scalar>
support::Result<KernelRunner::Shapes> KernelRunner::shapesOf(const Task& task, const Tactic& tactic, Dims&& dims,
                                                             Scalar&& scalar) {
    Shapes shapes;
    for (size_t i = 0; i < task.inputCount(); ++i) {
        TN_ASSIGN_OR_RETURN(TnTensor tensor, tensorAt(tactic.inputs[i], dims(task.body().inputs()[i])));
        shapes.inputs.push_back(tensor);
    }
    for (size_t i = 0; i < task.outputCount(); ++i) {
        TN_ASSIGN_OR_RETURN(TnTensor tensor, tensorAt(tactic.outputs[i], dims(task.body().outputs()[i])));
        shapes.outputs.push_back(tensor);
    }
    for (ir::DimExpr expr : task.scalars()) {
        shapes.scalars.push_back(scalar(expr));
    }
    return shapes;
}

struct KernelRunner::Impl {
    const TnKernelRuntime* runtime = nullptr;
    Tactic tactic;
    TnKernel* kernel = nullptr;
    TnSession* session = nullptr; // on a device: the device's
    TnState* state = nullptr;
    GuardedBuffer workspace;             // of a kernel on the host
    std::shared_ptr<BuildDevice> device; // null: the host
    std::unique_ptr<DeviceStage> stage;
    int64_t workspaceBytes = 0;
    // Of launches on the stage's buffers, for timing; null with `tried`: they cannot be recorded.
    TnRecording* recording = nullptr;
    bool tried = false;

    void forgetRecording() {
        if (recording != nullptr) {
            static_cast<void>(device->synchronize());
            device->forget(std::exchange(recording, nullptr));
        }
        tried = false;
    }

    ~Impl() {
        forgetRecording();
        stage.reset(); // waits for launches
        if (state) {
            runtime->state_destroy(state);
        }
        if (session && !device) {
            runtime->session_destroy(session);
        }
        if (kernel) {
            runtime->kernel_destroy(kernel);
        }
    }
};

KernelRunner::~KernelRunner() = default;

int64_t KernelRunner::workspaceBytes() const { return mImpl->workspaceBytes; }

support::Result<std::unique_ptr<KernelRunner>>
KernelRunner::open(const BuildContext& context, const Candidate& candidate, const CompiledKernel& compiled) {
    std::unique_ptr<KernelRunner> runner(new KernelRunner());
    runner->mImpl = std::make_unique<Impl>();
    Impl& impl = *runner->mImpl;
    TN_ASSIGN_OR_RETURN(const registry::RuntimeEntry* entry,
                        context.snapshot->requireRuntime(compiled.runtime, compiled.blobVersion));
    impl.runtime = &entry->table;
    impl.tactic = candidate.tactic;
    const Target& target = context.targetAt(candidate.placement);
    impl.device = target.machine;
    if (!context.canRun(candidate.placement)) {
        return support::makeError(support::Code::kEnvironment, "the device (", target.backend, ", ", target.fingerprint,
                                  ") is not here");
    }
    registry::TextSink sink;
    TnCode code = impl.runtime->deserialize(impl.runtime->self, compiled.blob->data(), compiled.blob->size(),
                                            compiled.blobVersion, &impl.kernel, sink.sink());
    if (code != TN_OK) {
        return support::makeError(registry::codeOf(code), "deserialize: ", sink.text());
    }
    TnSessionInfo info{};
    info.struct_size = sizeof(info);
    info.placement = candidate.placement;
    info.threads = target.threads;
    info.team = target.team ? target.team->table() : nullptr;
    info.device = target.device;
    info.resource = [](void*, TnString) -> void* { return nullptr; };
    if (impl.device) {
        TN_ASSIGN_OR_RETURN(impl.session, impl.device->session(*impl.runtime, info));
    } else if ((code = impl.runtime->session_create(impl.runtime->self, &info, &impl.session, sink.sink())) != TN_OK) {
        return support::makeError(registry::codeOf(code), "session: ", sink.text());
    }
    if ((code = impl.runtime->state_create(impl.kernel, impl.session, &impl.state, sink.sink())) != TN_OK) {
        return support::makeError(registry::codeOf(code), "state: ", sink.text());
    }
    return runner;
}

TnPrepareArgs KernelRunner::Shapes::args() const {
    TnPrepareArgs args{};
    args.struct_size = sizeof(args);
    args.input_count = static_cast<int64_t>(inputs.size());
    args.output_count = static_cast<int64_t>(outputs.size());
    args.tensor_stride = sizeof(TnTensor);
    args.inputs = inputs.data();
    args.outputs = outputs.data();
    args.scalars = scalars.data();
    args.scalar_count = static_cast<int64_t>(scalars.size());
    return args;
}

bool KernelRunner::Shapes::haveExtentsOf(const Shapes& other) const {
    const auto same = [](const TnTensor& a, const TnTensor& b) {
        return a.rank == b.rank && (a.rank <= 0 || std::equal(a.dims, a.dims + a.rank, b.dims));
    };
    return scalars == other.scalars &&
           std::equal(inputs.begin(), inputs.end(), other.inputs.begin(), other.inputs.end(), same) &&
           std::equal(outputs.begin(), outputs.end(), other.outputs.begin(), other.outputs.end(), same);
}

support::Result<int64_t> KernelRunner::workspaceFor(const Shapes& shapes) {
    TnPrepareArgs args = shapes.args();
    registry::TextSink sink;
    int64_t bytes = mImpl->runtime->workspace(mImpl->kernel, mImpl->session, &args, sink.sink());
    if (bytes < 0) {
        return support::internalError("workspace: ", sink.textOr("no reason given"));
    }
    return bytes;
}

support::Status KernelRunner::prepare(const Task& task, const std::vector<int64_t>& symbolValues) {
    Impl& impl = *mImpl;
    const ir::ExprPool& pool = task.body().pool();
    auto dims = [&](const ir::Value* value) { return evaluateDims(pool, value->type(), symbolValues); };
    auto scalar = [&](ir::DimExpr expr) { return pool.evaluate(expr, symbolValues); };
    TN_ASSIGN_OR_RETURN(Shapes shapes, shapesOf(task, impl.tactic, dims, scalar));
    TN_ASSIGN_OR_RETURN(int64_t bytes, workspaceFor(shapes));
    impl.workspaceBytes = bytes;
    if (impl.device) {
        impl.forgetRecording();
        impl.stage = std::make_unique<DeviceStage>(impl.device);
        TN_RETURN_IF_ERROR(impl.stage->allocate(shapes.inputs, shapes.outputs, bytes));
    } else if (bytes != impl.workspace.bytes()) {
        impl.workspace = GuardedBuffer(bytes);
        if (impl.workspace.bytes() != bytes) {
            return support::makeError(support::Code::kOutOfMemory, "no memory for ", bytes, " bytes of workspace");
        }
    }
    TnPrepareArgs args = shapes.args();
    registry::TextSink sink;
    TnCode code = impl.runtime->prepare(impl.state, &args, sink.sink());
    if (code != TN_OK) {
        return support::makeError(registry::codeOf(code), "prepare: ", sink.textOr(support::cat("code ", code)));
    }
    mInputs = std::move(shapes.inputs);
    mOutputs = std::move(shapes.outputs);
    return {};
}

support::Result<int64_t> KernelRunner::workspaceAtMost(const Task& task) {
    const ir::ExprPool& pool = task.body().pool();
    auto most = [&](const ir::Value* value) {
        std::vector<int64_t> dims;
        for (ir::DimExpr dim : value->type().dims) {
            dims.push_back(std::max<int64_t>(pool.bounds(dim, task.box()).max, 0));
        }
        return dims;
    };
    TN_ASSIGN_OR_RETURN(const Shapes largest, shapesOf(task, mImpl->tactic, most, [&](ir::DimExpr expr) {
                            return pool.bounds(expr, task.box()).max;
                        }));
    const auto at = [&](const std::vector<int64_t>& symbols) {
        return shapesOf(
            task, mImpl->tactic, [&](const ir::Value* value) { return evaluateDims(pool, value->type(), symbols); },
            [&](ir::DimExpr expr) { return pool.evaluate(expr, symbols); });
    };
    TN_ASSIGN_OR_RETURN(const Shapes optimal, at(task.box().opt));
    TN_ASSIGN_OR_RETURN(const int64_t atOptimum, workspaceFor(optimal));
    const support::Result<int64_t> atMost = workspaceFor(largest);
    if (!atMost.ok()) {
        std::vector<int64_t> ends;
        for (const ir::Interval& bounds : task.box().bounds) {
            ends.push_back(bounds.max);
        }
        TN_ASSIGN_OR_RETURN(const Shapes maximal, at(ends));
        if (maximal.haveExtentsOf(largest)) {
            return atMost;
        }
        // One extent falls while another rises (what is left of a dimension behind where a slice begins): they are not largest at once, so that a kernel
        // may refuse that. What is missing at some extents is allocated when they come.
        return atOptimum;
    }
    return std::max(*atMost, atOptimum);
}

support::Status KernelRunner::issue(const std::vector<const void*>& inputs, const std::vector<void*>& outputs) {
    Impl& impl = *mImpl;
    TnLaunchArgs args{};
    args.struct_size = sizeof(args);
    args.inputs = inputs.data();
    args.outputs = outputs.data();
    args.workspace = impl.stage ? impl.stage->workspace() : impl.workspace.data();
    args.stream = impl.device ? impl.device->stream() : nullptr;
    registry::TextSink sink;
    args.reason = sink.sink();
    TnCode code = impl.runtime->launch(impl.state, &args);
    if (code != TN_OK) {
        return support::makeError(registry::codeOf(code), "launch: ", sink.textOr(support::cat("code ", code)));
    }
    return {};
}

support::Status KernelRunner::launch(const std::vector<const void*>& inputs, const std::vector<void*>& outputs) {
    Impl& impl = *mImpl;
    if (impl.stage) {
        impl.forgetRecording();
        TN_RETURN_IF_ERROR(impl.stage->upload(inputs, outputs));
        TN_RETURN_IF_ERROR(issue(impl.stage->inputs(), impl.stage->outputs()));
        return impl.stage->download(outputs);
    }
    TN_RETURN_IF_ERROR(issue(inputs, outputs));
    return checkWorkspace();
}

support::Status KernelRunner::checkWorkspace() const {
    if (!mImpl->workspace.canariesIntact()) {
        return support::internalError("launch wrote outside its workspace of ", mImpl->workspace.bytes(), " bytes");
    }
    return {};
}

support::Result<bool> KernelRunner::launchInPlace(const std::vector<void*>& inputs, const std::vector<void*>& outputs) {
    Impl& impl = *mImpl;
    std::vector<std::pair<size_t, size_t>> shared; // output, input
    std::set<int32_t> taken;
    for (size_t o = 0; o < impl.tactic.mayAlias.size(); ++o) {
        const int32_t from = impl.tactic.mayAlias[o];
        if (from >= 0 && taken.insert(from).second && mOutputs[o].bytes <= mInputs[static_cast<size_t>(from)].bytes &&
            mOutputs[o].placement == mInputs[static_cast<size_t>(from)].placement) {
            shared.emplace_back(o, static_cast<size_t>(from));
        }
    }
    if (shared.empty()) {
        return false;
    }
    const std::vector<const void*> given(inputs.begin(), inputs.end());
    if (impl.stage) {
        impl.forgetRecording();
        TN_RETURN_IF_ERROR(impl.stage->upload(given, outputs));
        for (const auto& [output, input] : shared) {
            if (mOutputs[output].placement != TN_PLACEMENT_HOST) {
                impl.stage->share(output, input);
            }
        }
        TN_RETURN_IF_ERROR(issue(impl.stage->inputs(), impl.stage->outputs()));
        TN_RETURN_IF_ERROR(impl.stage->download(outputs));
        return true;
    }
    std::vector<void*> placed = outputs;
    for (const auto& [output, input] : shared) {
        placed[output] = inputs[input];
    }
    TN_RETURN_IF_ERROR(issue(given, placed));
    for (const auto& [output, input] : shared) {
        std::memcpy(outputs[output], inputs[input], static_cast<size_t>(mOutputs[output].bytes));
    }
    return true;
}

support::Result<std::vector<std::shared_ptr<DeviceInput>>>
KernelRunner::compute(std::vector<std::shared_ptr<DeviceInput>> inputs) {
    DeviceStage& stage = *mImpl->stage;
    mImpl->forgetRecording();
    stage.bind(std::move(inputs), std::vector<const void*>(mInputs.size()), std::vector<void*>(mOutputs.size()));
    TN_RETURN_IF_ERROR(issue(stage.inputs(), stage.outputs()));
    TN_RETURN_IF_ERROR(stage.checkCanaries());
    std::vector<std::shared_ptr<DeviceInput>> made;
    for (size_t o = 0; o < mOutputs.size(); ++o) {
        made.push_back(stage.takeOutput(o));
    }
    return made;
}

bool KernelRunner::onDevice() const { return mImpl->device != nullptr; }

support::Status KernelRunner::tryOut(std::vector<std::shared_ptr<DeviceInput>> inputs,
                                     const std::vector<const void*>& hostInputs,
                                     const std::vector<void*>& hostOutputs) {
    DeviceStage& stage = *mImpl->stage;
    mImpl->forgetRecording();
    stage.bind(std::move(inputs), hostInputs, hostOutputs);
    TN_RETURN_IF_ERROR(issue(stage.inputs(), stage.outputs()));
    return stage.checkCanaries();
}

support::Result<double> KernelRunner::timedLaunch(const std::vector<const void*>& inputs,
                                                  const std::vector<void*>& outputs, int32_t repeat) {
    Impl& impl = *mImpl;
    if (impl.stage) {
        if (!impl.stage->uploaded()) {
            TN_RETURN_IF_ERROR(impl.stage->upload(inputs, outputs));
        }
        const auto launches = [&]() -> support::Status {
            for (int32_t r = 0; r < repeat; ++r) {
                TN_RETURN_IF_ERROR(issue(impl.stage->inputs(), impl.stage->outputs()));
            }
            return {};
        };
        if (!impl.tried && (impl.tactic.traits & TN_TRAIT_CAPTURE_SAFE) != 0) {
            impl.recording = impl.device->record(launches);
        }
        impl.tried = true;
        TN_RETURN_IF_ERROR(impl.device->flushCache());
        TN_RETURN_IF_ERROR(impl.stage->touchInputs());
        TN_ASSIGN_OR_RETURN(const double us, impl.recording != nullptr ? impl.device->timedReplay(impl.recording)
                                                                       : impl.device->timed(launches));
        return us / repeat;
    }
    using Clock = std::chrono::steady_clock;
    const Clock::time_point begin = Clock::now();
    for (int32_t r = 0; r < repeat; ++r) {
        TN_RETURN_IF_ERROR(issue(inputs, outputs));
    }
    const double us = std::chrono::duration<double, std::micro>(Clock::now() - begin).count() / repeat;
    // Looking at the canaries takes longer than a small kernel does.
    TN_RETURN_IF_ERROR(checkWorkspace());
    return us;
}

} // namespace tenon::schedule
