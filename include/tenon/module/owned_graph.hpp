// A graph that owns its parts: what a provider proposes as a replacement body, and what an interpreting kernel keeps of
// its task. Built by hand, copied from a GraphView, or read from a blob. Used by module code only.
#pragma once

#include "tenon/module/blob.hpp"
#include "tenon/module/graph_view.hpp"

#include <algorithm>
#include <cstring>
#include <memory>
#include <unordered_map>

namespace tenon::module {

/// Add values and nodes, then look at it through `graph()`. Movable, not copyable (see `copyOf`). Not thread-safe while
/// it is built; views of a finished one may be read from many threads.
///
///   OwnedGraph body;
///   const int32_t x = body.addTensor(TN_F32, dims);
///   body.addInput(x);
///   const int32_t y = body.addTensor(TN_F32, dims);
///   const size_t node = body.addNode("unary.exp", {x}, {y});
///   body.addOutput(y);
class OwnedGraph {
public:
    OwnedGraph() = default;
    OwnedGraph(OwnedGraph&&) = default;
    OwnedGraph& operator=(OwnedGraph&&) = default;

    /// Deep copy, names and constants' bytes included.
    static OwnedGraph copyOf(GraphView from) {
        OwnedGraph copy;
        for (size_t i = 0; i < from.valueCount(); ++i) {
            copy.addValue(from.value(static_cast<int32_t>(i)).raw());
        }
        for (size_t i = 0; i < from.nodeCount(); ++i) {
            const NodeView node = from.node(i);
            const size_t index =
                copy.addNode(node.op(), {node.raw().inputs, static_cast<size_t>(node.inputCount())},
                             {node.raw().outputs, static_cast<size_t>(node.outputCount())}, node.name());
            copy.mNodes[index].node.op_since = node.raw().op_since;
            for (const TnAttribute& attribute : node.attributes()) {
                copy.setAttribute(index, attribute);
            }
            for (size_t r = 0; r < node.regionCount(); ++r) {
                copy.addRegion(index, copyOf(node.region(r)));
            }
        }
        for (const int32_t input : from.inputs()) {
            copy.addInput(input);
        }
        for (const int32_t output : from.outputs()) {
            copy.addOutput(output);
        }
        return copy;
    }

    /// Each returns the index of the new value.
    int32_t addTensor(TnDataType dtype, std::span<const TnDim> dims, std::string_view name = {}) {
        TnValue value{};
        value.struct_size = sizeof(value);
        value.dtype = dtype;
        value.rank = static_cast<int32_t>(std::min(dims.size(), size_t{TN_MAX_DIMS}));
        std::copy_n(dims.begin(), value.rank, &value.dims[0]);
        value.name = toTn(name);
        return addValue(value);
    }
    /// With the type of another value (of this graph or another).
    int32_t addLike(ValueView like, std::string_view name = {}) {
        TnValue value = like.raw();
        value.name = toTn(name);
        value.data = nullptr;
        value.data_bytes = 0;
        value.is_constant = 0;
        return addValue(value);
    }
    int32_t addValue(const TnValue& from) {
        TnValue value = copyIn(from);
        mValues.push_back(value);
        return static_cast<int32_t>(mValues.size()) - 1;
    }

    /// Inputs of -1 are left out. Nodes must come in topological order. Returns the index of the node.
    size_t addNode(std::string_view op, std::span<const int32_t> inputs, std::span<const int32_t> outputs,
                   std::string_view name = {}) {
        Node added;
        added.node.struct_size = sizeof(TnNode);
        added.node.op_since = 1;
        added.node.op = keep(op);
        added.node.name = keep(name);
        added.node.input_count = static_cast<int32_t>(inputs.size());
        added.node.output_count = static_cast<int32_t>(outputs.size());
        added.node.inputs = keep(inputs);
        added.node.outputs = keep(outputs);
        added.node.attribute_stride = sizeof(TnAttribute);
        mNodes.push_back(std::move(added));
        return mNodes.size() - 1;
    }
    size_t addNode(std::string_view op, std::initializer_list<int32_t> inputs, std::initializer_list<int32_t> outputs,
                   std::string_view name = {}) {
        return addNode(op, std::span<const int32_t>(inputs.begin(), inputs.size()),
                       std::span<const int32_t>(outputs.begin(), outputs.size()), name);
    }

