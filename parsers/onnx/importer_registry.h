// Which function imports which operator. Built once from the families in ops/, explicit, no static registration.
// Used by graph_importer.
#pragma once

#include "parsers/onnx/node_import.h"

#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace tenon::onnx {

// Adds layers and names every output (NodeImport::output). False after NodeImport::fail.
using Importer = bool (*)(NodeImport&);

class ImporterTable {
public:
    // `since`: the first opset of this form. Of several, the largest that is not above the model's opset is used.
    void add(const char* op, int64_t since, Importer importer) { mImporters[op][since] = importer; }
    // Null: no form of the op exists at this opset. `known`: whether the op exists at any.
    Importer find(const std::string& op, int64_t opset, bool& known) const;
    std::vector<std::string> names() const;

private:
    std::map<std::string, std::map<int64_t, Importer>> mImporters;
};

// The importers of the standard domain, and of others as "com.microsoft::QGemm". Made on first use, then constant.
const ImporterTable& builtinImporters();

// One function per family file in ops/.
void addActivationImporters(ImporterTable& table);
void addElementwiseImporters(ImporterTable& table);
void addConvolutionImporters(ImporterTable& table);
void addMatmulImporters(ImporterTable& table);
void addAttentionImporters(ImporterTable& table);
void addNormalizationImporters(ImporterTable& table);
void addReduceImporters(ImporterTable& table);
void addShapeImporters(ImporterTable& table);
void addIndexImporters(ImporterTable& table);
void addGenerateImporters(ImporterTable& table);
void addResizeImporters(ImporterTable& table);
void addQuantizeImporters(ImporterTable& table);
void addQuantizedImporters(ImporterTable& table);
void addMicrosoftImporters(ImporterTable& table);

} // namespace tenon::onnx
