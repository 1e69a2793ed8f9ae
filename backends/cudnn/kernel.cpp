#include "backends/cudnn/kernel.h"

#include "backends/common/task_kernel.h"
#include "backends/cuda/stream.h"
#include "backends/cudnn/attention.h"
#include "backends/cudnn/normalization.h"
#include "backends/nvidia/driver.h"
#include "backends/nvidia/handle_session.h"

#include <algorithm>
#include <map>
#include <mutex>

namespace tenon::cudnn {

using kernels::Dims;
using kernels::explained;
using kernels::Failure;
using kernels::invalid;
using kernels::refuse;

namespace {

constexpr std::string_view kSwapped = "+swapped";

using CudnnSession = nvidia::HandleSession<Handle>;

// A plan for real extents, and what it is bound to.
struct Planned {
    Graph graph; // empty for a plan that was loaded
    std::shared_ptr<const Descriptor> plan;
    int64_t workspace = 0;
    std::vector<int32_t> ports;
    std::vector<float> scalars;
};

// Plans of a kernel that were loaded, by handle: loading takes milliseconds, and a network has many steps of one kernel. Thread-safe.
class LoadedPlans {
public:
    std::shared_ptr<const Descriptor> get(const Handle& handle, const std::string& json) {
        const std::lock_guard<std::mutex> lock(mMutex);
        std::weak_ptr<const Descriptor>& known = mPlans[&handle];
        std::shared_ptr<const Descriptor> plan = known.lock();
        if (plan == nullptr) {
            plan = std::make_shared<const Descriptor>(loadPlan(handle, json));
            known = plan;
        }
        return plan;
    }

private:
    std::mutex mMutex;
    std::map<const Handle*, std::weak_ptr<const Descriptor>> mPlans;
};

Dims dimsOf(const TnTensor& tensor) {
    if (tensor.rank < 0 || tensor.rank > TN_MAX_DIMS) {
        invalid("a tensor of rank ", tensor.rank);
    }
    return {&tensor.dims[0], &tensor.dims[0] + tensor.rank};
}

Planned planFor(const Handle& handle, const Compiled& compiled, LoadedPlans& loaded, const module::PrepareArgs& args) {
    const Ports& ports = compiled.ports;
    if (args.inputCount() != static_cast<int32_t>(ports.inputs.size()) ||
        args.outputCount() != static_cast<int32_t>(ports.outputs.size())) {
        invalid("prepare with ", args.inputCount(), " inputs and ", args.outputCount(), " outputs for a kernel of ",
                ports.inputs.size(), " and ", ports.outputs.size());
    }
    std::vector<Dims> inputs;
    for (const TnTensor& tensor : args.inputs()) {
        inputs.push_back(dimsOf(tensor));
    }
    const Dims output = dimsOf(args.output(0));
    Planned planned;
    if (kernels::product(output) == 0) {
        return planned;
    }
    // An application may prepare on a thread of its own. Where there is no context to have, the library says so.
    static_cast<void>(nvidia::haveContext());
    const bool atOptimum = inputs == compiled.optInputs() && output == compiled.optOutput();
    if (atOptimum && !compiled.plan.empty() && compiled.libraryVersion == handle.api().cudnnGetVersion()) {
        try {
            planned.plan = loaded.get(handle, compiled.plan);
            planned.workspace = compiled.workspace;
            for (const int64_t port : compiled.boundPorts) {
                planned.ports.push_back(static_cast<int32_t>(port));
            }
            for (const double value : compiled.scalars) {
                planned.scalars.push_back(static_cast<float>(value));
            }
            return planned;
        } catch (const Failure&) {
            planned = {}; // of another device, say: it is built again
        }
    }
    const Place place{&handle.api(), &handle, nullptr};
    planned.graph = graphOf(place, compiled, inputs, output);
    planned.ports = planned.graph.ports;
    planned.scalars = planned.graph.scalars;
    std::string why;
    const auto attempt = [&](const EngineChoice& choice) {
        try {
            Descriptor plan = buildPlan(place, planned.graph, choice);
            planned.workspace = plan.getInt(CUDNN_ATTR_EXECUTION_PLAN_WORKSPACE_SIZE);
            planned.plan = std::make_shared<const Descriptor>(std::move(plan));
            return planned.workspace <= compiled.workspaceLimit;
        } catch (const Failure& failure) {
            why = failure.what();
            return false;
        }
    };
    if (attempt(compiled.choice.engine)) {
        return planned;
    }
    // Other extents may be none for this engine: whatever has no less precision.
    for (const Offer& offer : enginesFor(place, planned.graph, 32, searchFor(compiled.operation))) {
        const bool reduced = offer.facts.transforms || (offer.facts.tensorCores && ports.outputs[0].dtype == TN_F32);
        if (!reduced && attempt(offer.choice)) {
            return planned;
        }
    }
    refuse("no engine of cuDNN takes these extents within ", compiled.workspaceLimit, " bytes of workspace: ", why);
}

class CudnnState final : public module::State {
public:
    CudnnState(const Compiled& compiled, LoadedPlans& loaded, const CudnnSession& session)
        : mCompiled(compiled), mLoaded(loaded), mSession(session) {}

