// The module "cudnn": a provider for convolutions and deconvolutions with what follows them, for attention and for normalisations, and the kernel
// runtime that runs plans.
#include "backends/common/task_kernel.h"
#include "backends/cudnn/kernel.h"
#include "backends/cudnn/normalization.h"
#include "backends/nvidia/driver.h"
#include "backends/nvidia/siblings.h"
#include "backends/nvidia/target.h"

#include <algorithm>
#include <map>
#include <mutex>

namespace tenon::cudnn {

namespace {

using kernels::explained;
using kernels::Failure;
using kernels::refuse;
using module::Code;
using nvidia::Step;
using nvidia::StepKind;

// cuDNN's description of a device, from Tenon's. What Tenon's does not say is the same on all devices of compute capability 8.0 and later.
std::string deviceJson(const module::TargetView& target) {
    const auto number = [&](std::string_view key, int64_t fallback) { return nvidia::numberOf(target, key, fallback); };
    const int64_t shared = number("shared_per_block", 232448);
    return module::text(
        "{\"maxGridSize\":[2147483647,65535,65535],\"maxBlockSize\":[1024,1024,64],\"regsPerBlock\":65536,"
        "\"multiProcessorCount\":",
        number("multiprocessors", 132), ",\"smClockRateKHz\":", number("clock_khz", 1980000),
        ",\"memClockRateKHz\":", number("memory_clock_khz", 3201000), ",\"l2CacheSize\":", number("l2", 62914560),
        ",\"warpSize\":32,\"maxSharedMemoryPerBlock\":49152", ",\"maxSharedMemoryPerBlockOptin\":", shared,
        ",\"reservedSharedMemoryPerBlock\":1024",
        ",\"maxRegistersPerSM\":", number("registers_per_multiprocessor", 65536),
        ",\"pciDeviceId\":0,\"maxCtasPerSM\":32,\"maxThreadsPerBlock\":1024,\"maxThreadsPerSM\":",
        number("threads_per_multiprocessor", 2048),
        ",\"isTccDriver\":0,\"supportCoopLaunch\":1,\"totalGlobalMem\":", number("memory", 150122135552),
        ",\"deviceVer\":", nvidia::smOf(target) * 10, ",\"driverVer\":", number("driver", 13000),
        ",\"cudaDeviceId\":0,\"deviceName\":\"device\"}");
}

// Handles that nobody uses: one serves one thread at a time.
class HandlePool {
public:
    explicit HandlePool(std::shared_ptr<CudnnApi> api) : mApi(std::move(api)) {}
    std::shared_ptr<Handle> take(std::string& error) {
        {
            const std::lock_guard lock(mMutex);
            if (!mFree.empty()) {
                std::shared_ptr<Handle> handle = std::move(mFree.back());
                mFree.pop_back();
                return handle;
            }
        }
        return Handle::open(mApi, error);
    }
    void give(std::shared_ptr<Handle> handle) {
        const std::lock_guard lock(mMutex);
        mFree.push_back(std::move(handle));
    }

private:
    std::shared_ptr<CudnnApi> mApi;
    std::mutex mMutex;
    std::vector<std::shared_ptr<Handle>> mFree;
};

// Where plans for a target are built: on this machine's device where that is of the target's kind, else from its description.
class Workshop {
public:
    Workshop(const module::TargetView& target, const std::shared_ptr<CudnnApi>& api, HandlePool& pool) : mPool(pool) {
        std::string error;
        if (!api->open(error)) {
            throw Failure(Code::kEnvironment, error);
        }
        place.api = api.get();
        const int64_t sm = nvidia::smOf(target);
        // Some engines compile in a context of the calling thread, which any thread of a build's team may be.
        if (sm > 0 && nvidia::presentSm() == sm && nvidia::haveContext()) {
            mHandle = mPool.take(error);
        }
        if (mHandle != nullptr) {
            place.handle = mHandle.get();
        } else {
            mDevice = describeDevice(*api, deviceJson(target));
            place.device = &mDevice;
        }
    }
    ~Workshop() {
        if (mHandle != nullptr) {
            mPool.give(std::move(mHandle));
        }
    }
    Workshop(const Workshop&) = delete;
    Workshop& operator=(const Workshop&) = delete;

