#include "core/api/plugin_content.h"

#include "core/api/plugin_registry.h"
#include "core/api/type_convert.h"
#include "tenon/module/blob.hpp"

#include <cstring>
#include <span>

namespace tenon::api {

using nvinfer1::PluginField;
using nvinfer1::PluginFieldCollection;
using nvinfer1::PluginFieldType;
using support::Result;

namespace {

// Bits of one element; 0 for a type that cannot be copied.
int64_t bitsOf(PluginFieldType type) {
    switch (type) {
    case PluginFieldType::kFLOAT16:
        return 16;
    case PluginFieldType::kFLOAT32:
        return 32;
    case PluginFieldType::kFLOAT64:
        return 64;
    case PluginFieldType::kINT8:
        return 8;
    case PluginFieldType::kINT16:
        return 16;
    case PluginFieldType::kINT32:
        return 32;
    case PluginFieldType::kCHAR:
        return 8;
    case PluginFieldType::kDIMS:
        return static_cast<int64_t>(sizeof(nvinfer1::Dims)) * 8;
    case PluginFieldType::kUNKNOWN:
        return 8; // `length` bytes
    case PluginFieldType::kBF16:
        return 16;
    case PluginFieldType::kINT64:
        return 64;
    case PluginFieldType::kFP8:
        return 8;
    case PluginFieldType::kINT4:
        return 4;
    case PluginFieldType::kFP4:
        return 4;
    }
    return 0;
}

int64_t bytesOf(PluginFieldType type, int32_t length) { return (bitsOf(type) * length + 7) / 8; }

std::string toString(std::span<const std::byte> bytes) {
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

bool isKind(nvinfer1::IPluginCapability* capability, const char* kind) noexcept {
    return capability != nullptr && std::strcmp(capability->getInterfaceInfo().kind, kind) == 0;
}

} // namespace

std::string withGeneration(int32_t generation, std::string_view data) {
    std::string text = generation == 2 ? "2:" : "3:";
    return text.append(data);
}

bool splitGeneration(std::string_view text, PluginContent& content) {
    if (text.size() < 2 || (text[0] != '2' && text[0] != '3') || text[1] != ':') {
        return false;
    }
    content.generation = text[0] - '0';
    content.data = text.substr(2);
    return true;
}

// ---- fields ---------------------------------------------------------------------------------------------------------

Result<std::string> encodeFields(const PluginFieldCollection* fields) {
    module::BlobWriter writer(kPluginBlobVersion);
    const int32_t count = fields == nullptr ? 0 : fields->nbFields;
    writer.u64(static_cast<uint64_t>(count));
    for (int32_t i = 0; i < count; ++i) {
        const PluginField& field = fields->fields[i];
        const int32_t length = field.data == nullptr ? 0 : field.length;
        if (field.name == nullptr || length < 0 || bitsOf(field.type) == 0) {
            return support::invalidArgument("field ", i, " of the plugin has no name, a negative length or no type");
        }
        writer.string(field.name);
        writer.i32(static_cast<int32_t>(field.type));
        writer.i32(length);
        writer.bytes(
            std::span(static_cast<const std::byte*>(field.data), static_cast<size_t>(bytesOf(field.type, length))));
    }
    return toString(writer.data());
}

Result<FieldStorage> FieldStorage::decode(std::string_view bytes) {
    module::BlobReader reader(std::as_bytes(std::span(bytes.data(), bytes.size())), kPluginBlobVersion);
    FieldStorage storage;
    const size_t count = reader.count(8 + 4 + 4 + 8);
    for (size_t i = 0; i < count && reader.ok(); ++i) {
        Field field;
        field.name = reader.string();
        field.type = static_cast<PluginFieldType>(reader.i32());
        field.length = reader.i32();
        const std::span<const std::byte> data = reader.bytes();
        if (!reader.ok()) {
            break;
        }
        if (field.length < 0 || bitsOf(field.type) == 0 ||
            bytesOf(field.type, field.length) != static_cast<int64_t>(data.size())) {
            return support::invalidFile("field '", field.name,
                                        "' of the plugin has a type or length that does not fit");
        }
        field.data.resize(data.size() / sizeof(std::max_align_t) + 1);
        std::memcpy(field.data.data(), data.data(), data.size());
        storage.mFields.push_back(std::move(field));
    }
    module::Reason quiet(nullptr);
    if (!reader.finish(quiet)) {
        return support::invalidFile("the fields of the plugin are damaged");
    }
    return storage;
}

const PluginFieldCollection* FieldStorage::collection() {
    mViews.clear();
    for (const Field& field : mFields) {
        mViews.emplace_back(field.name.c_str(), field.length == 0 ? nullptr : field.data.data(), field.type,
                            field.length);
    }
    mCollection.nbFields = static_cast<int32_t>(mViews.size());
    mCollection.fields = mViews.data();
    return &mCollection;
}

// ---- plugin objects -------------------------------------------------------------------------------------------------

nvinfer1::IPluginV3OneCore* coreOf(nvinfer1::IPluginV3& plugin) noexcept {
    nvinfer1::IPluginCapability* found = plugin.getCapabilityInterface(nvinfer1::PluginCapabilityType::kCORE);
    return isKind(found, "PLUGIN_V3ONE_CORE") ? static_cast<nvinfer1::IPluginV3OneCore*>(found) : nullptr;
}

nvinfer1::IPluginV3OneBuild* buildOf(nvinfer1::IPluginV3& plugin) noexcept {
    nvinfer1::IPluginCapability* found = plugin.getCapabilityInterface(nvinfer1::PluginCapabilityType::kBUILD);
    return isKind(found, "PLUGIN_V3ONE_BUILD") ? static_cast<nvinfer1::IPluginV3OneBuild*>(found) : nullptr;
}

nvinfer1::IPluginV3OneRuntime* runtimeOf(nvinfer1::IPluginV3& plugin) noexcept {
    nvinfer1::IPluginCapability* found = plugin.getCapabilityInterface(nvinfer1::PluginCapabilityType::kRUNTIME);
    return isKind(found, "PLUGIN_V3ONE_RUNTIME") ? static_cast<nvinfer1::IPluginV3OneRuntime*>(found) : nullptr;
}

nvinfer1::IPluginV2DynamicExt* dynamicExtOf(nvinfer1::IPluginV2& plugin) noexcept {
    const auto kind = static_cast<uint32_t>(plugin.getTensorRTVersion()) >> 24U;
    return kind == static_cast<uint32_t>(nvinfer1::PluginVersion::kV2_DYNAMICEXT)
               ? static_cast<nvinfer1::IPluginV2DynamicExt*>(&plugin)
               : nullptr;
}

Result<PluginV3Ptr> createForRuntimeV3(const PluginContent& content) {
    TN_ASSIGN_OR_RETURN(nvinfer1::IPluginCreatorInterface * creator,
                        PluginRegistry::process().require(content.name, content.version, content.pluginNamespace));
    nvinfer1::IPluginCreatorV3One* third = PluginRegistry::asV3(creator);
    if (third == nullptr) {
        return support::makeError(support::Code::kEnvironment, "the creator '", content.name, "' version '",
                                  content.version, "' makes second-generation plugins; the plan needs an IPluginV3");
    }
    TN_ASSIGN_OR_RETURN(FieldStorage fields, FieldStorage::decode(content.data));
    PluginV3Ptr plugin(
        third->createPlugin(content.name.c_str(), fields.collection(), nvinfer1::TensorRTPhase::kRUNTIME));
    if (plugin == nullptr || runtimeOf(*plugin) == nullptr) {
        return support::makeError(support::Code::kEnvironment, "the creator '", content.name, "' version '",
                                  content.version, "' did not make a plugin that can run");
    }
    return plugin;
}

Result<PluginV2Ptr> createForRuntimeV2(const PluginContent& content) {
    TN_ASSIGN_OR_RETURN(nvinfer1::IPluginCreatorInterface * creator,
                        PluginRegistry::process().require(content.name, content.version, content.pluginNamespace));
    nvinfer1::IPluginCreator* first = PluginRegistry::asV1(creator);
    if (first == nullptr) {
        return support::makeError(support::Code::kEnvironment, "the creator '", content.name, "' version '",
                                  content.version, "' makes IPluginV3 plugins; the plan needs an IPluginV2DynamicExt");
    }
    nvinfer1::IPluginV2* made =
        first->deserializePlugin(content.name.c_str(), content.data.data(), content.data.size());
    if (made == nullptr) {
        return support::makeError(support::Code::kEnvironment, "the creator '", content.name, "' version '",
                                  content.version, "' could not read the plugin's bytes");
    }
    nvinfer1::IPluginV2DynamicExt* plugin = dynamicExtOf(*made);
    if (plugin == nullptr) {
        made->destroy();
        return support::makeError(support::Code::kEnvironment, "the creator '", content.name,
                                  "' made a plugin that is no IPluginV2DynamicExt");
    }
    PluginV2Ptr owned(plugin);
    owned->setPluginNamespace(content.pluginNamespace.c_str());
    if (const int32_t code = owned->initialize(); code != 0) {
        return support::makeError(support::Code::kEnvironment, "initialize() of plugin '", content.name, "' returned ",
                                  code);
    }
    return owned;
}

nvinfer1::PluginTensorDesc describe(const TnTensor& tensor) noexcept {
    nvinfer1::PluginTensorDesc desc{};
    desc.dims.nbDims = tensor.rank;
    for (int32_t i = 0; i < tensor.rank; ++i) {
        desc.dims.d[i] = tensor.dims[i];
    }
    desc.type = toPublic(static_cast<ir::DataType>(tensor.dtype));
    desc.format = nvinfer1::TensorFormat::kLINEAR;
    desc.scale = 1.0F;
    return desc;
}

} // namespace tenon::api
