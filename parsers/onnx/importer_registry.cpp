#include "parsers/onnx/importer_registry.h"

namespace tenon::onnx {

Importer ImporterTable::find(const std::string& op, int64_t opset, bool& known) const {
    auto forms = mImporters.find(op);
    known = forms != mImporters.end();
    if (!known) {
        return nullptr;
    }
    auto after = forms->second.upper_bound(opset);
    return after == forms->second.begin() ? nullptr : std::prev(after)->second;
}

std::vector<std::string> ImporterTable::names() const {
    std::vector<std::string> names;
    for (const auto& [name, forms] : mImporters) {
        names.push_back(name);
    }
    return names;
}

const ImporterTable& builtinImporters() {
    static const ImporterTable table = [] {
        ImporterTable made;
        addActivationImporters(made);
        addElementwiseImporters(made);
        addConvolutionImporters(made);
        addMatmulImporters(made);
        addAttentionImporters(made);
        addNormalizationImporters(made);
        addReduceImporters(made);
        addShapeImporters(made);
        addIndexImporters(made);
        addGenerateImporters(made);
        addResizeImporters(made);
        addQuantizeImporters(made);
        addQuantizedImporters(made);
        addMicrosoftImporters(made);
        return made;
    }();
    return table;
}

} // namespace tenon::onnx
