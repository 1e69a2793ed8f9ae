#include "parsers/onnx/import_context.h"

#include "parsers/onnx/text.h"

namespace tenon::onnx {

std::string ReasonCollector::take() {
    std::string text = join(mReasons, "; ");
    mReasons.clear();
    return text;
}

nvinfer1::IErrorRecorder::ErrorDesc ReasonCollector::getErrorDesc(int32_t index) const noexcept {
    return index >= 0 && index < getNbErrors() ? mReasons[static_cast<size_t>(index)].c_str() : "";
}

bool ReasonCollector::reportError(nvinfer1::ErrorCode, ErrorDesc description) noexcept {
    mReasons.emplace_back(description ? description : "");
    return true;
}

int64_t ImportContext::opset(const std::string& domain) const {
    auto found = opsets.find(domain == "ai.onnx" ? "" : domain);
    return found == opsets.end() ? 0 : found->second;
}

const NamedValue* ImportContext::find(const std::string& name) const {
    auto found = values.find(name);
    return found == values.end() ? nullptr : &found->second;
}

nvinfer1::ITensor* ImportContext::tensor(const std::string& name) {
    auto found = values.find(name);
    if (found == values.end()) {
        return nullptr;
    }
    NamedValue& value = found->second;
    if (!value.tensor && value.constant) {
        value.tensor = constantTensor(value.constant, name);
    }
    return value.tensor;
}

nvinfer1::ITensor* ImportContext::constantTensor(std::shared_ptr<const ConstantTensor> constant,
                                                 const std::string& name) {
    nvinfer1::IConstantLayer* layer = network.addConstant(constant->shape(), constant->weights());
    if (!layer) {
        return nullptr;
    }
    if (!name.empty()) {
        layer->setName(name.c_str());
        layer->getOutput(0)->setName(name.c_str());
        network.setWeightsName(constant->weights(), name.c_str());
    }
    constants.push_back(std::move(constant));
    return layer->getOutput(0);
}

} // namespace tenon::onnx