    void setInt(size_t node, std::string_view name, int64_t value) {
        TnAttribute attribute = start(name, TN_ATTR_INT);
        attribute.i = value;
        setAttribute(node, attribute);
    }
    void setFloat(size_t node, std::string_view name, double value) {
        TnAttribute attribute = start(name, TN_ATTR_FLOAT);
        attribute.f = value;
        setAttribute(node, attribute);
    }
    void setString(size_t node, std::string_view name, std::string_view value) {
        TnAttribute attribute = start(name, TN_ATTR_STRING);
        attribute.s = toTn(value);
        setAttribute(node, attribute);
    }
    void setInts(size_t node, std::string_view name, std::span<const int64_t> values) {
        TnAttribute attribute = start(name, TN_ATTR_INTS);
        attribute.count = static_cast<int64_t>(values.size());
        attribute.ints = values.data();
        setAttribute(node, attribute);
    }
    void setFloats(size_t node, std::string_view name, std::span<const double> values) {
        TnAttribute attribute = start(name, TN_ATTR_FLOATS);
        attribute.count = static_cast<int64_t>(values.size());
        attribute.floats = values.data();
        setAttribute(node, attribute);
    }
    void setDtype(size_t node, std::string_view name, TnDataType value) {
        TnAttribute attribute = start(name, TN_ATTR_DTYPE);
        attribute.i = value;
        setAttribute(node, attribute);
    }
    /// Copies; replaces one of the same name. Kept sorted by name, as the host's pictures are.
    void setAttribute(size_t node, const TnAttribute& from) {
        std::vector<TnAttribute>& attributes = mNodes[node].attributes;
        const auto at =
            std::lower_bound(attributes.begin(), attributes.end(), view(from.name),
                             [](const TnAttribute& a, std::string_view name) { return view(a.name) < name; });
        const bool replaces = at != attributes.end() && view(at->name) == view(from.name);
        const TnAttribute attribute = copyIn(from);
        if (replaces) {
            *at = attribute;
        } else {
            attributes.insert(at, attribute);
        }
    }
    void addRegion(size_t node, OwnedGraph region) {
        mNodes[node].regions.push_back(std::make_unique<OwnedGraph>(std::move(region)));
    }
    void addInput(int32_t value) { mInputs.push_back(value); }
    void addOutput(int32_t value) { mOutputs.push_back(value); }

    /// Call again after a change; earlier views are then void.
    GraphView graph() {
        mNodeTable.clear();
        for (Node& entry : mNodes) {
            entry.node.attribute_count = static_cast<int64_t>(entry.attributes.size());
            entry.node.attributes = entry.attributes.data();
            entry.regionTable.clear();
            for (const std::unique_ptr<OwnedGraph>& region : entry.regions) {
                entry.regionTable.push_back(&region->graph().raw());
            }
            entry.node.region_count = static_cast<int64_t>(entry.regionTable.size());
            entry.node.regions = entry.regionTable.data();
            mNodeTable.push_back(entry.node);
        }
        *mGraph = TnGraph{};
        mGraph->struct_size = sizeof(TnGraph);
        mGraph->node_count = static_cast<int64_t>(mNodeTable.size());
        mGraph->node_stride = sizeof(TnNode);
        mGraph->nodes = mNodeTable.data();
        mGraph->value_count = static_cast<int64_t>(mValues.size());
        mGraph->value_stride = sizeof(TnValue);
        mGraph->values = mValues.data();
        mGraph->input_count = static_cast<int64_t>(mInputs.size());
        mGraph->inputs = mInputs.data();
        mGraph->output_count = static_cast<int64_t>(mOutputs.size());
        mGraph->outputs = mOutputs.data();
        return GraphView(mGraph.get());
    }

private:
    friend OwnedGraph readGraph(BlobReader& in, int32_t depth);
    struct Node {
        TnNode node{};
        std::vector<TnAttribute> attributes;
        std::vector<std::unique_ptr<OwnedGraph>> regions;
        std::vector<const TnGraph*> regionTable;
    };