    Place place;

private:
    HandlePool& mPool;
    std::shared_ptr<Handle> mHandle;
    Descriptor mDevice;
};

struct Precision {
    TnDataType type = TN_F32;
    bool channelsLast = true;
    size_t most = 8;     // tactics
    bool pixels = false; // image and weights in pixelFormat
};

// Attention is of 16-bit floats only.
std::vector<Precision> attentionPrecisions(const module::TaskView& task, TnDataType type) {
    std::vector<Precision> precisions;
    for (const TnDataType narrow : {TN_F16, TN_BF16}) {
        if (type == narrow || (type == TN_F32 && task.mayComputeIn(narrow))) {
            precisions.push_back({narrow, false});
        }
    }
    return precisions;
}

// Images in both layouts: what a norm reads is rarely worth being moved for it.
std::vector<Precision> normalizationPrecisions(const module::TaskView& task, const Operation& operation,
                                               TnDataType type) {
    constexpr size_t kMost = 4; // of few engines, each compiles for half a second
    std::vector<TnDataType> types{type};
    for (const TnDataType narrow : {TN_F16, TN_BF16}) {
        if (type == TN_F32 && task.mayComputeIn(narrow)) {
            types.push_back(narrow);
        }
    }
    std::vector<Precision> precisions;
    for (const TnDataType each : types) {
        const size_t most = each == TN_F32 && types.size() > 1 ? kMost / 2 : kMost;
        precisions.push_back({each, false, most});
        if (operation.hasChannels()) {
            precisions.push_back({each, true, most});
        }
    }
    return precisions;
}

std::vector<Precision> precisionsOf(const module::TaskView& task, const Operation& operation) {
    const TnDataType type = task.input(operation.x).dtype();
    if (operation.kind == Kind::kAttention) {
        return attentionPrecisions(task, type);
    }
    if (operation.kind == Kind::kNormalization) {
        return normalizationPrecisions(task, operation, type);
    }
    std::vector<Precision> precisions{{type, true}};
    if (type == TN_F32) {
        precisions.push_back({type, false});
        for (const TnDataType narrow : {TN_F16, TN_BF16}) {
            if (task.mayComputeIn(narrow)) {
                precisions.push_back({narrow, true});
            }
        }
        // Beside a narrower type f32 is rarely the faster one: its best guesses will do.
        if (precisions.size() > 2) {
            precisions[0].most = precisions[1].most = 2;
        }
    }
    if (fitsPixelFormat(operation, task.input(operation.x).dim(1).max)) {
        for (size_t i = 0, count = precisions.size(); i < count; ++i) {
            if (precisions[i].type != TN_F32) {
                precisions.push_back({precisions[i].type, true, precisions[i].most, true});
            }
        }
    }
    return precisions;
}

Ports portsOf(const module::TargetView& target, const module::TaskView& task, const Operation& operation,
              const Precision& precision) {
    const auto laidOut = [&](int32_t rank, TnDataType type, bool follows) {
        TnPortFormat port = module::linearPort(type, rank, target.placement());
        if (follows && precision.channelsLast) {
            port.format = module::channelsLastFormat(rank);
        }
        return port;
    };
    const auto isOperand = [&](int32_t i) { return i == operation.x || i == operation.w; };
    Ports ports;
    for (int32_t i = 0; i < task.inputCount(); ++i) {
        bool follows = isOperand(i);
        TnDataType type = precision.type;
        for (const Step& step : operation.steps) {
            follows = follows || (step.port == i && step.kind == StepKind::kResidual);
            type = step.port == i && step.kind == StepKind::kScale ? task.input(i).dtype() : type;
        }
        ports.inputs.push_back(laidOut(task.input(i).rank(), type, follows));
        if (precision.pixels && isOperand(i)) {
            ports.inputs.back().format = pixelFormat(task.input(i).rank());
        }
    }
    for (int32_t o = 0; o < task.outputCount(); ++o) {
        ports.outputs.push_back(laidOut(task.output(o).rank(), precision.type, true));
    }
    return ports;
}

// What enumerating a task came to. The library's heuristics take long, and a build asks again whenever neighbours offer other layouts, which
// changes nothing here.
struct Answer {
    std::vector<module::Tactic> tactics;
    std::vector<std::string> notes;
};

// Everything that an answer follows from.
std::string questionOf(const module::TargetView& target, const module::TaskView& task) {
    module::BlobWriter out(1);
    out.string(target.json());
    out.i32(target.placement());
    out.i32((task.mayComputeIn(TN_F16) ? 1 : 0) | (task.mayComputeIn(TN_BF16) ? 2 : 0) | (task.mayUseTf32() ? 4 : 0));
    out.i64(task.workspaceLimit());
    module::writeGraph(out, task.body());
    return {reinterpret_cast<const char*>(out.data().data()), out.data().size()};
}

// Answers by question. Thread-safe; two who ask the same at once may both work it out.
class Answers {
public:
    template <class Make>
    std::shared_ptr<const Answer> get(std::string question, Make&& make) {
        {
            const std::lock_guard lock(mMutex);
            if (const auto known = mAnswers.find(question); known != mAnswers.end()) {
                return known->second;
            }
        }
        auto made = std::make_shared<const Answer>(make());
        const std::lock_guard lock(mMutex);
        if (mAnswers.size() >= kMost) {
            mAnswers.clear(); // a process that builds for ever
        }
        return mAnswers.emplace(std::move(question), std::move(made)).first->second;
    }

private:
    static constexpr size_t kMost = 4096;
    std::mutex mMutex;
    std::map<std::string, std::shared_ptr<const Answer>> mAnswers;
};

class CudnnProvider final : public module::Provider {
public:
    CudnnProvider(std::shared_ptr<CudnnApi> api, std::string identity)
        : mApi(std::move(api)), mIdentity(std::move(identity)), mPool(std::make_unique<HandlePool>(mApi)) {}