    module::Code prepare(const module::PrepareArgs& args, module::Reason& reason) override {
        mPrepared = false;
        mPack = {};
        return explained(reason, [&] {
            mPlanned = planFor(mSession.handle(), mCompiled, mLoaded, args);
            mUids.clear();
            for (const int32_t port : mPlanned.ports) {
                mUids.push_back(inputUid(port));
            }
            for (size_t i = 0; i < mCompiled.ports.outputs.size(); ++i) {
                mUids.push_back(outputUid(static_cast<int32_t>(i)));
            }
            for (size_t i = 0; i < mPlanned.scalars.size(); ++i) {
                mUids.push_back(kScalarUid + static_cast<int64_t>(i));
            }
            mAddresses.assign(mUids.size(), nullptr);
            mWorkspace = nullptr;
            mPrepared = true;
        });
    }

    module::Code launch(const module::LaunchArgs& args) override {
        module::Reason reason = args.reason();
        if (!mPrepared || args.stream() == nullptr) {
            return reason.invalidArgument(mPrepared ? "launch without a CUDA stream" : "launch before prepare");
        }
        if (mPlanned.plan == nullptr) {
            return module::Code::kOk;
        }
        return explained(reason, [&] {
            bind(args);
            const CudnnApi& api = mSession.handle().api();
            const cudnnHandle_t handle = mSession.handle().get();
            cudnnStatus_t status = api.cudnnSetStream(handle, args.stream()->stream);
            if (status == CUDNN_STATUS_SUCCESS) {
                status = api.cudnnBackendExecute(handle, mPlanned.plan->get(), mPack.get());
            }
            if (status != CUDNN_STATUS_SUCCESS) {
                throw Failure(module::Code::kInternal, "cuDNN could not run a plan: " + api.lastError(status));
            }
        });
    }

private:
    // A pack of addresses cannot be changed: it is made again when one of them is another.
    void bind(const module::LaunchArgs& args) {
        size_t at = 0;
        bool same = static_cast<bool>(mPack) && mWorkspace == args.workspace();
        const auto put = [&](const void* address) {
            same = same && mAddresses[at] == address;
            mAddresses[at++] = address;
        };
        for (const int32_t port : mPlanned.ports) {
            put(args.input(port));
        }
        for (size_t i = 0; i < mCompiled.ports.outputs.size(); ++i) {
            put(args.output(static_cast<int32_t>(i)));
        }
        for (const float& scalar : mPlanned.scalars) {
            put(&scalar);
        }
        if (same) {
            return;
        }
        mWorkspace = args.workspace();
        Descriptor pack(mSession.handle().api(), CUDNN_BACKEND_VARIANT_PACK_DESCRIPTOR);
        pack.setInts(CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS, mUids);
        pack.set(CUDNN_ATTR_VARIANT_PACK_DATA_POINTERS, CUDNN_TYPE_VOID_PTR, mAddresses.data(),
                 static_cast<int64_t>(mAddresses.size()));
        pack.set(CUDNN_ATTR_VARIANT_PACK_WORKSPACE, CUDNN_TYPE_VOID_PTR, &mWorkspace);
        pack.finalize();
        mPack = std::move(pack);
    }

    const Compiled& mCompiled;
    LoadedPlans& mLoaded; // the kernel's
    const CudnnSession& mSession;
    Planned mPlanned;
    std::vector<int64_t> mUids;
    std::vector<const void*> mAddresses;
    void* mWorkspace = nullptr;
    Descriptor mPack;
    bool mPrepared = false;
};

class CudnnKernel final : public module::Kernel {
public:
    CudnnKernel(module::OwnedGraph graph, Compiled compiled)
        : mGraph(std::move(graph)), mCompiled(std::move(compiled)) {
        mCompiled.body = mGraph.graph();
    }
    Compiled& compiled() { return mCompiled; }