    static TnAttribute start(std::string_view name, TnAttributeKind kind) {
        TnAttribute attribute{};
        attribute.struct_size = sizeof(attribute);
        attribute.kind = kind;
        attribute.name = toTn(name);
        return attribute;
    }
    // The members that the other side filled in, the rest zero.
    template <class T>
    static T known(const T& from) {
        T copy{};
        std::memcpy(&copy, &from, std::min(sizeof(T), static_cast<size_t>(from.struct_size)));
        copy.struct_size = sizeof(T);
        return copy;
    }
    TnValue copyIn(const TnValue& from) {
        TnValue value = known(from);
        value.name = keep(view(from.name));
        if (from.data != nullptr) {
            value.data = keepBytes(from.data, static_cast<size_t>(from.data_bytes));
        }
        return value;
    }
    TnAttribute copyIn(const TnAttribute& from) {
        TnAttribute attribute = known(from);
        const auto count = static_cast<size_t>(from.count < 0 ? 0 : from.count);
        attribute.name = keep(view(from.name));
        attribute.s = keep(view(from.s));
        attribute.ints = from.ints == nullptr ? nullptr : keep(std::span(from.ints, count));
        attribute.floats = from.floats == nullptr ? nullptr : keep(std::span(from.floats, count));
        attribute.dims = from.dims == nullptr ? nullptr : keep(std::span(from.dims, count));
        if (from.strings != nullptr) {
            std::vector<TnString> strings;
            for (size_t i = 0; i < count; ++i) {
                strings.push_back(keep(view(from.strings[i])));
            }
            attribute.strings = keep(std::span<const TnString>(strings));
        }
        if (from.tensor != nullptr) {
            const TnValue tensor = copyIn(*from.tensor);
            attribute.tensor = keep(std::span(&tensor, 1));
        }
        return attribute;
    }
    const void* keepBytes(const void* from, size_t size) {
        // max_align_t-aligned, which covers every element type; never empty, so that "shown but empty" stays shown.
        mStorage.push_back(std::make_unique<std::max_align_t[]>(size / sizeof(std::max_align_t) + 1));
        if (size > 0) {
            std::memcpy(mStorage.back().get(), from, size);
        }
        return mStorage.back().get();
    }
    template <class T>
    const T* keep(std::span<const T> from) {
        return static_cast<const T*>(keepBytes(from.data(), from.size_bytes()));
    }
    template <class T>
    const T* keep(std::span<T> from) {
        return keep(std::span<const T>(from));
    }
    TnString keep(std::string_view from) {
        return from.empty() ? TnString{nullptr, 0}
                            : TnString{static_cast<const char*>(keepBytes(from.data(), from.size())), from.size()};
    }

