#include "parsers/onnx/graph_importer.h"

#include "parsers/onnx/function_body.h"
#include "parsers/onnx/importer_registry.h"
#include "parsers/onnx/missing_ops.h"
#include "parsers/onnx/node_import.h"
#include "parsers/onnx/node_names.h"
#include "parsers/onnx/node_order.h"
#include "parsers/onnx/text.h"

#include <algorithm>
#include <cctype>
#include <set>

namespace tenon::onnx {

namespace {

using nvonnxparser::ErrorCode;
using NodeProto = tenon_onnx::NodeProto;

constexpr int kMaxFunctionDepth = 64;
constexpr int32_t kMaxInlined = 100'000;
constexpr int64_t kNewestOpset = 28;

} // namespace

void GraphImporter::problem(ErrorCode code, std::string text, const NodeProto* node, int32_t index,
                            const std::vector<std::string>& functions) {
    auto entry = std::make_unique<Problem>();
    entry->kind = code;
    entry->text = std::move(text);
    entry->nodeIndex = index;
    if (node) {
        entry->nodeTitle = node->name();
        entry->nodeOp = node->op_type();
    }
    entry->functions = functions;
    mProblems.push_back(std::move(entry));
}

namespace {

// Some exporters leave several constants of one name. The last one is meant, as ONNX Runtime reads them; true for the others.
std::vector<bool> supersededConstants(const tenon_onnx::GraphProto& graph) {
    std::map<std::string, size_t> last;
    std::vector<bool> superseded(static_cast<size_t>(graph.node_size()));
    for (size_t i = 0; i < superseded.size(); ++i) {
        const NodeProto& node = graph.node(static_cast<int>(i));
        if (node.op_type() != "Constant" || !isStandard(node.domain()) || node.output_size() != 1) {
            continue;
        }
        const auto [position, added] = last.emplace(node.output(0), i);
        if (!added) {
            superseded[position->second] = true;
            position->second = i;
        }
    }
    return superseded;
}

// Reports of the network go to another recorder while this lives, whatever is thrown meanwhile.
class RecorderSwap {
public:
    RecorderSwap(nvinfer1::INetworkDefinition& network, nvinfer1::IErrorRecorder& meanwhile)
        : mNetwork(network), mBefore(network.getErrorRecorder()) {
        mNetwork.setErrorRecorder(&meanwhile);
    }
    ~RecorderSwap() { mNetwork.setErrorRecorder(mBefore); }
    RecorderSwap(const RecorderSwap&) = delete;
    RecorderSwap& operator=(const RecorderSwap&) = delete;

private:
    nvinfer1::INetworkDefinition& mNetwork;
    nvinfer1::IErrorRecorder* mBefore;
};

} // namespace

bool GraphImporter::run() {
    const RecorderSwap swap(mContext.network, mContext.reasons);
    readOpsets();
    addInitializers();
    addInputs();
    std::vector<const NodeProto*> nodes;
    std::vector<int32_t> indices;
    mImported = supersededConstants(mModel.graph()); // of which nothing is left to do
    for (int32_t i = 0; i < mModel.graph().node_size(); ++i) {
        const NodeProto& node = mModel.graph().node(i);
        if (!mImported[static_cast<size_t>(i)]) {
            indices.push_back(i);
            nodes.push_back(&node);
        } else if (mSuperseded.empty()) {
            mSuperseded = node.output(0);
        }
    }
    importNodes(nodes, indices, {});
    if (!mOptions.dryRun) {
        markOutputs();
    }
    return mProblems.empty();
}

void GraphImporter::readOpsets() {
    for (const tenon_onnx::OperatorSetIdProto& opset : mModel.opset_import()) {
        mContext.opsets[isStandard(opset.domain()) ? "" : opset.domain()] = opset.version();
    }
    if (mContext.opsets.empty()) {
        mContext.opsets[""] = 1; // IR version 2 and before had no imports
    }
    int64_t standard = mContext.opset("");
    if (standard > kNewestOpset) {
        problem(ErrorCode::kUNSUPPORTED_GRAPH,
                cat("the model uses opset ", standard, ", this parser knows opsets up to ", kNewestOpset,
                    "; export it with an older opset or use a newer version of Tenon"));
    }
}

bool GraphImporter::claimName(const std::string& name, const std::string& what) {
    if (mContext.values.count(name)) {
        problem(ErrorCode::kINVALID_GRAPH,
                cat(what, " '", name, "' has the name of another value; names must be unique"));
        return false;
    }
    return true;
}

void GraphImporter::addInitializers() {
    for (const tenon_onnx::TensorProto& proto : mModel.graph().initializer()) {
        if (!claimName(proto.name(), "initializer")) {
            continue;
        }
        NamedValue& value = mContext.values[proto.name()];
        auto given = mOptions.givenInitializers.find(proto.name());
        if (given != mOptions.givenInitializers.end()) {
            value.constant = given->second;
            continue;
        }
        auto tensor = std::make_shared<ConstantTensor>();
        Outcome outcome = readTensor(proto, mExternal, mKeep, *tensor);
        if (!outcome.ok()) {
            value.lost = true;
            problem(outcome.code(), cat("initializer '", proto.name(), "': ", outcome.reason()));
            continue;
        }
        value.constant = std::move(tensor);
    }
    if (mModel.graph().sparse_initializer_size() > 0) {
        problem(ErrorCode::kUNSUPPORTED_GRAPH, cat(mModel.graph().sparse_initializer_size(),
                                                   " sparse initializers: these are not supported; store them dense"));
    }
}

void GraphImporter::addInputs() {
    for (const tenon_onnx::ValueInfoProto& input : mModel.graph().input()) {
        // Before IR version 4 initializers are listed among the inputs.
        auto known = mContext.values.find(input.name());
        if (known != mContext.values.end() && (known->second.constant || known->second.lost)) {
            continue;
        }
        if (!claimName(input.name(), "input")) {
            continue;
        }
        NamedValue& value = mContext.values[input.name()];
        auto refuse = [&](ErrorCode code, const std::string& why) {
            value.lost = true;
            problem(code, cat("input '", input.name(), "': ", why));
        };
        if (!input.type().has_tensor_type()) {
            refuse(ErrorCode::kUNSUPPORTED_GRAPH,
                   "only tensors are supported as inputs, this is a sequence, optional or map");
            continue;
        }
        const tenon_onnx::TypeProto::Tensor& type = input.type().tensor_type();
        std::optional<nvinfer1::DataType> element = elementTypeOf(type.elem_type());
        if (!element) {
            refuse(ErrorCode::kUNSUPPORTED_NODE_DATATYPE,
                   cat("elements of type ", onnxTypeName(type.elem_type()), " are not supported"));
            continue;
        }
        if (!type.has_shape()) {
            refuse(ErrorCode::kUNSUPPORTED_NODE_SHAPE,
                   "its rank is not declared; export the model with at least the rank of every input");
            continue;
        }
        if (type.shape().dim_size() > nvinfer1::Dims::MAX_DIMS) {
            refuse(ErrorCode::kUNSUPPORTED_NODE_SHAPE,
                   cat("rank ", type.shape().dim_size(), " exceeds the maximum of ", nvinfer1::Dims::MAX_DIMS));
            continue;
        }
        nvinfer1::Dims dims{};
        dims.nbDims = type.shape().dim_size();
        bool valid = true;
        for (int i = 0; i < type.shape().dim_size(); ++i) {
            const tenon_onnx::TensorShapeProto::Dimension& dim = type.shape().dim(i);
            dims.d[i] = dim.has_dim_value() ? dim.dim_value() : -1;
            // Old exporters write -1 for a dynamic extent; 0 is an empty dimension.
            if (dim.has_dim_value() && dim.dim_value() < -1) {
                refuse(ErrorCode::kINVALID_VALUE, cat("extent ", dim.dim_value(), " of dimension ", i, " is negative"));
                valid = false;
                break;
            }
        }
        if (!valid) {
            continue;
        }
        mContext.reasons.clear();
        nvinfer1::ITensor* tensor = mContext.network.addInput(input.name().c_str(), *element, dims);
        if (!tensor) {
            refuse(ErrorCode::kINVALID_VALUE, mContext.reasons.take());
            continue;
        }
        for (int i = 0; i < type.shape().dim_size(); ++i) {
            const tenon_onnx::TensorShapeProto::Dimension& dim = type.shape().dim(i);
            // Exporters write "?" or "_" for extents that have nothing to do with each other.
            const std::string& symbol = dim.dim_param();
            if (std::any_of(symbol.begin(), symbol.end(), [](unsigned char c) { return std::isalnum(c) != 0; })) {
                tensor->setDimensionName(i, dim.dim_param().c_str());
            }
        }
        value.tensor = tensor;
    }
}

bool GraphImporter::importNodes(const std::vector<const NodeProto*>& nodes, const std::vector<int32_t>& indices,
                                std::vector<std::string> functions) {
    // A value that two nodes produce has no meaning; the sort would pick one silently.
    std::map<std::string, int32_t> producers;
    for (size_t i = 0; i < nodes.size(); ++i) {
        for (const std::string& output : nodes[i]->output()) {
            auto [position, added] = producers.emplace(output, static_cast<int32_t>(i));
            if (!output.empty() && !added) {
                problem(ErrorCode::kINVALID_GRAPH,
                        cat("value '", output, "' is produced twice, by ",
                            describe(*nodes[static_cast<size_t>(position->second)],
                                     indices[static_cast<size_t>(position->second)]),
                            " and ", describe(*nodes[i], indices[i])),
                        nodes[i], indices[i], functions);
            }
        }
    }
    std::vector<int32_t> cycle;
    std::vector<int32_t> order = sortNodes(nodes, cycle);
    bool all = true;
    for (int32_t i : order) {
        all = importNode(*nodes[static_cast<size_t>(i)], indices[static_cast<size_t>(i)], functions) && all;
    }
    if (!cycle.empty()) {
        std::vector<std::string> names;
        for (size_t i = 0; i < cycle.size() && i < 8; ++i) {
            names.push_back(describe(*nodes[static_cast<size_t>(cycle[i])], indices[static_cast<size_t>(cycle[i])]));
        }
        problem(ErrorCode::kINVALID_GRAPH,
                cat("the graph has a cycle, or hangs on one: ", join(names, ", "),
                    cycle.size() > 8 ? cat(" and ", cycle.size() - 8, " more") : ""),
                nodes[static_cast<size_t>(cycle[0])], indices[static_cast<size_t>(cycle[0])], functions);
        all = false;
    }
    return all;
}

bool GraphImporter::fits(const ForeignImporter& importer, const NodeProto& node) const {
    int64_t opset = mContext.opset(node.domain());
    bool domain = importer.domain == node.domain() || (isStandard(importer.domain) && isStandard(node.domain()));
    return domain && importer.op == node.op_type() && opset >= importer.minOpset && opset <= importer.maxOpset;
}

const ForeignImporter* GraphImporter::foreign(const std::vector<ForeignImporter>& list, const NodeProto& node,
                                              bool aboveBuiltin) const {
    const ForeignImporter* best = nullptr;
    for (const ForeignImporter& entry : list) {
        if (fits(entry, node) && (entry.rank > 0) == aboveBuiltin && (!best || entry.rank > best->rank)) {
            best = &entry;
        }
    }
    return best;
}

const tenon_onnx::FunctionProto* GraphImporter::findFunction(const NodeProto& node) const {
    for (const tenon_onnx::FunctionProto& function : mModel.functions()) {
        bool domain =
            function.domain() == node.domain() || (isStandard(function.domain()) && isStandard(node.domain()));
        if (domain && function.name() == node.op_type() && function.overload() == node.overload()) {
            return &function;
        }
    }
    return nullptr;
}

bool GraphImporter::runForeign(const ForeignImporter& importer, NodeImport& node) {
    bool done = importer.importer->importNode(node, mContext.network);
    if (!done && node.outcome().ok()) {
        std::string reason = mContext.reasons.take();
        node.fail(ErrorCode::kUNSUPPORTED_NODE, reason.empty() ? "its registered importer gave no reason" : reason);
    }
    return done && node.outcome().ok();
}

// Who imports a node, the first of: application importers, modules' above the built-ins, (plugins that override), built-ins, modules' below
// them, plugins, model-local functions, registered ops.
struct GraphImporter::Route {
    const ForeignImporter* foreign = nullptr;
    nvinfer1::IPluginCreatorInterface* plugin = nullptr;
    Importer builtin = nullptr;
    const tenon_onnx::FunctionProto* function = nullptr;
    bool registeredOp = false;
    bool known = false; // a standard op that is built in at other opsets
    bool found() const { return foreign || plugin || builtin || function || registeredOp; }
};

GraphImporter::Route GraphImporter::routeOf(const NodeProto& proto) const {
    Route route;
    for (auto entry = mOptions.applicationImporters.rbegin(); entry != mOptions.applicationImporters.rend(); ++entry) {
        if (fits(*entry, proto)) {
            route.foreign = &*entry;
            return route;
        }
    }
    if ((route.foreign = foreign(mOptions.moduleImporters, proto, true)) != nullptr) {
        return route;
    }
    nvinfer1::IPluginCreatorInterface* const creator =
        mOptions.plugins ? findPluginCreator(proto, *mOptions.plugins) : nullptr;
    if (mOptions.pluginOverride && creator) {
        route.plugin = creator;
        return route;
    }
    const int64_t opset = mContext.opset(proto.domain());
    route.builtin = isStandard(proto.domain()) ? builtinImporters().find(proto.op_type(), opset, route.known)
                                               : builtinImporters().find(cat(proto.domain(), "::", proto.op_type()),
                                                                         std::max<int64_t>(opset, 1), route.known);
    if (route.builtin) {
        return route;
    }
    if ((route.foreign = foreign(mOptions.moduleImporters, proto, false)) != nullptr) {
        return route;
    }
    if (!route.known && creator) {
        route.plugin = creator;
        return route;
    }
    if ((route.function = findFunction(proto)) != nullptr) {
        return route;
    }
    route.registeredOp =
        !isStandard(proto.domain()) && mContext.network.hasOperator(proto.domain().c_str(), proto.op_type().c_str());
    return route;
}

std::string GraphImporter::unsupported(const NodeProto& proto, const Route& route) const {
    const int64_t opset = mContext.opset(proto.domain());
    if (route.known) {
        return cat("op ", proto.op_type(), " is not supported at opset ", opset);
    }
    if (std::string why = whyMissing(proto.op_type()); !why.empty() && isStandard(proto.domain())) {
        return why;
    }
    const std::string where = isStandard(proto.domain()) ? cat("the standard op ", proto.op_type())
                                                         : cat("op ", proto.domain(), "::", proto.op_type());
    return cat("there is no importer, registered op, plugin creator or model-local function for ", where, " at opset ",
               opset, mOptions.plugins ? "" : " (no plugin registry was given)",
               "; load a plugin library or module that provides it, or register an importer");
}

bool GraphImporter::dispatch(NodeImport& node, const Route& route, const std::vector<std::string>& functions,
                             int32_t index) {
    if (route.foreign) {
        return runForeign(*route.foreign, node);
    }
    if (route.plugin) {
        return importPlugin(node, *route.plugin);
    }
    if (route.builtin) {
        return route.builtin(node);
    }
    if (route.function) {
        return inlineFunction(node.proto(), *route.function, index, functions);
    }
    return importOperator(node);
}

// An op that a module registered under the node's domain: attributes carry over by name.
bool GraphImporter::importOperator(NodeImport& node) {
    std::vector<OperatorAttribute> attributes;
    for (int32_t i = 0; i < node.getNbAttributes(); ++i) {
        OperatorAttribute attribute{};
        if (node.getAttribute(i, attribute)) {
            attributes.push_back(attribute);
        }
    }
    std::vector<nvinfer1::ITensor*> inputs;
    for (size_t i = 0; i < node.inputCount(); ++i) {
        inputs.push_back(node.optionalInput(i));
    }
    IOperatorLayer* layer =
        mContext.network.addOperator(node.proto().domain().c_str(), node.proto().op_type().c_str(), 0,
                                     attributes.data(), static_cast<int32_t>(attributes.size()), inputs.data(),
                                     static_cast<int32_t>(inputs.size()), static_cast<int32_t>(node.outputCount()));
    if (!layer) {
        node.fail(ErrorCode::kUNSUPPORTED_NODE, mContext.reasons.take());
        return false;
    }
    layer->setName(node.title().c_str());
    layer->setMetadata(node.title().c_str());
    for (int32_t i = 0; i < layer->getNbOutputs(); ++i) {
        node.output(static_cast<size_t>(i), layer->getOutput(i));
    }
    return true;
}

bool GraphImporter::importNode(const NodeProto& proto, int32_t index, const std::vector<std::string>& functions) {
    auto loseOutputs = [&] {
        for (const std::string& output : proto.output()) {
            if (!output.empty()) {
                mContext.values[output].lost = true;
            }
        }
        return false;
    };
    // What a lost input makes impossible was reported where it was lost; only an op that nobody knows is worth its own line.
    bool inputLost = false;
    for (const std::string& input : proto.input()) {
        if (input.empty()) {
            continue;
        }
        const NamedValue* value = mContext.find(input);
        if (!value) {
            problem(ErrorCode::kINVALID_GRAPH,
                    cat(describe(proto, index), ": input '", input,
                        "' is produced by no node and is no input or initializer"),
                    &proto, index, functions);
            return loseOutputs();
        }
        inputLost = inputLost || value->lost;
    }
    const Route route = routeOf(proto);
    if (!route.found()) {
        problem(ErrorCode::kUNSUPPORTED_NODE, cat(describe(proto, index), ": ", unsupported(proto, route)), &proto,
                index, functions);
        return loseOutputs();
    }
    if (inputLost) {
        return loseOutputs();
    }
    for (const tenon_onnx::AttributeProto& attribute : proto.attribute()) {
        if (attribute.has_g() || attribute.graphs_size() > 0) {
            problem(ErrorCode::kUNSUPPORTED_NODE,
                    cat(describe(proto, index), ": control flow (attribute '", attribute.name(),
                        "' is a graph) is not supported by this version"),
                    &proto, index, functions);
            return loseOutputs();
        }
    }
    NodeImport node(mContext, proto, mExternal, titleOf(proto, index));
    mContext.reasons.clear();
    bool done = dispatch(node, route, functions, index);
    if (route.function && done && node.outcome().ok()) {
        if (index >= 0 && functions.empty()) {
            mImported[static_cast<size_t>(index)] = true;
        }
        return true; // inlined: its values are there
    }
    if (!done || !node.outcome().ok()) {
        if (!node.outcome().ok()) {
            problem(node.outcome().code(), cat(describe(proto, index), ": ", node.outcome().reason()), &proto, index,
                    functions);
        }
        return loseOutputs();
    }
    for (int i = 0; i < proto.output_size(); ++i) {
        const std::string& name = proto.output(i);
        if (name.empty()) {
            continue;
        }
        auto position = static_cast<size_t>(i);
        NamedValue& value = mContext.values[name];
        auto constant = node.constantOutputs().find(position);
        if (constant != node.constantOutputs().end()) {
            value.constant = constant->second;
            continue;
        }
        if (position >= node.outputs().size() || !node.outputs()[position]) {
            value.lost = true;
            problem(ErrorCode::kUNSUPPORTED_NODE,
                    cat(describe(proto, index), ": output ", i, " ('", name, "') is not supported"), &proto, index,
                    functions);
            continue;
        }
        value.tensor = node.outputs()[position];
        value.tensor->setName(name.c_str());
        mContext.layerOutputs[cat(proto.name(), "/", i)] = value.tensor;
    }
    if (functions.empty() && index >= 0) {
        mImported[static_cast<size_t>(index)] = true;
    }
    return true;
}

bool GraphImporter::inlineFunction(const NodeProto& node, const tenon_onnx::FunctionProto& function, int32_t index,
                                   std::vector<std::string> functions) {
    functions.push_back(cat(function.domain(), "::", function.name()));
    if (functions.size() > kMaxFunctionDepth || ++mInlineCount > kMaxInlined) {
        problem(ErrorCode::kINVALID_GRAPH,
                cat(describe(node, index), ": model-local functions are nested too deeply; is there a recursion?"),
                &node, index, functions);
        return false;
    }
    std::string prefix = cat(titleOf(node, index), "/", mInlineCount, "/");
    std::vector<const NodeProto*> nodes;
    for (std::unique_ptr<NodeProto>& inner : functionBody(node, function, prefix)) {
        nodes.push_back(inner.get());
        mInlined.push_back(std::move(inner));
    }
    const std::vector<int32_t> indices(nodes.size(), index);
    std::map<std::string, int64_t> outer = mContext.opsets;
    for (const tenon_onnx::OperatorSetIdProto& opset : function.opset_import()) {
        mContext.opsets[isStandard(opset.domain()) ? "" : opset.domain()] = opset.version();
    }
    bool done = importNodes(nodes, indices, functions);
    mContext.opsets = std::move(outer);
    return done;
}

void GraphImporter::markOutputs() {
    for (const tenon_onnx::ValueInfoProto& output : mModel.graph().output()) {
        const NamedValue* value = mContext.find(output.name());
        if (!value) {
            problem(ErrorCode::kINVALID_GRAPH, cat("output '", output.name(), "' is produced by no node"));
            continue;
        }
        if (value->lost) {
            continue;
        }
        nvinfer1::ITensor* tensor = mContext.tensor(output.name());
        if (!tensor) {
            problem(ErrorCode::kINTERNAL_ERROR, cat("output '", output.name(), "': ", mContext.reasons.take()));
            continue;
        }
        // An output that is an input, a constant or another output as well needs a tensor of its own, for its name.
        if (tensor->isNetworkInput() || tensor->isNetworkOutput() || value->constant ||
            tensor->getName() != output.name()) {
            nvinfer1::IIdentityLayer* copy = mContext.network.addIdentity(*tensor);
            if (!copy) {
                problem(ErrorCode::kINTERNAL_ERROR, cat("output '", output.name(), "': ", mContext.reasons.take()));
                continue;
            }
            if (tensor->getName() == output.name() && !tensor->isNetworkInput()) {
                tensor->setName(cat(output.name(), ".value").c_str());
            }
            tensor = copy->getOutput(0);
            if (!(value->tensor && value->tensor->isNetworkInput() && value->tensor->getName() == output.name())) {
                tensor->setName(output.name().c_str());
            }
            copy->setName(cat(output.name(), ".copy").c_str());
        }
        mContext.network.markOutput(*tensor);
    }
}

} // namespace tenon::onnx
