#include "core/api/plugin_provider.h"

#include "core/api/plugin_runtime.h"
#include "core/api/type_convert.h"
#include "tenon/module/provider.hpp"

#include <map>

namespace tenon::api {

using module::BlobOutput;
using module::Code;
using module::NodeView;
using module::Reason;
using module::TacticList;
using module::TacticView;
using module::TargetView;
using module::TaskView;
using nvinfer1::DynamicPluginTensorDesc;

namespace {

// The live instances of this process. Locked for single look-ups only.
class InstanceTable {
public:
    static InstanceTable& process() {
        static auto* table = new InstanceTable(); // never destroyed: builds may run at exit
        return *table;
    }
    void publish(const std::shared_ptr<PluginInstance>& instance) {
        const std::lock_guard<std::mutex> lock(mMutex);
        for (auto entry = mInstances.begin(); entry != mInstances.end();) {
            entry = entry->second.expired() ? mInstances.erase(entry) : std::next(entry);
        }
        mInstances[instance->content] = instance;
    }
    std::shared_ptr<PluginInstance> find(const PluginContent& content) {
        const std::lock_guard<std::mutex> lock(mMutex);
        const auto found = mInstances.find(content);
        return found == mInstances.end() ? nullptr : found->second.lock();
    }

private:
    std::mutex mMutex;
    std::map<PluginContent, std::weak_ptr<PluginInstance>> mInstances;
};

// Inputs first, then outputs, as plugins count them. `fits` is false where an extent has no bound.
struct TaskDescs {
    std::vector<DynamicPluginTensorDesc> all;
    int32_t inputs = 0;
    int32_t outputs = 0;
    bool bounded = true;

    const DynamicPluginTensorDesc* in() const { return all.data(); }
    const DynamicPluginTensorDesc* out() const { return all.data() + inputs; }
};

DynamicPluginTensorDesc describe(const module::ValueView& value, bool& bounded) {
    DynamicPluginTensorDesc desc{};
    desc.desc.type = toPublic(static_cast<ir::DataType>(value.dtype()));
    desc.desc.format = nvinfer1::TensorFormat::kLINEAR;
    desc.desc.scale = 1.0F;
    const int32_t rank = value.rank();
    desc.desc.dims.nbDims = desc.min.nbDims = desc.max.nbDims = desc.opt.nbDims = rank;
    for (int32_t i = 0; i < rank; ++i) {
        const TnDim& dim = value.dim(i);
        bounded = bounded && module::isBounded(dim);
        desc.desc.dims.d[i] = module::isStatic(dim) ? dim.min : -1;
        desc.min.d[i] = dim.min;
        desc.max.d[i] = dim.max;
        desc.opt.d[i] = dim.opt;
    }
    return desc;
}

std::string text(nvinfer1::DataType type) { return api::nameOf(type); }

// The plugin of a task: content, instance, descriptions. Null with a reason if there is none.
class PluginTask {
public:
    static std::unique_ptr<PluginTask> open(const TaskView& task, Reason& reason) {
        if (!task.isSingleNode() || task.op() != "plugin") {
            reason.unsupported("runs single nodes of op 'plugin', got '", task.op(), "'");
            return nullptr;
        }
        const NodeView node = task.node();
        auto opened = std::make_unique<PluginTask>();
        PluginContent content;
        content.name = node.stringOr("type", "");
        content.version = node.stringOr("version", "1");
        content.pluginNamespace = node.stringOr("namespace", "");
        if (!splitGeneration(node.stringOr("data", ""), content)) {
            reason.unsupported("the node says nothing of the plugin's generation");
            return nullptr;
        }
        opened->mInstance = InstanceTable::process().find(content);
        if (opened->mInstance == nullptr) {
            reason.unsupported("the object of plugin '", content.name, "' is in no network of this process");
            return nullptr;
        }
        for (int32_t i = 0; i < node.inputCount(); ++i) {
            if (!node.hasInput(i) || !node.input(i).hasRank()) {
                reason.unsupported("input ", i, " of plugin '", content.name, "' is left out or of unknown rank");
                return nullptr;
            }
            opened->mInputPorts.push_back(task.inputPort(node.inputIndex(i)));
            opened->mDescs.all.push_back(describe(node.input(i), opened->mDescs.bounded));
        }
        opened->mDescs.inputs = node.inputCount();
        for (int32_t i = 0; i < node.outputCount(); ++i) {
            if (!node.output(i).hasRank()) {
                reason.unsupported("output ", i, " of plugin '", content.name, "' is of unknown rank");
                return nullptr;
            }
            opened->mOutputPorts.push_back(task.outputPort(node.outputIndex(i)));
            opened->mDescs.all.push_back(describe(node.output(i), opened->mDescs.bounded));
        }
        opened->mDescs.outputs = node.outputCount();
        return opened;
    }