    std::string name() const override { return "cudnn"; }
    std::string version() const override { return module::text("2+", mIdentity); }
    int32_t rank() const override { return 25; }

    Code supports(const module::TargetView& target, const module::TaskView& task,
                  module::Reason& reason) const override {
        if (!nvidia::isCuda(target)) {
            return reason.unsupported("cudnn computes on CUDA devices only, not on ", target.backend());
        }
        return explained(reason, [&] {
            const Operation operation = readOperation(task.body());
            const module::ValueView x = task.input(operation.x);
            if (x.dtype() != TN_F32 && x.dtype() != TN_F16 && x.dtype() != TN_BF16) {
                refuse("cudnn computes f32, f16 and bf16, not ", module::nameOf(x.dtype()));
            }
            for (int32_t i = 0; i < task.inputCount(); ++i) {
                if (!task.input(i).hasRank() || task.input(i).optElements() == 0 ||
                    task.input(i).dtype() != x.dtype()) {
                    refuse("cudnn computes nothing from empty tensors, or from tensors of several types");
                }
            }
            if (operation.kind == Kind::kAttention) {
                if (attentionPrecisions(task, x.dtype()).empty()) {
                    refuse("cudnn's attention is of f16 and bf16, not ", module::nameOf(x.dtype()));
                }
                return;
            }
            std::vector<kernels::Dims> inputs;
            for (int32_t i = 0; i < task.inputCount(); ++i) {
                inputs.push_back(task.input(i).optExtents());
            }
            if (operation.kind == Kind::kNormalization) {
                checkNormalization(task, operation, inputs);
                return;
            }
            if (x.rank() < 3 || x.rank() > 5 || task.output(0).dtype() != x.dtype()) {
                refuse("cudnn slides windows over 1 to 3 dimensions and keeps the element type");
            }
            if (!x.isStatic(1) || (operation.w >= 0 && !task.input(operation.w).isStatic())) {
                refuse("channels and weights must have static extents");
            }
            geometryOf(operation, inputs, task.output(0).optExtents());
        });
    }

    Code enumerate(const module::TargetView& target, const module::TaskView& task, module::TacticList& tactics,
                   module::Reason& reason) const override {
        return explained(reason, [&] {
            const std::shared_ptr<const Answer> answer = mAnswers.get(questionOf(target, task), [&] {
                const Workshop workshop(target, mApi, *mPool);
                Answer made;
                const Operation operation = readOperation(task.body());
                for (const Precision& precision : precisionsOf(task, operation)) {
                    for (const bool swapped : {false, true}) {
                        try {
                            addTactics(target, task, workshop.place, precision, swapped, made);
                        } catch (const Failure& failure) {
                            made.notes.push_back(module::text(module::nameOf(precision.type),
                                                              precision.channelsLast ? " channels last: " : ": ",
                                                              failure.what()));
                        }
                    }
                }
                return made;
            });
            for (const module::Tactic& tactic : answer->tactics) {
                tactics.add(tactic);
            }
            for (const std::string& note : answer->notes) {
                reason.note(note);
            }
        });
    }

