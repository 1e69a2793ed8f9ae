#include "registry/graph_bridge.h"

#include "registry/picture_storage.h"

#include <algorithm>
#include <unordered_map>

namespace tenon::registry {

using ir::DimExpr;
using support::Result;
using support::Status;

struct GraphPicture::Content {
    PictureStorage storage;
    TnGraph graph{};
    std::vector<const ir::Node*> nodes;
    std::vector<const ir::Value*> values;
    std::vector<DimExpr> scalars;
};

namespace {

// Builds the picture of one level; regions are further levels in the same storage.
class PictureBuilder {
public:
    PictureBuilder(PictureStorage& storage, std::vector<DimExpr>& scalars, const PictureOptions& options,
                   const DimPictures& dims)
        : mStorage(storage), mScalars(scalars), mOptions(options), mDims(dims),
          mOps(options.ops != nullptr ? *options.ops : ops::OpRegistry::builtin()) {}

    Status build(const std::vector<const ir::Node*>& nodes, const std::vector<const ir::Value*>& inputs,
                 const std::vector<const ir::Value*>& outputs, bool isTop) {
        for (size_t i = 0; i < inputs.size(); ++i) {
            const bool bound = isTop && i < mOptions.inputConstants.size() && mOptions.inputConstants[i] != nullptr;
            mInputs.push_back(number(*inputs[i], bound ? mOptions.inputConstants[i] : inputs[i]->constant()));
        }
        for (const ir::Node* node : nodes) {
            TN_RETURN_IF_ERROR(add(*node));
        }
        for (const ir::Value* output : outputs) {
            TN_ASSIGN_OR_RETURN(const int32_t index, find(output));
            mOutputs.push_back(index);
        }
        return {};
    }

    TnGraph finish() {
        TnGraph graph{};
        graph.struct_size = sizeof(graph);
        graph.node_count = static_cast<int64_t>(mNodes.size());
        graph.node_stride = sizeof(TnNode);
        graph.nodes = mStorage.copy(mNodes);
        graph.value_count = static_cast<int64_t>(mValues.size());
        graph.value_stride = sizeof(TnValue);
        graph.values = mStorage.copy(mValues);
        graph.input_count = static_cast<int64_t>(mInputs.size());
        graph.inputs = mStorage.copy(mInputs);
        graph.output_count = static_cast<int64_t>(mOutputs.size());
        graph.outputs = mStorage.copy(mOutputs);
        return graph;
    }
    std::vector<const ir::Value*> takeSources() { return std::move(mSources); }

private:
    // Scales and zero points, one per channel, are a part of what quantized kernels compute: they are shown up to a larger size.
    static bool isQuantizationParameter(const ir::Value& value) {
        return std::any_of(value.uses().begin(), value.uses().end(), [](const ir::Use& use) {
            return use.index > 0 && (use.node->op() == "dequantize" || use.node->op() == "quantize");
        });
    }

    bool isShown(const ir::Value& value, const ir::Constant& constant) const {
        constexpr int64_t kMaxParameterBytes = 65536;
        const int64_t limit = isQuantizationParameter(value) ? std::max(kMaxParameterBytes, mOptions.maxShownBytes)
                                                             : mOptions.maxShownBytes;
        return constant.data != nullptr && constant.bytes <= limit && (!mOptions.mayShow || mOptions.mayShow(constant));
    }

    int32_t number(const ir::Value& value, const ir::ConstantPtr& constant) {
        const auto [at, isNew] = mIndex.try_emplace(&value, static_cast<int32_t>(mValues.size()));
        if (!isNew) {
            return at->second;
        }
        TnValue picture = valueOf(value.type(), mDims);
        picture.name = mStorage.keep(value.name());
        if (constant != nullptr) {
            const TnValue data = mStorage.constant(constant, {}, isShown(value, *constant));
            picture.is_constant = 1;
            picture.data = data.data;
            picture.data_bytes = data.data_bytes;
        }
        mValues.push_back(picture);
        mSources.push_back(&value);
        return at->second;
    }

    // A value that is read here: an input, something made before, or a constant.
    Result<int32_t> find(const ir::Value* value) {
        if (value == nullptr) {
            return -1;
        }
        if (const auto at = mIndex.find(value); at != mIndex.end()) {
            return at->second;
        }
        if (const ir::ConstantPtr constant = value->constant(); constant != nullptr) {
            return number(*value, constant);
        }
        return support::internalError("value %", value->name(), " is used before it is made, or is no input");
    }

    // The op set that has everything this node uses at another value than the default.
    int32_t sinceOf(const ir::Node& node) const {
        const ops::OpDef* def = mOps.find(node.op());
        if (def == nullptr) {
            return 1;
        }
        int32_t since = def->since;
        for (const auto& [name, value] : node.attributes()) {
            const ops::AttributeSpec* spec = def->attribute(name);
            if (spec != nullptr && !(spec->fallback.has_value() && *spec->fallback == value)) {
                since = std::max(since, spec->since);
            }
        }
        return since;
    }

