#include "core/api/plugin_runtime.h"

#include "core/api/plugin_content.h"
#include "tenon/module/blob.hpp"
#include "tenon/module/kernel.hpp"

#include <mutex>

namespace tenon::api {

using module::Code;
using module::KernelRuntime;
using module::LaunchArgs;
using module::PrepareArgs;
using module::Reason;
using nvinfer1::PluginTensorDesc;

namespace {

Code fail(Reason& reason, const support::Status& status) { return reason.environment(status.message()); }

// A context's resources, as plugins may ask for them.
class PluginSession final : public module::Session, public nvinfer1::IPluginResourceContext {
public:
    explicit PluginSession(const module::SessionInfo& info)
        : mStream(static_cast<cudaStream_t*>(info.resource(kStreamResource))),
          mAllocator(static_cast<nvinfer1::IGpuAllocator*>(info.resource(kAllocatorResource))),
          mRecorder(static_cast<nvinfer1::IErrorRecorder*>(info.resource(kRecorderResource))) {}

    nvinfer1::IGpuAllocator* getGpuAllocator() const noexcept override { return mAllocator; }
    nvinfer1::IErrorRecorder* getErrorRecorder() const noexcept override { return mRecorder; }
    cudaStream_t stream() const noexcept { return mStream == nullptr ? nullptr : *mStream; }

private:
    cudaStream_t* mStream;
    nvinfer1::IGpuAllocator* mAllocator;
    nvinfer1::IErrorRecorder* mRecorder;
};

// What the blob says beside the plugin's content.
struct PluginLaunchPlan {
    int64_t tactic = 0;
    int64_t workspace = 0;           // generation 3: fixed when the plan was built
    std::vector<int64_t> inputPorts; // port of each plugin input: an input read twice has one port
    std::vector<int64_t> outputPorts;
};

// Descriptions and addresses in the plugin's order, refilled by prepare and launch without allocating.
class PluginPorts {
public:
    explicit PluginPorts(const PluginLaunchPlan& plan)
        : mPlan(plan), mInputs(plan.inputPorts.size()), mOutputs(plan.outputPorts.size()),
          mInputPointers(plan.inputPorts.size()), mOutputPointers(plan.outputPorts.size()) {}

    bool fill(const PrepareArgs& args) {
        for (size_t i = 0; i < mInputs.size(); ++i) {
            if (mPlan.inputPorts[i] >= args.inputCount()) {
                return false;
            }
            mInputs[i] = describe(args.input(static_cast<int32_t>(mPlan.inputPorts[i])));
        }
        for (size_t i = 0; i < mOutputs.size(); ++i) {
            if (mPlan.outputPorts[i] >= args.outputCount()) {
                return false;
            }
            mOutputs[i] = describe(args.output(static_cast<int32_t>(mPlan.outputPorts[i])));
        }
        return true;
    }
    void fill(const LaunchArgs& args) noexcept {
        for (size_t i = 0; i < mInputPointers.size(); ++i) {
            mInputPointers[i] = args.input(static_cast<int32_t>(mPlan.inputPorts[i]));
        }
        for (size_t i = 0; i < mOutputPointers.size(); ++i) {
            mOutputPointers[i] = args.output(static_cast<int32_t>(mPlan.outputPorts[i]));
        }
    }
    const PluginTensorDesc* inputs() const noexcept { return mInputs.data(); }
    const PluginTensorDesc* outputs() const noexcept { return mOutputs.data(); }
    int32_t inputCount() const noexcept { return static_cast<int32_t>(mInputs.size()); }
    int32_t outputCount() const noexcept { return static_cast<int32_t>(mOutputs.size()); }
    const void* const* inputPointers() const noexcept { return mInputPointers.data(); }
    void* const* outputPointers() const noexcept { return mOutputPointers.data(); }

private:
    const PluginLaunchPlan& mPlan;
    std::vector<PluginTensorDesc> mInputs;
    std::vector<PluginTensorDesc> mOutputs;
    std::vector<const void*> mInputPointers;
    std::vector<void*> mOutputPointers;
};

Code enqueued(int32_t code, const LaunchArgs& args, const std::string& name) {
    if (code == 0) {
        return Code::kOk;
    }
    Reason reason = args.reason();
    return reason.internal("enqueue() of plugin '", name, "' returned ", code);
}

// ---- third generation -----------------------------------------------------------------------------------------------

class StateV3 final : public module::State {
public:
    StateV3(PluginSession& session, const std::string& name, const PluginLaunchPlan& plan, PluginV3Ptr plugin)
        : mSession(session), mName(name), mPorts(plan), mPlugin(std::move(plugin)), mRuntime(runtimeOf(*mPlugin)) {}

