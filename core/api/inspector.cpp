#include "core/api/inspector.h"

#include <nlohmann/json.hpp>

namespace tenon::api {

using nvinfer1::LayerInformationFormat;
using support::cat;

namespace {

using Json = nlohmann::ordered_json;

std::string text(const Json& object, const char* key) {
    const auto found = object.find(key);
    return found != object.end() && found->is_string() ? found->get<std::string>() : std::string();
}

std::string tensors(const Json& layer, const char* key) {
    std::string line;
    const auto found = layer.find(key);
    if (found == layer.end() || !found->is_array()) {
        return line;
    }
    for (const Json& tensor : *found) {
        line += cat(line.empty() ? "" : ", ", text(tensor, "Name"));
        if (tensor.contains("Dimensions")) {
            line += tensor["Dimensions"].dump();
        }
        line += cat(" ", text(tensor, "Format/Datatype"));
    }
    return line;
}

std::string oneLine(const Json& layer) {
    if (layer.is_string()) {
        return layer.get<std::string>();
    }
    std::string line = cat(text(layer, "Name"), ", LayerType: ", text(layer, "LayerType"), ", Inputs: [",
                           tensors(layer, "Inputs"), "], Outputs: [", tensors(layer, "Outputs"), "]");
    if (const std::string tactic = text(layer, "TacticName"); !tactic.empty()) {
        line += cat(", TacticName: ", tactic, ", TacticValue: ", text(layer, "TacticValue"));
    }
    return line;
}

} // namespace

EngineInspector::EngineInspector(const Engine& engine)
    : mReporter(engine.reporter()), mEngine(engine), mEngineJson(engine.plan().plan().inspectorJson.view()) {
    const Json document = Json::parse(mEngineJson, nullptr, false);
    const auto layers = document.is_object() ? document.find("Layers") : document.end();
    if (!document.is_object() || layers == document.end() || !layers->is_array()) {
        mReporter.warning("the plan carries no inspector data");
        return;
    }
    mEngineLines = "Layers:\n";
    for (const Json& layer : *layers) {
        mLayerJson.push_back(layer.dump(1, ' ', false, Json::error_handler_t::replace));
        mLayerLines.push_back(oneLine(layer));
        mEngineLines += mLayerLines.back() + "\n";
    }
    mEngineLines += "\nBindings:\n";
    for (const plan::PlanBinding& binding : engine.plan().plan().bindings) {
        mEngineLines += binding.name + "\n";
    }
}

bool EngineInspector::setExecutionContext(nvinfer1::IExecutionContext const* context) noexcept {
    if (context != nullptr && &context->getEngine() != &mEngine) {
        mReporter.error(nvinfer1::ErrorCode::kINVALID_ARGUMENT,
                        "IEngineInspector::setExecutionContext: the context belongs to another engine");
        return false;
    }
    mContext = context;
    return true;
}

char const* EngineInspector::getLayerInformation(int32_t layerIndex, LayerInformationFormat format) const noexcept {
    if (layerIndex < 0 || static_cast<size_t>(layerIndex) >= mLayerJson.size()) {
        return guarded(mReporter, static_cast<char const*>(nullptr), [&]() -> char const* {
            mReporter.error(nvinfer1::ErrorCode::kINVALID_ARGUMENT,
                            cat("IEngineInspector::getLayerInformation: there is no layer ", layerIndex,
                                "; the engine has ", mLayerJson.size()));
            return nullptr;
        });
    }
    const auto& list = format == LayerInformationFormat::kJSON ? mLayerJson : mLayerLines;
    return list[static_cast<size_t>(layerIndex)].c_str();
}

char const* EngineInspector::getEngineInformation(LayerInformationFormat format) const noexcept {
    return format == LayerInformationFormat::kJSON ? mEngineJson.c_str() : mEngineLines.c_str();
}

} // namespace tenon::api