    Code compile(const module::TargetView& target, const module::TaskView& task, const module::TacticView& tactic,
                 const module::Cancel& cancel, module::BlobOutput& blob, module::Reason& reason) const override {
        return explained(reason, [&] {
            Compiled compiled;
            for (int32_t i = 0; i < task.inputCount(); ++i) {
                compiled.ports.inputs.push_back(tactic.input(i));
            }
            for (int32_t o = 0; o < task.outputCount(); ++o) {
                compiled.ports.outputs.push_back(tactic.output(o));
            }
            std::string_view name = tactic.name();
            name.remove_prefix(name.starts_with(kTf32) ? kTf32.size() : 0);
            const std::optional<Choice> choice = parseChoice(name);
            if (!choice || idOf(tactic.name()) != tactic.id()) {
                kernels::invalid("the tactic '", tactic.name(), "' is none of cudnn's");
            }
            compiled.choice = *choice;
            describe(task, compiled);
            if (cancel.requested()) {
                throw Failure(Code::kCancelled, "cancelled before the plan was built");
            }
            const Workshop workshop(target, mApi, *mPool);
            const Graph graph = graphOf(workshop.place, compiled, compiled.optInputs(), compiled.optOutput());
            try {
                const Descriptor plan = buildPlan(workshop.place, graph, compiled.choice.engine);
                compiled.workspace = plan.getInt(CUDNN_ATTR_EXECUTION_PLAN_WORKSPACE_SIZE);
                compiled.plan = plan.getText(CUDNN_ATTR_EXECUTION_PLAN_JSON_REPRESENTATION);
            } catch (const Failure& failure) {
                // Engines that compile at run time need a driver, those that ask about occupancy a device.
                throw Failure(workshop.place.handle != nullptr ? Code::kUnsupported : Code::kEnvironment,
                              failure.what());
            }
            if (compiled.workspace > compiled.workspaceLimit) {
                refuse("the engine needs ", compiled.workspace, " bytes of workspace; ", compiled.workspaceLimit,
                       " are allowed");
            }
            compiled.libraryVersion = mApi->cudnnGetVersion();
            compiled.boundPorts.assign(graph.ports.begin(), graph.ports.end());
            compiled.scalars.assign(graph.scalars.begin(), graph.scalars.end());
            blob.set("cudnn", kBlobVersion, writeBlob(compiled));
        });
    }

private:
    static constexpr std::string_view kTf32 = "tf32:";

    static void checkNormalization(const module::TaskView& task, const Operation& operation,
                                   const std::vector<kernels::Dims>& inputs) {
        for (int32_t o = 0; o < task.outputCount(); ++o) {
            if (!task.output(o).hasRank() || task.output(o).dtype() != task.input(operation.x).dtype()) {
                refuse("cudnn normalises tensors of known rank and keeps the element type");
            }
        }
        for (const int32_t port : {operation.scale, operation.bias}) {
            if (port >= 0 && !task.input(port).isStatic()) {
                refuse("scale and bias of a normalisation must have static extents");
            }
        }
        normalizedShapeOf(operation, inputs, task.output(operation.result).optExtents());
    }

    // What follows from task, ports and choice.
    static void describe(const module::TaskView& task, Compiled& compiled) {
        compiled.body = task.body();
        compiled.complete();
        compiled.workspaceLimit =
            std::clamp<int64_t>(task.workspaceLimit(), 0, compiled.isStatic() ? kMostWorkspace : kMostDynamicWorkspace);
    }