    Code prepare(const PrepareArgs& args, Reason& reason) override {
        if (!mPorts.fill(args)) {
            return reason.invalidArgument("the step has fewer tensors than plugin '", mName, "'");
        }
        const int32_t code =
            mRuntime->onShapeChange(mPorts.inputs(), mPorts.inputCount(), mPorts.outputs(), mPorts.outputCount());
        return code == 0 ? Code::kOk : reason.internal("onShapeChange() of plugin '", mName, "' returned ", code);
    }
    Code launch(const LaunchArgs& args) override {
        mPorts.fill(args);
        return enqueued(mRuntime->enqueue(mPorts.inputs(), mPorts.outputs(), mPorts.inputPointers(),
                                          mPorts.outputPointers(), args.workspace(), mSession.stream()),
                        args, mName);
    }

private:
    PluginSession& mSession;
    const std::string& mName;
    PluginPorts mPorts;
    PluginV3Ptr mPlugin;
    nvinfer1::IPluginV3OneRuntime* mRuntime;
};

class KernelV3 final : public module::Kernel {
public:
    KernelV3(PluginContent content, PluginLaunchPlan plan, PluginV3Ptr plugin)
        : mContent(std::move(content)), mPlan(std::move(plan)), mPlugin(std::move(plugin)) {}

    int64_t workspace(module::Session&, const PrepareArgs&, Reason&) const override { return mPlan.workspace; }
    std::unique_ptr<module::State> makeState(module::Session& session, Reason& reason) const override {
        auto& own = static_cast<PluginSession&>(session);
        const std::lock_guard<std::mutex> lock(mMutex);
        PluginV3Ptr attached(runtimeOf(*mPlugin)->attachToContext(&own));
        nvinfer1::IPluginV3OneRuntime* runtime = attached == nullptr ? nullptr : runtimeOf(*attached);
        if (runtime == nullptr) {
            reason.environment("attachToContext() of plugin '", mContent.name, "' gave no plugin that can run");
            return nullptr;
        }
        if (const int32_t code = runtime->setTactic(static_cast<int32_t>(mPlan.tactic)); code != 0) {
            reason.internal("setTactic(", mPlan.tactic, ") of plugin '", mContent.name, "' returned ", code);
            return nullptr;
        }
        return std::make_unique<StateV3>(own, mContent.name, mPlan, std::move(attached));
    }

private:
    PluginContent mContent;
    PluginLaunchPlan mPlan;
    PluginV3Ptr mPlugin;
    mutable std::mutex mMutex; // plugins are for one thread at a time
};

// ---- second generation ----------------------------------------------------------------------------------------------

class StateV2 final : public module::State {
public:
    StateV2(PluginSession& session, const std::string& name, const PluginLaunchPlan& plan, PluginV2Ptr plugin)
        : mSession(session), mName(name), mPorts(plan), mPlugin(std::move(plugin)) {}
    ~StateV2() override { mPlugin->detachFromContext(); }

    Code prepare(const PrepareArgs& args, Reason& reason) override {
        if (!mPorts.fill(args)) {
            return reason.invalidArgument("the step has fewer tensors than plugin '", mName, "'");
        }
        const auto dynamic = [](const PluginTensorDesc* descs, int32_t count) {
            std::vector<nvinfer1::DynamicPluginTensorDesc> list;
            for (int32_t i = 0; i < count; ++i) {
                list.push_back({descs[i], descs[i].dims, descs[i].dims, descs[i].dims});
            }
            return list;
        };
        const auto in = dynamic(mPorts.inputs(), mPorts.inputCount());
        const auto out = dynamic(mPorts.outputs(), mPorts.outputCount());
        mPlugin->configurePlugin(in.data(), mPorts.inputCount(), out.data(), mPorts.outputCount());
        return Code::kOk;
    }
    Code launch(const LaunchArgs& args) override {
        mPorts.fill(args);
        return enqueued(mPlugin->enqueue(mPorts.inputs(), mPorts.outputs(), mPorts.inputPointers(),
                                         mPorts.outputPointers(), args.workspace(), mSession.stream()),
                        args, mName);
    }

private:
    PluginSession& mSession;
    const std::string& mName;
    PluginPorts mPorts;
    PluginV2Ptr mPlugin;
};

class KernelV2 final : public module::Kernel {
public:
    KernelV2(PluginContent content, PluginLaunchPlan plan, PluginV2Ptr plugin)
        : mContent(std::move(content)), mPlan(std::move(plan)), mPlugin(std::move(plugin)) {}
    ~KernelV2() override { mPlugin->terminate(); }

