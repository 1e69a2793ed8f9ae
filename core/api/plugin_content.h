// What identifies a plugin and lets it be made again: names, and its fields or bytes. Also small views of plugin objects.
// Used by plugin layers, the plugin provider (build) and the plugin kernel runtime (run); must not know networks.
#pragma once

#include "core/support/status.h"
#include "tenon/module/abi.h"
#include "tenon/plugin.h"

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace tenon::api {

// The plugin op's attributes: equal content means equal behaviour.
struct PluginContent {
    int32_t generation = 3; // 2: IPluginV2DynamicExt
    std::string name;
    std::string version;
    std::string pluginNamespace;
    std::string data; // generation 3: encoded fields; 2: what serialize() wrote
    friend auto operator<=>(const PluginContent&, const PluginContent&) = default;
};

// `data` as the plugin op carries it: the generation in front, so that the op alone tells it.
std::string withGeneration(int32_t generation, std::string_view data);
// Fills in generation and data. False if the text is none of ours.
bool splitGeneration(std::string_view text, PluginContent& content);

// Fields as bytes and back. Decoding survives any bytes.
support::Result<std::string> encodeFields(const nvinfer1::PluginFieldCollection* fields);
class FieldStorage {
public:
    static support::Result<FieldStorage> decode(std::string_view bytes);
    // Valid while the storage lives and is not moved from.
    const nvinfer1::PluginFieldCollection* collection();

private:
    struct Field {
        std::string name;
        nvinfer1::PluginFieldType type = nvinfer1::PluginFieldType::kUNKNOWN;
        int32_t length = 0;
        std::vector<std::max_align_t> data; // aligned for any field type
    };
    std::vector<Field> mFields;
    std::vector<nvinfer1::PluginField> mViews;
    nvinfer1::PluginFieldCollection mCollection;
};

struct DestroyPluginV2 {
    void operator()(nvinfer1::IPluginV2* plugin) const noexcept { plugin->destroy(); }
};
using PluginV2Ptr = std::unique_ptr<nvinfer1::IPluginV2DynamicExt, DestroyPluginV2>;
using PluginV3Ptr = std::unique_ptr<nvinfer1::IPluginV3>;

// The capabilities of a third-generation plugin; null where it has none or one of a version that is not known.
nvinfer1::IPluginV3OneCore* coreOf(nvinfer1::IPluginV3& plugin) noexcept;
nvinfer1::IPluginV3OneBuild* buildOf(nvinfer1::IPluginV3& plugin) noexcept;
nvinfer1::IPluginV3OneRuntime* runtimeOf(nvinfer1::IPluginV3& plugin) noexcept;

// Null if the plugin derives from another class of the second generation.
nvinfer1::IPluginV2DynamicExt* dynamicExtOf(nvinfer1::IPluginV2& plugin) noexcept;

// Makes a plugin for execution through the process's registry: from fields, or from bytes.
support::Result<PluginV3Ptr> createForRuntimeV3(const PluginContent& content);
support::Result<PluginV2Ptr> createForRuntimeV2(const PluginContent& content);

// What a plugin is told of a tensor whose extents are all known.
nvinfer1::PluginTensorDesc describe(const TnTensor& tensor) noexcept;

inline constexpr const char* kPluginRuntimeName = "plugin";
inline constexpr uint32_t kPluginBlobVersion = 1;

} // namespace tenon::api