    Status add(const ir::Node& node) {
        if (node.op() == "const") {
            return {};
        }
        TnNode picture{};
        picture.struct_size = sizeof(picture);
        picture.op_since = sinceOf(node);
        picture.op = mStorage.keep(node.op());
        picture.name = mStorage.keep(node.name());
        std::vector<int32_t> inputs;
        for (const ir::Value* input : node.inputs()) {
            TN_ASSIGN_OR_RETURN(const int32_t index, find(input));
            inputs.push_back(index);
        }
        std::vector<int32_t> outputs;
        for (const ir::Value* output : node.outputs()) {
            outputs.push_back(number(*output, nullptr));
        }
        picture.input_count = static_cast<int32_t>(inputs.size());
        picture.inputs = mStorage.copy(inputs);
        picture.output_count = static_cast<int32_t>(outputs.size());
        picture.outputs = mStorage.copy(outputs);
        auto firstScalar = static_cast<int64_t>(mScalars.size());
        std::tie(picture.attributes, picture.attribute_count) =
            mStorage.attributes(node.attributes(), mDims, firstScalar, &mScalars);
        picture.attribute_stride = sizeof(TnAttribute);
        std::vector<const TnGraph*> regions;
        for (const std::unique_ptr<ir::Graph>& region : node.regions()) {
            PictureBuilder builder(mStorage, mScalars, mOptions, mDims);
            TN_RETURN_IF_ERROR(builder.build({region->nodes().begin(), region->nodes().end()},
                                             {region->inputs().begin(), region->inputs().end()},
                                             {region->outputs().begin(), region->outputs().end()}, false));
            TnGraph* child = mStorage.array<TnGraph>(1);
            *child = builder.finish();
            regions.push_back(child);
        }
        picture.region_count = static_cast<int64_t>(regions.size());
        picture.regions = mStorage.copy(regions);
        mNodes.push_back(picture);
        return {};
    }

    PictureStorage& mStorage;
    std::vector<DimExpr>& mScalars;
    const PictureOptions& mOptions;
    const DimPictures& mDims;
    const ops::OpRegistry& mOps;
    std::unordered_map<const ir::Value*, int32_t> mIndex; // for look-up only
    std::vector<TnNode> mNodes;
    std::vector<TnValue> mValues;
    std::vector<const ir::Value*> mSources;
    std::vector<int32_t> mInputs;
    std::vector<int32_t> mOutputs;
};

} // namespace

GraphPicture::GraphPicture(std::unique_ptr<Content> content) noexcept : mContent(std::move(content)) {}
GraphPicture::GraphPicture(GraphPicture&&) noexcept = default;
GraphPicture& GraphPicture::operator=(GraphPicture&&) noexcept = default;
GraphPicture::~GraphPicture() = default;

const TnGraph& GraphPicture::graph() const noexcept { return mContent->graph; }
const std::vector<const ir::Node*>& GraphPicture::nodes() const noexcept { return mContent->nodes; }
const std::vector<const ir::Value*>& GraphPicture::values() const noexcept { return mContent->values; }
const std::vector<DimExpr>& GraphPicture::scalars() const noexcept { return mContent->scalars; }

TnTask GraphPicture::task() const noexcept {
    TnTask task{};
    task.struct_size = sizeof(task);
    task.body = &mContent->graph;
    task.offered_stride = sizeof(TnPortFormat);
    task.compute_types = uint64_t{1} << TN_F32;
    task.workspace_limit = INT64_MAX;
    return task;
}

Result<GraphPicture> GraphPicture::ofNodes(const std::vector<const ir::Node*>& nodes,
                                           const std::vector<const ir::Value*>& inputs,
                                           const std::vector<const ir::Value*>& outputs,
                                           const PictureOptions& options) {
    auto content = std::make_unique<Content>();
    // An empty body (an output that is an input) has no node to take a pool from, and no extents but those of inputs.
    static const ir::ExprPool kNoExpressions;
    const ir::ExprPool& pool = nodes.empty() ? kNoExpressions : nodes.front()->graph()->pool();
    const DimPictures dims(pool, nodes.empty() ? nullptr : options.box);
    PictureBuilder builder(content->storage, content->scalars, options, dims);
    TN_RETURN_IF_ERROR(builder.build(nodes, inputs, outputs, true));
    content->graph = builder.finish();
    content->values = builder.takeSources();
    std::copy_if(nodes.begin(), nodes.end(), std::back_inserter(content->nodes),
                 [](const ir::Node* node) { return node->op() != "const"; });
    return GraphPicture(std::move(content));
}

Result<GraphPicture> GraphPicture::of(const ir::Graph& graph, const PictureOptions& options) {
    return ofNodes({graph.nodes().begin(), graph.nodes().end()}, {graph.inputs().begin(), graph.inputs().end()},
                   {graph.outputs().begin(), graph.outputs().end()}, options)
        .withContext(support::cat("while picturing graph @", graph.name()));
}

Result<GraphPicture> GraphPicture::ofNode(const ir::Node& node, const PictureOptions& options) {
    std::vector<const ir::Value*> inputs;
    for (const ir::Value* input : node.inputs()) {
        if (input != nullptr && std::find(inputs.begin(), inputs.end(), input) == inputs.end()) {
            inputs.push_back(input);
        }
    }
    return ofNodes({&node}, inputs, {node.outputs().begin(), node.outputs().end()}, options);
}

} // namespace tenon::registry
