// Plugins of the third generation, the plugin registry and the registration macros.
// Used by plugin authors, networks and runtimes.
#pragma once

#include "tenon/logger.h"
#include "tenon/plugin_v2.h"

namespace nvinfer1 {

// Given to a plugin when it is attached to an execution context; valid while the attached plugin lives.
class IPluginResourceContext {
public:
    // The context's allocator for temporary memory; null if there is none.
    virtual IGpuAllocator* getGpuAllocator() const noexcept = 0;
    virtual IErrorRecorder* getErrorRecorder() const noexcept = 0;
    virtual ~IPluginResourceContext() noexcept = default;

protected:
    IPluginResourceContext() = default;
    IPluginResourceContext(IPluginResourceContext const&) = default;
    IPluginResourceContext(IPluginResourceContext&&) = default;
    IPluginResourceContext& operator=(IPluginResourceContext const&) & = default;
    IPluginResourceContext& operator=(IPluginResourceContext&&) & = default;
};

// Identity: every IPluginV3 has this capability.
class IPluginV3OneCore : public IPluginCapability {
public:
    InterfaceInfo getInterfaceInfo() const noexcept override { return InterfaceInfo{"PLUGIN_V3ONE_CORE", 1, 0}; }

    virtual AsciiChar const* getPluginName() const noexcept = 0;
    virtual AsciiChar const* getPluginVersion() const noexcept = 0;
    virtual AsciiChar const* getPluginNamespace() const noexcept = 0;
};

// Description and configuration, needed while a plan is built. Functions that return int32_t return 0 for success.
class IPluginV3OneBuild : public IPluginCapability {
public:
    static constexpr int32_t kDEFAULT_FORMAT_COMBINATION_LIMIT = 100;

    InterfaceInfo getInterfaceInfo() const noexcept override { return InterfaceInfo{"PLUGIN_V3ONE_BUILD", 1, 0}; }

    virtual int32_t configurePlugin(DynamicPluginTensorDesc const* in, int32_t nbInputs,
                                    DynamicPluginTensorDesc const* out, int32_t nbOutputs) noexcept = 0;
    virtual int32_t getOutputDataTypes(DataType* outputTypes, int32_t nbOutputs, DataType const* inputTypes,
                                       int32_t nbInputs) const noexcept = 0;
    // Extents of the outputs as expressions over the inputs' extents; `shapeInputs` are the values of the shape inputs.
    virtual int32_t getOutputShapes(DimsExprs const* inputs, int32_t nbInputs, DimsExprs const* shapeInputs,
                                    int32_t nbShapeInputs, DimsExprs* outputs, int32_t nbOutputs,
                                    IExprBuilder& exprBuilder) noexcept = 0;
    // Whether the type and format at `pos` will do, given those before it. Inputs are counted first.
    virtual bool supportsFormatCombination(int32_t pos, DynamicPluginTensorDesc const* inOut, int32_t nbInputs,
                                           int32_t nbOutputs) noexcept = 0;
    virtual int32_t getNbOutputs() const noexcept = 0;

    virtual size_t getWorkspaceSize(DynamicPluginTensorDesc const* /*inputs*/, int32_t /*nbInputs*/,
                                    DynamicPluginTensorDesc const* /*outputs*/, int32_t /*nbOutputs*/) const noexcept {
        return 0;
    }
    // Own tactics to time against each other, positive and unique. None means one tactic, 0.
    virtual int32_t getValidTactics(int32_t* /*tactics*/, int32_t /*nbTactics*/) noexcept { return 0; }
    virtual int32_t getNbTactics() noexcept { return 0; }
    // Names the plugin's state in the timing cache; null keeps its times out of the cache.
    virtual char const* getTimingCacheID() noexcept { return nullptr; }
    virtual int32_t getFormatCombinationLimit() noexcept { return kDEFAULT_FORMAT_COMBINATION_LIMIT; }
    // Shown by the engine inspector.
    virtual char const* getMetadataString() noexcept { return nullptr; }
};

namespace v_2_0 {

// Adds outputs that share an input's memory.
class IPluginV3OneBuild : public nvinfer1::IPluginV3OneBuild {
public:
    InterfaceInfo getInterfaceInfo() const noexcept override { return InterfaceInfo{"PLUGIN_V3ONE_BUILD", 2, 0}; }