    const PluginContent& content() const { return mInstance->content; }
    PluginInstance& instance() const { return *mInstance; }
    const TaskDescs& descs() const { return mDescs; }
    const std::vector<int64_t>& inputPorts() const { return mInputPorts; }
    const std::vector<int64_t>& outputPorts() const { return mOutputPorts; }

    // Whether the plugin takes row-major tensors of the network's types.
    Code checkFormats(Reason& reason) const {
        const std::lock_guard<std::mutex> lock(mInstance->mutex);
        std::vector<nvinfer1::PluginTensorDesc> plain;
        for (const DynamicPluginTensorDesc& desc : mDescs.all) {
            plain.push_back(desc.desc);
        }
        nvinfer1::IPluginV3OneBuild* build = mInstance->third ? buildOf(*mInstance->third) : nullptr;
        for (int32_t pos = 0; pos < mDescs.inputs + mDescs.outputs; ++pos) {
            const bool fits =
                build != nullptr
                    ? build->supportsFormatCombination(pos, mDescs.in(), mDescs.inputs, mDescs.outputs)
                    : mInstance->second->supportsFormatCombination(pos, plain.data(), mDescs.inputs, mDescs.outputs);
            if (!fits) {
                const bool isInput = pos < mDescs.inputs;
                return reason.unsupported("plugin '", content().name, "' does not take kLINEAR ",
                                          text(plain[static_cast<size_t>(pos)].type), " at ",
                                          isInput ? "input " : "output ", isInput ? pos : pos - mDescs.inputs,
                                          "; on this target tensors are row-major, of the types that the network has");
            }
        }
        return Code::kOk;
    }

private:
    std::shared_ptr<PluginInstance> mInstance;
    TaskDescs mDescs;
    std::vector<int64_t> mInputPorts;
    std::vector<int64_t> mOutputPorts;
};

class PluginProvider final : public module::Provider {
public:
    std::string name() const override { return "plugin"; }
    std::string version() const override { return "1"; }

    Code supports(const TargetView&, const TaskView& task, Reason& reason) const override {
        const std::unique_ptr<PluginTask> plugin = PluginTask::open(task, reason);
        return plugin == nullptr ? Code::kUnsupported : plugin->checkFormats(reason);
    }

    Code enumerate(const TargetView&, const TaskView& task, TacticList& tactics, Reason& reason) const override {
        const std::unique_ptr<PluginTask> plugin = PluginTask::open(task, reason);
        if (plugin == nullptr) {
            return Code::kUnsupported;
        }
        std::vector<int32_t> own;
        if (plugin->instance().third != nullptr) {
            const std::lock_guard<std::mutex> lock(plugin->instance().mutex);
            PluginV3Ptr clone(plugin->instance().third->clone());
            nvinfer1::IPluginV3OneBuild* build = clone == nullptr ? nullptr : buildOf(*clone);
            if (build == nullptr) {
                return reason.environment("clone() of plugin '", plugin->content().name, "' failed");
            }
            const TaskDescs& descs = plugin->descs();
            if (const int32_t code = build->configurePlugin(descs.in(), descs.inputs, descs.out(), descs.outputs);
                code != 0) {
                return reason.unsupported("configurePlugin() of plugin '", plugin->content().name, "' returned ", code);
            }
            own.resize(static_cast<size_t>(std::max(build->getNbTactics(), 0)));
            if (!own.empty()) {
                if (const int32_t code = build->getValidTactics(own.data(), static_cast<int32_t>(own.size()));
                    code != 0) {
                    return reason.unsupported("getValidTactics() of plugin '", plugin->content().name, "' returned ",
                                              code);
                }
            }
        }
        if (own.empty()) {
            own.push_back(0);
        }
        for (const int32_t id : own) {
            tactics.add(module::linearTactic(task, static_cast<uint32_t>(id),
                                             module::text(plugin->content().name, ':', id),
                                             TN_TRAIT_EXACT_MATH | TN_TRAIT_ANY_EXTENT));
        }
        return Code::kOk;
    }

