// What plugins of every generation share: creation fields, capability and resource roots, creator roots.
// Used by plugin.h and plugin_v2.h; must not know networks or engines.
#pragma once

#include "tenon/allocator.h"
#include "tenon/error_recorder.h"

namespace nvinfer1 {

enum class PluginFieldType : int32_t {
    kFLOAT16 = 0,
    kFLOAT32 = 1,
    kFLOAT64 = 2,
    kINT8 = 3,
    kINT16 = 4,
    kINT32 = 5,
    kCHAR = 6,
    kDIMS = 7, // an array of Dims
    kUNKNOWN = 8,
    kBF16 = 9,
    kINT64 = 10,
    kFP8 = 11,
    kINT4 = 12,
    kFP4 = 13,
};
TENON_ENUM_MAX(PluginFieldType, 14)

// One named attribute of a plugin; owns neither name nor data. `length` counts elements of `type`.
class PluginField {
public:
    AsciiChar const* name;
    void const* data;
    PluginFieldType type;
    int32_t length;

    PluginField(AsciiChar const* const name_ = nullptr, void const* const data_ = nullptr,
                PluginFieldType const type_ = PluginFieldType::kUNKNOWN, int32_t const length_ = 0) noexcept
        : name(name_), data(data_), type(type_), length(length_) {}
};

struct PluginFieldCollection {
    int32_t nbFields{};
    PluginField const* fields{};
};

// What the library wants a plugin for.
enum class TensorRTPhase : int32_t {
    kBUILD = 0,
    kRUNTIME = 1,
};
TENON_ENUM_MAX(TensorRTPhase, 2)

enum class PluginCapabilityType : int32_t {
    kCORE = 0,
    kBUILD = 1,
    kRUNTIME = 2,
};
TENON_ENUM_MAX(PluginCapabilityType, 3)

// Root of the capabilities that an IPluginV3 gives out.
class IPluginCapability : public IVersionedInterface {};

// A resource that plugins of one process share through the registry by key. Implemented by plugin authors.
class IPluginResource : public IVersionedInterface {
public:
    InterfaceInfo getInterfaceInfo() const noexcept override { return InterfaceInfo{"IPluginResource", 1, 0}; }

    // Frees what a clone holds; called on clones only. 0 means success.
    virtual int32_t release() noexcept = 0;

    // The object that the registry keeps. Null on failure. May be called from several threads.
    virtual IPluginResource* clone() noexcept = 0;

    ~IPluginResource() noexcept override = default;

    IPluginResource() = default;
    IPluginResource(IPluginResource const&) = default;
    IPluginResource(IPluginResource&&) = default;
    IPluginResource& operator=(IPluginResource const&) & = default;
    IPluginResource& operator=(IPluginResource&&) & = default;
};

// Root of all creators; what the registry holds.
class IPluginCreatorInterface : public IVersionedInterface {
public:
    ~IPluginCreatorInterface() noexcept override = default;

protected:
    IPluginCreatorInterface() = default;
    IPluginCreatorInterface(IPluginCreatorInterface const&) = default;
    IPluginCreatorInterface(IPluginCreatorInterface&&) = default;
    IPluginCreatorInterface& operator=(IPluginCreatorInterface const&) & = default;
    IPluginCreatorInterface& operator=(IPluginCreatorInterface&&) & = default;
};

// A plugin of the third generation: gives out one object per capability, which may all be itself.
class IPluginV3 : public IVersionedInterface {
public:
    InterfaceInfo getInterfaceInfo() const noexcept override { return InterfaceInfo{"PLUGIN", 1, 0}; }

    // The object for a capability, owned by the plugin. Null if it has none.
    virtual IPluginCapability* getCapabilityInterface(PluginCapabilityType type) noexcept = 0;

    // A plugin with the same parameters and state, owned by the caller. Null on failure.
    virtual IPluginV3* clone() noexcept = 0;
};

// What a plugin sees of one tensor.
struct PluginTensorDesc {
    Dims dims;
    DataType type;
    TensorFormat format;
    float scale; // of a quantised tensor
};

struct DynamicPluginTensorDesc {
    PluginTensorDesc desc; // -1 for extents that are known only at run time
    Dims min;
    Dims max;
    Dims opt;
};

namespace v_1_0 {
using nvinfer1::IPluginCapability;
using nvinfer1::IPluginCreatorInterface;
using nvinfer1::IPluginResource;
using nvinfer1::IPluginV3;
} // namespace v_1_0

} // namespace nvinfer1