    int64_t workspace(module::Session&, const PrepareArgs& args, Reason& reason) const override {
        PluginPorts ports(mPlan);
        if (!ports.fill(args)) {
            reason.invalidArgument("the step has fewer tensors than plugin '", mContent.name, "'");
            return -1;
        }
        const std::lock_guard<std::mutex> lock(mMutex);
        return static_cast<int64_t>(
            mPlugin->getWorkspaceSize(ports.inputs(), ports.inputCount(), ports.outputs(), ports.outputCount()));
    }
    std::unique_ptr<module::State> makeState(module::Session& session, Reason& reason) const override {
        auto& own = static_cast<PluginSession&>(session);
        const std::lock_guard<std::mutex> lock(mMutex);
        PluginV2Ptr clone(mPlugin->clone());
        if (clone == nullptr) {
            reason.environment("clone() of plugin '", mContent.name, "' failed");
            return nullptr;
        }
        clone->attachToContext(nullptr, nullptr, own.getGpuAllocator());
        return std::make_unique<StateV2>(own, mContent.name, mPlan, std::move(clone));
    }

private:
    PluginContent mContent;
    PluginLaunchPlan mPlan;
    PluginV2Ptr mPlugin;
    mutable std::mutex mMutex; // plugins are for one thread at a time
};

// ---- runtime --------------------------------------------------------------------------------------------------------

class PluginKernelRuntime final : public KernelRuntime {
public:
    std::string name() const override { return kPluginRuntimeName; }
    std::unique_ptr<module::Session> openSession(const module::SessionInfo& info, Reason&) override {
        return std::make_unique<PluginSession>(info);
    }
    std::unique_ptr<module::Kernel> deserialize(std::span<const std::byte> blob, uint32_t version,
                                                Reason& reason) override {
        module::BlobReader reader(blob, version);
        PluginContent content;
        PluginLaunchPlan plan;
        content.name = reader.string();
        content.version = reader.string();
        content.pluginNamespace = reader.string();
        const std::string data = reader.string();
        plan.tactic = reader.i64();
        plan.workspace = reader.i64();
        plan.inputPorts = reader.ints();
        plan.outputPorts = reader.ints();
        for (const int64_t port : plan.inputPorts) {
            reader.require(port >= 0 && port <= INT32_MAX, "a port is out of range");
        }
        for (const int64_t port : plan.outputPorts) {
            reader.require(port >= 0 && port <= INT32_MAX, "a port is out of range");
        }
        reader.require(plan.workspace >= 0, "the workspace is negative");
        reader.require(splitGeneration(data, content), "the plugin's generation is not known");
        if (!reader.finish(reason)) {
            return nullptr;
        }
        if (content.generation == 2) {
            support::Result<PluginV2Ptr> plugin = createForRuntimeV2(content);
            if (!plugin) {
                fail(reason, plugin.status());
                return nullptr;
            }
            return std::make_unique<KernelV2>(std::move(content), std::move(plan), std::move(plugin).value());
        }
        support::Result<PluginV3Ptr> plugin = createForRuntimeV3(content);
        if (!plugin) {
            fail(reason, plugin.status());
            return nullptr;
        }
        return std::make_unique<KernelV3>(std::move(content), std::move(plan), std::move(plugin).value());
    }
};

} // namespace

const TnKernelRuntime& pluginKernelRuntime() {
    static const auto* table = new module::detail::KernelRuntimeTable<>(std::make_unique<PluginKernelRuntime>());
    return table->table();
}

} // namespace tenon::api
