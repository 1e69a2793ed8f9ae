// The fallback for op types that are plugin names: creator by name, version and namespace, fields from the node's attributes.
#include "parsers/onnx/graph_importer.h"
#include "parsers/onnx/text.h"

#include <cstring>

namespace tenon::onnx {

namespace {

using nvinfer1::PluginField;
using nvinfer1::PluginFieldType;
using nvonnxparser::ErrorCode;

// Keeps what plugin fields point to.
class Fields {
public:
    explicit Fields(const nvinfer1::PluginFieldCollection* declared) : mDeclared(declared) {}

    // Why a creator would misread the attribute; empty: it has the type that the creator declares, or none is declared.
    std::string add(const OperatorAttribute& attribute) {
        const PluginFieldType wanted = declaredType(attribute.name);
        switch (attribute.kind) {
        case AttributeKind::kINT:
            addInts(attribute.name, &attribute.integer, 1, wanted);
            break;
        case AttributeKind::kINTS:
            addInts(attribute.name, attribute.integers, attribute.count, wanted);
            break;
        case AttributeKind::kFLOAT:
            addFloats(attribute.name, &attribute.number, 1, wanted);
            break;
        case AttributeKind::kFLOATS:
            addFloats(attribute.name, attribute.numbers, attribute.count, wanted);
            break;
        case AttributeKind::kSTRING:
            push(attribute.name,
                 std::vector<char>(attribute.string, attribute.string + std::strlen(attribute.string) + 1),
                 PluginFieldType::kCHAR, static_cast<int32_t>(std::strlen(attribute.string)) + 1);
            break;
        case AttributeKind::kTENSOR: {
            auto bytes = static_cast<size_t>((attribute.tensor.count * bitsOf(attribute.tensor.type) + 7) / 8);
            auto data = static_cast<const char*>(attribute.tensor.values);
            push(attribute.name, std::vector<char>(data, data + bytes), typeOf(attribute.tensor.type),
                 static_cast<int32_t>(attribute.tensor.count));
            break;
        }
        case AttributeKind::kSTRINGS:
        case AttributeKind::kTYPE:
            return {};
        }
        const PluginFieldType made = mFields.back().type;
        return wanted == PluginFieldType::kUNKNOWN || wanted == made
                   ? std::string()
                   : cat("its attribute '", attribute.name, "' has ", nameOf(made), ", and the creator's field is of ",
                         nameOf(wanted));
    }

    nvinfer1::PluginFieldCollection collection() { return {static_cast<int32_t>(mFields.size()), mFields.data()}; }

private:
    // The type that the creator declares for a field, so that an int attribute of an int64 field arrives as int64.
    PluginFieldType declaredType(const char* name) const {
        for (int32_t i = 0; mDeclared && i < mDeclared->nbFields; ++i) {
            if (mDeclared->fields[i].name && std::strcmp(mDeclared->fields[i].name, name) == 0) {
                return mDeclared->fields[i].type;
            }
        }
        return PluginFieldType::kUNKNOWN;
    }

    static const char* nameOf(PluginFieldType type) {
        switch (type) {
        case PluginFieldType::kCHAR:
            return "text";
        case PluginFieldType::kFLOAT16:
        case PluginFieldType::kBF16:
            return "16-bit floats";
        case PluginFieldType::kFLOAT32:
            return "floats";
        case PluginFieldType::kFLOAT64:
            return "doubles";
        case PluginFieldType::kINT8:
        case PluginFieldType::kINT16:
        case PluginFieldType::kINT32:
        case PluginFieldType::kINT64:
            return "integers";
        case PluginFieldType::kDIMS:
            return "dimensions";
        default:
            return "another type";
        }
    }

    static PluginFieldType typeOf(nvinfer1::DataType type) {
        switch (type) {
        case nvinfer1::DataType::kFLOAT:
            return PluginFieldType::kFLOAT32;
        case nvinfer1::DataType::kHALF:
            return PluginFieldType::kFLOAT16;
        case nvinfer1::DataType::kINT32:
            return PluginFieldType::kINT32;
        case nvinfer1::DataType::kINT64:
            return PluginFieldType::kINT64;
        case nvinfer1::DataType::kINT8:
            return PluginFieldType::kINT8;
        case nvinfer1::DataType::kBF16:
            return PluginFieldType::kBF16;
        default:
            return PluginFieldType::kUNKNOWN;
        }
    }

    void push(const char* name, std::vector<char> bytes, PluginFieldType type, int32_t length) {
        mStorage.push_back(std::move(bytes));
        mNames.emplace_back(name);
        mFields.emplace_back(mNames.back().c_str(), mStorage.back().data(), type, length);
    }

    template <class To, class From>
    void convert(const char* name, const From* values, int64_t count, PluginFieldType type) {
        std::vector<char> bytes(static_cast<size_t>(count) * sizeof(To));
        for (int64_t i = 0; i < count; ++i) {
            To value = static_cast<To>(values[i]);
            std::memcpy(bytes.data() + static_cast<size_t>(i) * sizeof(To), &value, sizeof(To));
        }
        push(name, std::move(bytes), type, static_cast<int32_t>(count));
    }