    Code compile(const TargetView&, const TaskView& task, const TacticView& tactic, const module::Cancel&,
                 BlobOutput& blob, Reason& reason) const override {
        const std::unique_ptr<PluginTask> plugin = PluginTask::open(task, reason);
        if (plugin == nullptr) {
            return Code::kUnsupported;
        }
        const std::lock_guard<std::mutex> lock(plugin->instance().mutex);
        std::string data;
        int64_t workspace = 0;
        const Code configured = plugin->instance().third != nullptr ? configureV3(*plugin, data, workspace, reason)
                                                                    : configureV2(*plugin, data, reason);
        if (configured != Code::kOk) {
            return configured;
        }
        module::BlobWriter writer(kPluginBlobVersion);
        writer.string(plugin->content().name);
        writer.string(plugin->content().version);
        writer.string(plugin->content().pluginNamespace);
        writer.string(withGeneration(plugin->content().generation, data));
        writer.i64(static_cast<int32_t>(static_cast<uint32_t>(tactic.id())));
        writer.i64(workspace);
        writer.ints(plugin->inputPorts());
        writer.ints(plugin->outputPorts());
        blob.set(kPluginRuntimeName, kPluginBlobVersion, writer);
        return Code::kOk;
    }

private:
    static Code configureV3(const PluginTask& task, std::string& data, int64_t& workspace, Reason& reason) {
        const std::string& name = task.content().name;
        PluginV3Ptr clone(task.instance().third->clone());
        nvinfer1::IPluginV3OneBuild* build = clone == nullptr ? nullptr : buildOf(*clone);
        nvinfer1::IPluginV3OneRuntime* runtime = clone == nullptr ? nullptr : runtimeOf(*clone);
        if (build == nullptr || runtime == nullptr) {
            return reason.environment("clone() of plugin '", name, "' gave no plugin that can be built and run");
        }
        const TaskDescs& descs = task.descs();
        if (const int32_t code = build->configurePlugin(descs.in(), descs.inputs, descs.out(), descs.outputs);
            code != 0) {
            return reason.unsupported("configurePlugin() of plugin '", name, "' returned ", code);
        }
        if (!descs.bounded) {
            return reason.unsupported("plugin '", name, "' has a tensor whose size has no bound");
        }
        workspace = static_cast<int64_t>(build->getWorkspaceSize(descs.in(), descs.inputs, descs.out(), descs.outputs));
        support::Result<std::string> fields = encodeFields(runtime->getFieldsToSerialize());
        if (!fields) {
            return reason.invalidArgument("getFieldsToSerialize() of plugin '", name, "': ", fields.status().message());
        }
        data = std::move(fields).value();
        return Code::kOk;
    }

    static Code configureV2(const PluginTask& task, std::string& data, Reason& reason) {
        PluginV2Ptr clone(task.instance().second->clone());
        if (clone == nullptr) {
            return reason.environment("clone() of plugin '", task.content().name, "' failed");
        }
        const TaskDescs& descs = task.descs();
        clone->configurePlugin(descs.in(), descs.inputs, descs.out(), descs.outputs);
        data.resize(clone->getSerializationSize());
        clone->serialize(data.data());
        return Code::kOk;
    }
};

} // namespace

void publishInstance(const std::shared_ptr<PluginInstance>& instance) { InstanceTable::process().publish(instance); }

const TnTacticProvider& pluginTacticProvider() {
    static const auto* table = new module::detail::ProviderTable(std::make_unique<PluginProvider>());
    return table->table();
}

} // namespace tenon::api