    int64_t workspace(module::Session& session, const module::PrepareArgs& args,
                      module::Reason& reason) const override {
        const Handle& handle = static_cast<CudnnSession&>(session).handle();
        if (!mCompiled.isStatic()) {
            return mCompiled.workspaceLimit; // other extents may need another engine
        }
        if (!mCompiled.plan.empty() && mCompiled.libraryVersion == handle.api().cudnnGetVersion()) {
            return mCompiled.workspace;
        }
        int64_t bytes = -1;
        explained(reason, [&] { bytes = planFor(handle, mCompiled, mLoaded, args).workspace; });
        return bytes;
    }
    std::unique_ptr<module::State> makeState(module::Session& session, module::Reason&) const override {
        return std::make_unique<CudnnState>(mCompiled, mLoaded, static_cast<CudnnSession&>(session));
    }

private:
    module::OwnedGraph mGraph;
    Compiled mCompiled;
    mutable LoadedPlans mLoaded;
};

class CudnnRuntime final : public module::KernelRuntime {
public:
    explicit CudnnRuntime(std::shared_ptr<CudnnApi> api) : mApi(std::move(api)) {}
    std::string name() const override { return "cudnn"; }
    uint32_t blobMax() const override { return kBlobVersion; }

    std::unique_ptr<module::Session> openSession(const module::SessionInfo&, module::Reason& reason) override {
        return nvidia::openHandleSession<Handle>(mApi, reason);
    }