    void addInts(const char* name, const int64_t* values, int64_t count, PluginFieldType wanted) {
        switch (wanted) {
        case PluginFieldType::kINT64:
            return convert<int64_t>(name, values, count, wanted);
        case PluginFieldType::kINT16:
            return convert<int16_t>(name, values, count, wanted);
        case PluginFieldType::kINT8:
            return convert<int8_t>(name, values, count, wanted);
        case PluginFieldType::kFLOAT32:
            return convert<float>(name, values, count, wanted);
        case PluginFieldType::kFLOAT64:
            return convert<double>(name, values, count, wanted);
        default:
            return convert<int32_t>(name, values, count, PluginFieldType::kINT32);
        }
    }

    void addFloats(const char* name, const double* values, int64_t count, PluginFieldType wanted) {
        if (wanted == PluginFieldType::kFLOAT64) {
            convert<double>(name, values, count, PluginFieldType::kFLOAT64);
        } else {
            convert<float>(name, values, count, PluginFieldType::kFLOAT32);
        }
    }

    const nvinfer1::PluginFieldCollection* mDeclared;
    std::deque<std::vector<char>> mStorage;
    std::deque<std::string> mNames;
    std::vector<PluginField> mFields;
};

bool isKind(const nvinfer1::IPluginCreatorInterface& creator, const char* kind) {
    return std::strcmp(creator.getInterfaceInfo().kind, kind) == 0;
}

} // namespace

nvinfer1::IPluginCreatorInterface* findPluginCreator(const tenon_onnx::NodeProto& node,
                                                     nvinfer1::IPluginRegistry& registry) {
    std::string version = "1";
    std::string space;
    for (const tenon_onnx::AttributeProto& attribute : node.attribute()) {
        if (attribute.name() == "plugin_version") {
            version = attribute.s();
        } else if (attribute.name() == "plugin_namespace") {
            space = attribute.s();
        }
    }
    return registry.getCreator(node.op_type().c_str(), version.c_str(), space.c_str());
}

bool importPlugin(NodeImport& node, nvinfer1::IPluginCreatorInterface& creator) {
    const std::string version = node.string("plugin_version", "1");
    std::vector<ITensor*> inputs;
    for (size_t i = 0; i < node.inputCount(); ++i) {
        if (ITensor* input = node.optionalInput(i)) {
            inputs.push_back(input);
        }
    }
    if (!node.outcome().ok()) {
        return false;
    }
    bool third = isKind(creator, "PLUGIN CREATOR_V3ONE");
    const nvinfer1::PluginFieldCollection* declared =
        third ? static_cast<nvinfer1::IPluginCreatorV3One&>(creator).getFieldNames()
              : static_cast<nvinfer1::IPluginCreator&>(creator).getFieldNames();
    Fields fields(declared);
    for (int32_t i = 0; i < node.getNbAttributes(); ++i) {
        OperatorAttribute attribute{};
        if (node.getAttribute(i, attribute) && std::strcmp(attribute.name, "plugin_version") != 0 &&
            std::strcmp(attribute.name, "plugin_namespace") != 0) {
            if (const std::string problem = fields.add(attribute); !problem.empty()) {
                return node.fail(ErrorCode::kUNSUPPORTED_NODE,
                                 cat("plugin ", node.op(), " version ", version, ": ", problem));
            }
        }
    }
    nvinfer1::PluginFieldCollection collection = fields.collection();
    nvinfer1::INetworkDefinition& network = node.context().network;
    nvinfer1::ILayer* layer = nullptr;
    node.context().reasons.clear();
    if (third) {
        nvinfer1::IPluginV3* plugin = static_cast<nvinfer1::IPluginCreatorV3One&>(creator).createPlugin(
            node.title().c_str(), &collection, nvinfer1::TensorRTPhase::kBUILD);
        if (!plugin) {
            return node.fail(ErrorCode::kUNSUPPORTED_NODE, cat("the creator of plugin ", node.op(), " version ",
                                                               version, " refused the node's attributes"));
        }
        layer = network.addPluginV3(inputs.data(), static_cast<int32_t>(inputs.size()), nullptr, 0, *plugin);
        delete plugin;
    } else {
        nvinfer1::IPluginV2* plugin =
            static_cast<nvinfer1::IPluginCreator&>(creator).createPlugin(node.title().c_str(), &collection);
        if (!plugin) {
            return node.fail(ErrorCode::kUNSUPPORTED_NODE, cat("the creator of plugin ", node.op(), " version ",
                                                               version, " refused the node's attributes"));
        }
        layer = network.addPluginV2(inputs.data(), static_cast<int32_t>(inputs.size()), *plugin);
        plugin->destroy();
    }
    if (!layer) {
        std::string reason = node.context().reasons.take();
        return node.fail(ErrorCode::kUNSUPPORTED_NODE,
                         cat("plugin ", node.op(), ": ", reason.empty() ? "the network refused it" : reason));
    }
    layer->setName(node.title().c_str());
    layer->setMetadata(node.title().c_str());
    for (int32_t i = 0; i < layer->getNbOutputs() && i < static_cast<int32_t>(node.outputCount()); ++i) {
        node.output(static_cast<size_t>(i), layer->getOutput(i));
    }
    return true;
}

} // namespace tenon::onnx