    void addTactics(const module::TargetView& target, const module::TaskView& task, const Place& place,
                    const Precision& precision, bool swapped, Answer& answer) const {
        Compiled compiled;
        compiled.choice.swapped = swapped;
        const Operation operation = readOperation(task.body());
        if (swapped && swappedSteps(operation.steps).empty()) {
            return;
        }
        compiled.ports = portsOf(target, task, operation, precision);
        describe(task, compiled);
        const Graph graph = graphOf(place, compiled, compiled.optInputs(), compiled.optOutput());
        // Of f32 some engines are exact, some use TF32: more are asked for.
        size_t exact = 0;
        size_t rounded = 0;
        const bool isF32 = precision.type == TN_F32;
        const size_t most = swapped ? precision.most / 2 : precision.most;
        double estimate = floorUs(task, operation, precision);
        for (const Offer& offer : enginesFor(place, graph, isF32 ? 6 * most : 2 * most, searchFor(operation))) {
            const bool tf32 = isF32 && offer.facts.tensorCores;
            size_t& count = tf32 ? rounded : exact;
            if (offer.facts.transforms || (tf32 && !task.mayUseTf32()) || count >= most) {
                continue;
            }
            ++count;
            compiled.choice.engine = offer.choice;
            module::Tactic tactic;
            tactic.name = (tf32 ? std::string(kTf32) : std::string()) + nameOf(compiled.choice);
            tactic.id = idOf(tactic.name);
            tactic.inputs = compiled.ports.inputs;
            tactic.outputs = compiled.ports.outputs;
            tactic.traits = TN_TRAIT_CAPTURE_SAFE | (offer.facts.deterministic ? TN_TRAIT_DETERMINISTIC : 0) |
                            (tf32 ? TN_TRAIT_TF32 : 0) | (isF32 && !tf32 ? TN_TRAIT_EXACT_MATH : 0);
            tactic.estimateUs = estimate;
            estimate *= 1.01; // in the order of the list
            answer.tactics.push_back(std::move(tactic));
        }
        if (exact + rounded == 0) {
            answer.notes.push_back(module::text("no engine of cuDNN takes this graph in ",
                                                module::nameOf(precision.type),
                                                precision.channelsLast ? " channels last" : " row-major",
                                                isF32 && !task.mayUseTf32() ? " without TF32" : "", "; "));
        }
    }

    // Microseconds that a device of the H200's kind cannot do better than.
    static double floorUs(const module::TaskView& task, const Operation& operation, const Precision& precision) {
        double bytes = 0;
        for (int32_t o = 0; o < task.outputCount(); ++o) {
            bytes += static_cast<double>(task.output(o).optElements());
        }
        for (int32_t i = 0; i < task.inputCount(); ++i) {
            bytes += static_cast<double>(task.input(i).optElements());
        }
        bytes *= module::bitsOf(precision.type) / 8.0;
        double work = 0;
        if (operation.kind == Kind::kAttention) {
            // Two products whose depths and widths are the heads' elements and the positions of k.
            const module::ValueView k = task.input(operation.operands[1]);
            work = 4.0 * static_cast<double>(task.output(0).optElements()) *
                   static_cast<double>(std::max(k.dim(-2).opt, k.dim(-3).opt));
        } else if (operation.w >= 0) {
            const module::ValueView w = task.input(operation.w);
            const module::ValueView y =
                operation.kind == Kind::kDeconvolution ? task.input(operation.x) : task.output(0);
            work = 2.0 * static_cast<double>(y.optElements()) * static_cast<double>(w.optElements()) /
                   static_cast<double>(std::max<int64_t>(w.dim(0).opt, 1));
        }
        return 2 + std::max(work / (precision.type == TN_F32 ? 50e6 : 700e6), bytes / 4.2e6);
    }

    std::shared_ptr<CudnnApi> mApi;
    std::string mIdentity;
    std::unique_ptr<HandlePool> mPool;
    mutable Answers mAnswers;
};

} // namespace

} // namespace tenon::cudnn

TENON_MODULE(TENON_MODULE_NAME, TENON_MODULE_VERSION)
(const tenon::module::Host&, tenon::module::Registrar& registrar, tenon::module::Reason& reason) {
    // The first library opens the others; the second is where the precompiled kernels of a release are, so that its size tells releases apart.
    const tenon::nvidia::LibraryPlace place = tenon::nvidia::findLibrary("libcudnn.so.9", "TENON_CUDNN_DIR");
    if (place.path.empty()) {
        return reason.environment("libcudnn.so.9 is missing (looked in ", place.searched,
                                  "): install cuDNN 9 for CUDA 13 (Debian package libcudnn9-cuda-13, PyPI "
                                  "nvidia-cudnn-cu13), and name its folder in TENON_CUDNN_DIR or LD_LIBRARY_PATH");
    }
    const tenon::nvidia::LibraryPlace kernels =
        tenon::nvidia::findLibrary("libcudnn_engines_precompiled.so.9", "TENON_CUDNN_DIR");
    auto api = std::make_shared<tenon::cudnn::CudnnApi>(place.path);
    registrar.addProvider(tenon::nvidia::withSiblings(std::make_unique<tenon::cudnn::CudnnProvider>(
        api, tenon::module::text(place.identity, kernels.identity.empty() ? "" : "+", kernels.identity))));
    registrar.addKernelRuntime(tenon::nvidia::withSiblings(tenon::cudnn::makeRuntime(api)));
    return tenon::module::Code::kOk;
}