    // The input that output `outputIndex` shares memory with, or -1.
    virtual int32_t getAliasedInput(int32_t /*outputIndex*/) noexcept { return -1; }
};

} // namespace v_2_0

using IPluginV3OneBuildV2 = v_2_0::IPluginV3OneBuild;

// Execution. A plugin object is used by one thread at a time.
class IPluginV3OneRuntime : public IPluginCapability {
public:
    InterfaceInfo getInterfaceInfo() const noexcept override { return InterfaceInfo{"PLUGIN_V3ONE_RUNTIME", 1, 0}; }

    virtual int32_t setTactic(int32_t /*tactic*/) noexcept { return 0; }
    // Called before an enqueue whose shapes differ from the last.
    virtual int32_t onShapeChange(PluginTensorDesc const* in, int32_t nbInputs, PluginTensorDesc const* out,
                                  int32_t nbOutputs) noexcept = 0;
    // On a CPU engine the addresses are host memory and the work must be complete on return.
    virtual int32_t enqueue(PluginTensorDesc const* inputDesc, PluginTensorDesc const* outputDesc,
                            void const* const* inputs, void* const* outputs, void* workspace,
                            cudaStream_t stream) noexcept = 0;
    // A clone for one execution context, owned by the library.
    virtual IPluginV3* attachToContext(IPluginResourceContext* context) noexcept = 0;
    // What the plan keeps of the plugin: its creator makes it again from these. Owned by the plugin.
    virtual PluginFieldCollection const* getFieldsToSerialize() noexcept = 0;
};

// Makes plugins of the third generation, at build and at load time.
class IPluginCreatorV3One : public IPluginCreatorInterface {
public:
    InterfaceInfo getInterfaceInfo() const noexcept override { return InterfaceInfo{"PLUGIN CREATOR_V3ONE", 1, 0}; }

    // Owned by the caller. Null on failure.
    virtual IPluginV3* createPlugin(AsciiChar const* name, PluginFieldCollection const* fc,
                                    TensorRTPhase phase) noexcept = 0;
    virtual PluginFieldCollection const* getFieldNames() noexcept = 0;
    virtual AsciiChar const* getPluginName() const noexcept = 0;
    virtual AsciiChar const* getPluginVersion() const noexcept = 0;
    virtual AsciiChar const* getPluginNamespace() const noexcept = 0;

    IPluginCreatorV3One() = default;
    ~IPluginCreatorV3One() override = default;

protected:
    IPluginCreatorV3One(IPluginCreatorV3One const&) = default;
    IPluginCreatorV3One(IPluginCreatorV3One&&) = default;
    IPluginCreatorV3One& operator=(IPluginCreatorV3One const&) & = default;
    IPluginCreatorV3One& operator=(IPluginCreatorV3One&&) & = default;
};

namespace v_1_0 {
using nvinfer1::IPluginCreatorV3One;
using nvinfer1::IPluginV3OneBuild;
using nvinfer1::IPluginV3OneCore;
using nvinfer1::IPluginV3OneRuntime;
} // namespace v_1_0

// All plugin creators of the process. One object per process, never deleted; thread-safe. Creators are not owned and
// must stay alive until deregistered; those of a loaded library belong to its handle.
class IPluginRegistry {
public:
    using PluginLibraryHandle = void*;

