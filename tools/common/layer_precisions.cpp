#include "tools/common/layer_precisions.h"

#include "core/support/text.h"
#include "tools/common/exit_code.h"
#include "tools/common/nearest.h"

#include <algorithm>
#include <map>
#include <string_view>

namespace tenon::tools {

using support::cat;

namespace {

bool isFloat(const nvinfer1::ITensor* tensor) {
    using nvinfer1::DataType;
    return tensor != nullptr && (tensor->getType() == DataType::kFLOAT || tensor->getType() == DataType::kHALF ||
                                 tensor->getType() == DataType::kBF16);
}

// What reads and writes only integers has no other types; constants have their own.
bool computesInFloats(const nvinfer1::ILayer& layer) {
    bool found = false;
    for (int32_t i = 0; i < layer.getNbInputs(); ++i) {
        found = found || isFloat(layer.getInput(i));
    }
    for (int32_t i = 0; i < layer.getNbOutputs(); ++i) {
        found = found || isFloat(layer.getOutput(i));
    }
    return found && layer.getType() != nvinfer1::LayerType::kCONSTANT;
}

bool matches(const std::string& name, const std::string& pattern) {
    const std::vector<std::string_view> parts = support::split(pattern, '*');
    if (parts.size() == 1) {
        return name == pattern;
    }
    if (name.size() < parts.front().size() + parts.back().size() || !name.starts_with(parts.front()) ||
        !name.ends_with(parts.back())) {
        return false;
    }
    size_t at = parts.front().size();
    const size_t end = name.size() - parts.back().size();
    for (size_t i = 1; i + 1 < parts.size(); ++i) {
        at = name.find(parts[i], at);
        if (at == std::string::npos || at + parts[i].size() > end) {
            return false;
        }
        at += parts[i].size();
    }
    return true;
}

} // namespace

LayerPrecision parseLayerPrecision(const std::string& option, const std::string& text, char between) {
    using nvinfer1::DataType;
    static const std::map<std::string, DataType> types{{"f32", DataType::kFLOAT},
                                                       {"fp32", DataType::kFLOAT},
                                                       {"f16", DataType::kHALF},
                                                       {"fp16", DataType::kHALF},
                                                       {"bf16", DataType::kBF16}};
    const size_t place = text.rfind(between);
    const auto type = place == std::string::npos ? types.end() : types.find(text.substr(place + 1));
    if (place == 0 || type == types.end()) {
        throw ToolError(ExitCode::kUsage, cat(option, " '", text, "': expected a layer's name, perhaps with * in it, '",
                                              between, "' and a type: f32, f16 or bf16"));
    }
    return {text.substr(0, place), type->second};
}

void applyLayerPrecisions(nvinfer1::INetworkDefinition& network, const std::vector<LayerPrecision>& precisions) {
    for (const LayerPrecision& precision : precisions) {
        bool found = false;
        std::vector<std::string> names;
        for (int32_t i = 0; i < network.getNbLayers(); ++i) {
            nvinfer1::ILayer& layer = *network.getLayer(i);
            if (!computesInFloats(layer)) {
                continue;
            }
            names.emplace_back(layer.getName());
            if (matches(names.back(), precision.pattern)) {
                layer.setPrecision(precision.type);
                found = true;
            }
        }
        if (!found) {
            constexpr size_t kMost = 10;
            names = nearestFirst(precision.pattern, std::move(names));
            const size_t count = names.size();
            names.resize(std::min(count, kMost));
            throw ToolError(ExitCode::kUsage, cat("no layer of floats is called '", precision.pattern,
                                                  "'; layers, the nearest first: ", support::join(names, ", "),
                                                  count > kMost ? cat(" and ", count - kMost, " more") : ""));
        }
    }
}

} // namespace tenon::tools