    std::vector<std::unique_ptr<std::max_align_t[]>> mStorage;
    std::vector<TnValue> mValues;
    std::vector<Node> mNodes;
    std::vector<TnNode> mNodeTable;
    std::vector<int32_t> mInputs;
    std::vector<int32_t> mOutputs;
    std::unique_ptr<TnGraph> mGraph = std::make_unique<TnGraph>();
};

namespace detail {

// Handles of expressions differ from run to run; their pattern does not.
class ExprNumbers {
public:
    int32_t of(int32_t expr) {
        return expr < 0 ? -1 : mNumbers.try_emplace(expr, static_cast<int32_t>(mNumbers.size())).first->second;
    }

private:
    std::unordered_map<int32_t, int32_t> mNumbers;
};

inline void writeDim(BlobWriter& out, const TnDim& dim, ExprNumbers& numbers) {
    out.i64(dim.min);
    out.i64(dim.opt);
    out.i64(dim.max);
    out.i32(numbers.of(dim.expr));
}
inline TnDim readDim(BlobReader& in) {
    TnDim dim{};
    dim.min = in.i64();
    dim.opt = in.i64();
    dim.max = in.i64();
    dim.expr = in.i32();
    return dim;
}

inline void writeValue(BlobWriter& out, ValueView value, ExprNumbers& numbers) {
    out.i32(value.kind());
    out.i32(value.dtype());
    out.i32(value.rank());
    for (const TnDim& dim : value.dims()) {
        writeDim(out, dim, numbers);
    }
    out.boolean(value.isConstant());
    out.boolean(value.hasData());
    if (value.hasData()) {
        out.bytes(value.bytes());
    }
}
// The value's data points into the blob.
inline TnValue readValue(BlobReader& in) {
    TnValue value{};
    value.struct_size = sizeof(value);
    value.kind = in.i32();
    value.dtype = in.i32();
    value.rank = in.i32();
    if (!in.require(value.rank >= -1 && value.rank <= TN_MAX_DIMS && value.dtype >= 0 &&
                        value.dtype < TN_DATA_TYPE_COUNT && value.kind >= 0 && value.kind <= TN_VALUE_OPTIONAL,
                    "a value has an impossible type")) {
        value.rank = 0;
        return value;
    }
    for (int32_t i = 0; i < value.rank; ++i) {
        value.dims[i] = readDim(in);
    }
    value.is_constant = in.boolean() ? 1 : 0;
    if (in.boolean()) {
        const std::span<const std::byte> data = in.bytes();
        value.data = in.ok() ? data.data() : nullptr;
        value.data_bytes = static_cast<int64_t>(data.size());
    }
    return value;
}

inline void writeAttribute(BlobWriter& out, const TnAttribute& attribute, ExprNumbers& numbers) {
    out.string(view(attribute.name));
    out.i32(attribute.kind);
    out.i64(attribute.i);
    out.f64(attribute.f);
    out.string(view(attribute.s));
    out.i64(attribute.first_scalar);
    const auto count = static_cast<size_t>(attribute.count < 0 ? 0 : attribute.count);
    switch (attribute.kind) {
    case TN_ATTR_INTS:
        out.ints({attribute.ints, count});
        break;
    case TN_ATTR_FLOATS:
        out.floats({attribute.floats, count});
        break;
    case TN_ATTR_STRINGS:
        out.u64(count);
        for (size_t i = 0; i < count; ++i) {
            out.string(view(attribute.strings[i]));
        }
        break;
    case TN_ATTR_DIMS:
        out.u64(count);
        for (size_t i = 0; i < count; ++i) {
            writeDim(out, attribute.dims[i], numbers);
        }
        break;
    case TN_ATTR_TENSOR:
        writeValue(out, ValueView(attribute.tensor), numbers);
        break;
    default: // the scalar kinds are written above
        break;
    }
}

inline void readAttribute(BlobReader& in, OwnedGraph& graph, size_t node) {
    TnAttribute attribute{};
    attribute.struct_size = sizeof(attribute);
    const std::string name = in.string();
    attribute.name = toTn(name);
    attribute.kind = in.i32();
    attribute.i = in.i64();
    attribute.f = in.f64();
    const std::string string = in.string();
    attribute.s = toTn(string);
    attribute.first_scalar = in.i64();
    std::vector<int64_t> ints;
    std::vector<double> floats;
    std::vector<std::string> texts;
    std::vector<TnString> strings;
    std::vector<TnDim> dims;
    TnValue tensor{};
    switch (attribute.kind) {
    case TN_ATTR_INTS:
        ints = in.ints();
        attribute.ints = ints.data();
        attribute.count = static_cast<int64_t>(ints.size());
        break;
    case TN_ATTR_FLOATS:
        floats = in.floats();
        attribute.floats = floats.data();
        attribute.count = static_cast<int64_t>(floats.size());
        break;
    case TN_ATTR_STRINGS:
        texts.resize(in.count(sizeof(uint64_t)));
        for (std::string& each : texts) {
            each = in.string();
        }
        for (const std::string& each : texts) {
            strings.push_back(toTn(each));
        }
        attribute.strings = strings.data();
        attribute.count = static_cast<int64_t>(strings.size());
        break;
    case TN_ATTR_DIMS:
        dims.resize(in.count(3 * sizeof(int64_t) + sizeof(int32_t)));
        for (TnDim& each : dims) {
            each = readDim(in);
        }
        attribute.dims = dims.data();
        attribute.count = static_cast<int64_t>(dims.size());
        in.require(attribute.first_scalar >= 0 && attribute.first_scalar <= INT32_MAX,
                   "a scalar has an impossible number");
        break;
    case TN_ATTR_TENSOR:
        tensor = readValue(in);
        attribute.tensor = &tensor;
        break;
    default:
        in.require(attribute.kind >= TN_ATTR_INT && attribute.kind <= TN_ATTR_TENSOR,
                   "an attribute kind does not exist");
        break;
    }
    if (in.ok()) {
        graph.setAttribute(node, attribute);
    }
}
} // namespace detail

/// Writes everything but names of nodes and values, so that equal tasks of different layers give equal bytes. Handles of
/// expressions are renumbered in order of appearance: equal ones stay equal.
inline void writeGraph(BlobWriter& out, GraphView graph) {
    detail::ExprNumbers numbers;
    out.u64(graph.valueCount());
    for (size_t i = 0; i < graph.valueCount(); ++i) {
        detail::writeValue(out, graph.value(static_cast<int32_t>(i)), numbers);
    }
    out.u64(graph.nodeCount());
    for (size_t i = 0; i < graph.nodeCount(); ++i) {
        const NodeView node = graph.node(i);
        out.string(node.op());
        out.i32(node.raw().op_since);
        out.array(std::span(node.raw().inputs, static_cast<size_t>(node.inputCount())));
        out.array(std::span(node.raw().outputs, static_cast<size_t>(node.outputCount())));
        out.u64(node.attributes().size());
        for (const TnAttribute& attribute : node.attributes()) {
            detail::writeAttribute(out, attribute, numbers);
        }
        out.u64(node.regionCount());
        for (size_t r = 0; r < node.regionCount(); ++r) {
            writeGraph(out, node.region(r));
        }
    }
    out.array(graph.inputs());
    out.array(graph.outputs());
}

/// Reads what writeGraph wrote. All indices are checked; what attributes mean is not. Empty when the reader is not ok.
inline OwnedGraph readGraph(BlobReader& in, int32_t depth = 0) {
    OwnedGraph graph;
    const auto values = static_cast<int64_t>(in.count(sizeof(int32_t)));
    for (int64_t i = 0; i < values && in.ok(); ++i) {
        const TnValue value = detail::readValue(in);
        graph.addValue(value);
    }
    const auto inRange = [&](std::span<const int32_t> indices, int32_t least) {
        return std::all_of(indices.begin(), indices.end(), [&](int32_t i) { return i >= least && i < values; });
    };
    const size_t nodes = in.count(sizeof(uint64_t));
    for (size_t i = 0; i < nodes && in.ok(); ++i) {
        const std::string op = in.string();
        const int32_t since = in.i32();
        const std::vector<int32_t> inputs = in.array<int32_t>();
        const std::vector<int32_t> outputs = in.array<int32_t>();
        if (!in.require(inRange(inputs, -1) && inRange(outputs, 0), "a node uses a value that does not exist")) {
            break;
        }
        const size_t node = graph.addNode(op, inputs, outputs);
        graph.mNodes[node].node.op_since = since;
        const size_t attributes = in.count(sizeof(uint64_t));
        for (size_t a = 0; a < attributes && in.ok(); ++a) {
            detail::readAttribute(in, graph, node);
        }
        const size_t regions = in.count(sizeof(uint64_t));
        in.require(regions == 0 || depth < 64, "regions are nested too deeply");
        for (size_t r = 0; r < regions && in.ok(); ++r) {
            graph.addRegion(node, readGraph(in, depth + 1));
        }
    }
    graph.mInputs = in.array<int32_t>();
    graph.mOutputs = in.array<int32_t>();
    in.require(inRange(graph.mInputs, 0) && inRange(graph.mOutputs, 0), "an input or output does not exist");
    return in.ok() ? std::move(graph) : OwnedGraph();
}

} // namespace tenon::module