    // False, with the creator not added, if name, version and namespace are taken by another creator.
    virtual bool registerCreator(IPluginCreator& creator, AsciiChar const* const pluginNamespace) noexcept = 0;
    // Creators of second-generation plugins only. Owned by the registry, valid until the next change.
    virtual IPluginCreator* const* getPluginCreatorList(int32_t* const numCreators) const noexcept = 0;
    virtual IPluginCreator* getPluginCreator(AsciiChar const* const pluginName, AsciiChar const* const pluginVersion,
                                             AsciiChar const* const pluginNamespace = "") noexcept = 0;
    virtual void setErrorRecorder(IErrorRecorder* const recorder) noexcept = 0;
    virtual IErrorRecorder* getErrorRecorder() const noexcept = 0;
    virtual bool deregisterCreator(IPluginCreator const& creator) noexcept = 0;
    virtual bool isParentSearchEnabled() const noexcept = 0;
    virtual void setParentSearchEnabled(bool const enabled) noexcept = 0;
    // Opens a plugin library and adds its creators. Null on failure, with the reason in log and error recorder.
    virtual PluginLibraryHandle loadLibrary(AsciiChar const* pluginPath) noexcept = 0;
    // Removes a library's creators. The library stays mapped: objects of its classes may still be alive.
    virtual void deregisterLibrary(PluginLibraryHandle handle) noexcept = 0;

    virtual bool registerCreator(IPluginCreatorInterface& creator, AsciiChar const* const pluginNamespace) noexcept = 0;
    virtual IPluginCreatorInterface* const* getAllCreators(int32_t* const numCreators) const noexcept = 0;
    virtual IPluginCreatorInterface* getCreator(AsciiChar const* const pluginName, AsciiChar const* const pluginVersion,
                                                AsciiChar const* const pluginNamespace = "") noexcept = 0;
    virtual bool deregisterCreator(IPluginCreatorInterface const& creator) noexcept = 0;

    // The shared resource of a key: a clone of `resource` if the key is new. Null on failure. Counts uses.
    virtual IPluginResource* acquirePluginResource(AsciiChar const* key, IPluginResource* resource) noexcept = 0;
    // 0 for success. The last release of a key frees the resource.
    virtual int32_t releasePluginResource(AsciiChar const* key) noexcept = 0;

    virtual IPluginCreatorInterface* const* getAllCreatorsRecursive(int32_t* const numCreators) noexcept = 0;

protected:
    virtual ~IPluginRegistry() noexcept = default;

private:
    virtual void tenonReserved0() noexcept {}
    virtual void tenonReserved1() noexcept {}
    virtual void tenonReserved2() noexcept {}
    virtual void tenonReserved3() noexcept {}
};

} // namespace nvinfer1

extern "C" {
// The process's plugin registry; never null.
TENSORRTAPI nvinfer1::IPluginRegistry* TENON_ENTRY(tenon_getPluginRegistry, getPluginRegistry)() noexcept;
// The logger that plugins may use: that of the builder, runtime or refitter made last. May be null.
TENSORRTAPI nvinfer1::ILogger* TENON_ENTRY(tenon_getLogger, getLogger)() noexcept;
}

namespace nvinfer1 {
inline namespace TENON_ENTRY_NAMESPACE {

// A static object of this class registers a creator when its library is opened.
template <typename T>
class PluginRegistrar {
public:
    PluginRegistrar() { TENON_ENTRY(tenon_getPluginRegistry, getPluginRegistry)()->registerCreator(instance, ""); }

private:
    T instance{};
};

} // namespace TENON_ENTRY_NAMESPACE
} // namespace nvinfer1

namespace tenon {
inline namespace TENON_ENTRY_NAMESPACE {
// The process's plugin registry, for code that does not use TensorRT's C names.
inline IPluginRegistry* pluginRegistry() noexcept { return TENON_ENTRY(tenon_getPluginRegistry, getPluginRegistry)(); }
} // namespace TENON_ENTRY_NAMESPACE
} // namespace tenon

#define REGISTER_TENSORRT_PLUGIN(name)                                                                                 \
    static nvinfer1::PluginRegistrar<name> pluginRegistrar##name {}