    std::unique_ptr<module::Kernel> deserialize(std::span<const std::byte> blob, uint32_t,
                                                module::Reason& reason) override {
        module::BlobReader in(blob, kBlobVersion);
        Compiled compiled;
        const std::optional<Choice> choice = parseChoice(in.string());
        in.require(choice.has_value(), "its engine has no name of this module's");
        compiled.choice = choice.value_or(Choice{});
        compiled.workspaceLimit = in.i64();
        compiled.libraryVersion = in.u64();
        compiled.plan = in.string();
        compiled.workspace = in.i64();
        compiled.boundPorts = in.ints();
        compiled.scalars = in.floats();
        in.require(compiled.workspaceLimit >= 0 && compiled.workspaceLimit <= kMostWorkspace &&
                       compiled.workspace >= 0 && compiled.workspace <= compiled.workspaceLimit &&
                       compiled.scalars.size() <= 16,
                   "its workspace or its constants are larger than this module's");
        module::OwnedGraph graph = module::readGraph(in);
        for (size_t i = 0; i < graph.graph().inputs().size() && in.ok(); ++i) {
            compiled.ports.inputs.push_back(in.port());
        }
        for (size_t i = 0; i < graph.graph().outputs().size() && in.ok(); ++i) {
            compiled.ports.outputs.push_back(in.port());
        }
        for (const int64_t port : compiled.boundPorts) {
            in.require(port >= 0 && port < static_cast<int64_t>(compiled.ports.inputs.size()),
                       "its plan reads an input that the task does not have");
        }
        if (!in.finish(reason)) {
            return nullptr;
        }
        auto kernel = std::make_unique<CudnnKernel>(std::move(graph), std::move(compiled));
        const module::Code code = explained(reason, [&] { kernel->compiled().complete(); });
        return code == module::Code::kOk ? std::move(kernel) : nullptr;
    }

private:
    std::shared_ptr<CudnnApi> mApi;
};

} // namespace

std::string nameOf(const Choice& choice) {
    return nameOf(choice.engine) + std::string(choice.swapped ? kSwapped : std::string_view());
}

std::optional<Choice> parseChoice(std::string_view name) {
    Choice choice;
    choice.swapped = name.ends_with(kSwapped);
    if (choice.swapped) {
        name.remove_suffix(kSwapped.size());
    }
    const std::optional<EngineChoice> engine = choiceOf(name);
    if (!engine) {
        return std::nullopt;
    }
    choice.engine = *engine;
    return choice;
}

uint64_t idOf(std::string_view name) {
    uint64_t hash = 0xcbf29ce484222325; // FNV-1a
    for (const char c : name) {
        hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3;
    }
    return hash;
}

std::vector<Dims> Compiled::optInputs() const {
    std::vector<Dims> inputs;
    for (const int32_t input : body.inputs()) {
        inputs.push_back(body.value(input).optExtents());
    }
    return inputs;
}

Dims Compiled::optOutput() const { return body.value(body.outputs()[0]).optExtents(); }

bool Compiled::isStatic() const {
    return std::all_of(body.inputs().begin(), body.inputs().end(),
                       [&](int32_t input) { return body.value(input).isStatic(); }) &&
           body.value(body.outputs()[0]).isStatic();
}

void Compiled::complete() {
    operation = readOperation(body);
    steps = choice.swapped ? swappedSteps(operation.steps) : operation.steps;
    if (choice.swapped && steps.empty()) {
        invalid("the tactic swaps two additions of a task that does not have them");
    }
    bool fits = ports.inputs.size() == body.inputs().size() && ports.outputs.size() == body.outputs().size() &&
                (body.outputs().size() == 1 || operation.sum >= 0);
    // Both operands of a convolution or neither.
    const auto pixels = [&](int32_t port) {
        return operation.kind == Kind::kConvolution && ports.inputs[static_cast<size_t>(port)].format.rank >= 3 &&
               isPixelFormat(ports.inputs[static_cast<size_t>(port)].format);
    };
    fits = fits && (operation.kind != Kind::kConvolution || pixels(operation.x) == pixels(operation.w));
    const bool inPixels = fits && operation.kind == Kind::kConvolution && pixels(operation.x);
    fits = fits && (!inPixels ||
                    fitsPixelFormat(operation, body.value(body.inputs()[static_cast<size_t>(operation.x)]).dim(1).max));
    const auto laidOut = [&](const TnPortFormat& port, int32_t rank) {
        return port.format.rank == rank &&
               (module::isLinear(port.format) ||
                (rank >= 3 && operation.hasChannels() && module::equal(port.format, module::channelsLastFormat(rank))));
    };
    for (size_t i = 0; fits && i < ports.inputs.size(); ++i) {
        const auto port = static_cast<int32_t>(i);
        fits = (inPixels && (port == operation.x || port == operation.w)) ||
               laidOut(ports.inputs[i], body.value(body.inputs()[i]).rank());
    }
    for (size_t i = 0; fits && i < ports.outputs.size(); ++i) {
        fits = laidOut(ports.outputs[i], body.value(body.outputs()[i]).rank());
    }
    // A normalisation leaves its elements where they were.
    fits = fits && (operation.kind != Kind::kNormalization ||
                    module::equal(ports.inputs[static_cast<size_t>(operation.x)].format, ports.outputs[0].format));
    if (!fits) {
        invalid("the ports of the tactic are none that cudnn offers");
    }
}

Graph graphOf(const Place& place, const Compiled& compiled, const std::vector<Dims>& inputs, const Dims& output) {
    if (compiled.operation.kind == Kind::kAttention) {
        return buildAttention(place, compiled.operation, inputs, output, compiled.ports);
    }
    if (compiled.operation.kind == Kind::kNormalization) {
        return buildNormalization(place, compiled.operation, inputs, output, compiled.ports);
    }
    Geometry geometry = geometryOf(compiled.operation, inputs, output);
    const TnFormat& format = compiled.ports.inputs[static_cast<size_t>(compiled.operation.x)].format;
    if (isPixelFormat(format)) {
        geometry.x[1] = geometry.w[1] = kPixelChannels;
    }
    if (!module::isLinear(format)) {
        foldPatches(compiled.operation, geometry);
    }
    return buildGraph(place, compiled.operation, compiled.steps, geometry, inputs, compiled.ports);
}

module::BlobWriter writeBlob(const Compiled& compiled) {
    module::BlobWriter out(kBlobVersion);
    out.string(nameOf(compiled.choice));
    out.i64(compiled.workspaceLimit);
    out.u64(compiled.libraryVersion);
    out.string(compiled.plan);
    out.i64(compiled.workspace);
    out.ints(compiled.boundPorts);
    out.floats(compiled.scalars);
    module::writeGraph(out, compiled.body);
    for (const TnPortFormat& port : compiled.ports.inputs) {
        out.port(port);
    }
    for (const TnPortFormat& port : compiled.ports.outputs) {
        out.port(port);
    }
    return out;
}

std::unique_ptr<module::KernelRuntime> makeRuntime(std::shared_ptr<CudnnApi> api) {
    return std::make_unique<CudnnRuntime>(std::move(api));
}

} // namespace tenon::cudnn
