// A model's graph into the network: inputs, constants, nodes in order, functions inlined, outputs; every problem in one pass.
// Used by the parser. Knows the messages and the importers, not where the bytes came from.
#pragma once

#include "parsers/onnx/node_import.h"
#include "parsers/onnx/problem.h"

#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace tenon::onnx {

// An importer that an application or module registered.
struct ForeignImporter {
    std::string domain;
    std::string op;
    int64_t minOpset = 1;
    int64_t maxOpset = INT64_MAX;
    int32_t rank = 0;
    nvonnxparser::IOnnxNodeImporter* importer = nullptr;
};

struct ImportOptions {
    std::vector<ForeignImporter> applicationImporters; // asked first, the last registered first
    std::vector<ForeignImporter> moduleImporters;      // by rank; those above 0 before the built-ins
    nvinfer1::IPluginRegistry* plugins = nullptr;
    bool pluginOverride = false; // plugin creators before built-ins
    bool dryRun = false;         // supportsModel: outputs are not marked
    std::map<std::string, std::shared_ptr<const ConstantTensor>> givenInitializers;
};

class GraphImporter {
public:
    GraphImporter(const tenon_onnx::ModelProto& model, std::shared_ptr<const void> keep, ExternalData& external,
                  ImportContext& context, const ImportOptions& options)
        : mModel(model), mKeep(std::move(keep)), mExternal(external), mContext(context), mOptions(options) {}

    // True if nothing went wrong. Problems are in the order of the graph.
    bool run();
    std::vector<std::unique_ptr<Problem>> takeProblems() { return std::move(mProblems); }
    // By node of the main graph: whether it was imported.
    const std::vector<bool>& imported() const { return mImported; }
    // The first name that several constants have, of which the last was taken; empty: there is none.
    const std::string& superseded() const { return mSuperseded; }

private:
    void readOpsets();
    void addInitializers();
    void addInputs();
    void markOutputs();
    bool importNodes(const std::vector<const tenon_onnx::NodeProto*>& nodes, const std::vector<int32_t>& indices,
                     std::vector<std::string> functions);
    bool importNode(const tenon_onnx::NodeProto& node, int32_t index, const std::vector<std::string>& functions);
    struct Route;
    Route routeOf(const tenon_onnx::NodeProto& node) const;
    std::string unsupported(const tenon_onnx::NodeProto& node, const Route& route) const;
    bool dispatch(NodeImport& node, const Route& route, const std::vector<std::string>& functions, int32_t index);
    bool importOperator(NodeImport& node);
    bool inlineFunction(const tenon_onnx::NodeProto& node, const tenon_onnx::FunctionProto& function, int32_t index,
                        std::vector<std::string> functions);
    bool fits(const ForeignImporter& importer, const tenon_onnx::NodeProto& node) const;
    bool runForeign(const ForeignImporter& importer, NodeImport& node);
    const ForeignImporter* foreign(const std::vector<ForeignImporter>& list, const tenon_onnx::NodeProto& node,
                                   bool aboveBuiltin) const;
    const tenon_onnx::FunctionProto* findFunction(const tenon_onnx::NodeProto& node) const;
    bool claimName(const std::string& name, const std::string& what);
    void problem(nvonnxparser::ErrorCode code, std::string text, const tenon_onnx::NodeProto* node = nullptr,
                 int32_t index = -1, const std::vector<std::string>& functions = {});

    const tenon_onnx::ModelProto& mModel;
    std::shared_ptr<const void> mKeep;
    ExternalData& mExternal;
    ImportContext& mContext;
    const ImportOptions& mOptions;
    std::vector<std::unique_ptr<Problem>> mProblems;
    std::vector<bool> mImported;
    std::string mSuperseded;
    std::vector<std::unique_ptr<tenon_onnx::NodeProto>> mInlined; // renamed copies of function nodes
    int32_t mInlineCount = 0;
};

// The creator whose name is the node's op type, in the version and namespace of its attributes; null: there is none.
nvinfer1::IPluginCreatorInterface* findPluginCreator(const tenon_onnx::NodeProto& node,
                                                     nvinfer1::IPluginRegistry& registry);
// Adds what the creator makes, its fields from the node's attributes.
bool importPlugin(NodeImport& node, nvinfer1::IPluginCreatorInterface& creator);

} // namespace tenon::onnx
