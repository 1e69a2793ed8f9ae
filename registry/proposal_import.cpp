// The way back of graph_bridge.h: proposals and their bodies into IR.
#include "core/ir/editor.h"
#include "registry/graph_bridge.h"
#include "registry/text_sink.h"

#include <algorithm>
#include <cstddef>
#include <cstring>

namespace tenon::registry {

using ir::DimExpr;
using support::invalidArgument;
using support::Result;
using support::Status;

namespace {

// Element i of an array of structs that the other side may know more or less of; what it does not know is zero.
template <class T>
T elementAt(const T* first, size_t stride, int64_t i) {
    const auto* at =
        reinterpret_cast<const std::byte*>(first) + (stride == 0 ? sizeof(T) : stride) * static_cast<size_t>(i);
    uint32_t size = 0;
    std::memcpy(&size, at, sizeof(size)); // struct_size comes first
    T out{};
    std::memcpy(&out, at, std::min<size_t>(size, sizeof(T)));
    return out;
}

bool isCount(int64_t count, const void* array) {
    return count >= 0 && count <= INT32_MAX && (count == 0 || array != nullptr);
}

Result<ir::ConstantPtr> importConstant(const TnValue& value) {
    if (value.data == nullptr || value.rank < 0 || value.rank > TN_MAX_DIMS || value.dtype < 0 ||
        value.dtype >= TN_DATA_TYPE_COUNT) {
        return invalidArgument("a constant without bytes, rank or element type");
    }
    int64_t elements = 1;
    std::vector<int64_t> dims;
    for (int32_t i = 0; i < value.rank; ++i) {
        const TnDim& dim = value.dims[i];
        if (dim.min != dim.max || dim.min < 0 || __builtin_mul_overflow(elements, dim.min, &elements)) {
            return invalidArgument("a constant with an extent that is not static");
        }
        dims.push_back(dim.min);
    }
    const auto dtype = static_cast<ir::DataType>(value.dtype);
    int64_t bits = 0;
    if (__builtin_mul_overflow(elements, int64_t{ir::bitsOf(dtype)}, &bits) || (bits + 7) / 8 != value.data_bytes) {
        return invalidArgument("a constant of ", value.data_bytes, " bytes has ", elements, " elements of ",
                               ir::nameOf(dtype));
    }
    return ir::makeConstant(dtype, std::move(dims), value.data);
}

Result<DimExpr> importDim(const TnDim& dim, ir::ExprPool& pool) {
    if (dim.expr >= 0 && dim.expr < pool.size()) {
        return DimExpr{dim.expr};
    }
    if (dim.min != dim.max) {
        return invalidArgument("a run-time integer without a handle that the host knows");
    }
    return pool.constant(dim.min);
}

// A body under construction.
class BodyImporter {
public:
    BodyImporter(const TnGraph& from, const std::shared_ptr<ir::ExprPool>& pool, const ops::OpRegistry& ops,
                 ir::SourceSet source)
        : mFrom(from), mPool(pool), mOps(ops), mSource(std::move(source)),
          mGraph(std::make_unique<ir::Graph>("body", pool)), mEditor(std::make_unique<ir::GraphEditor>(*mGraph)) {}

    Result<std::unique_ptr<ir::Graph>> run(const std::vector<const ir::Value*>& inputs,
                                           const std::vector<const ir::Value*>& outputs) {
        TN_RETURN_IF_ERROR(checkArrays());
        if (mFrom.input_count != static_cast<int64_t>(inputs.size()) ||
            mFrom.output_count != static_cast<int64_t>(outputs.size())) {
            return invalidArgument("the body has ", mFrom.input_count, " inputs and ", mFrom.output_count,
                                   " outputs, the region ", inputs.size(), " and ", outputs.size());
        }
        mValues.assign(static_cast<size_t>(mFrom.value_count), nullptr);
        for (size_t i = 0; i < inputs.size(); ++i) {
            TN_RETURN_IF_ERROR(checkIndex(mFrom.inputs[i], 0, "an input of the body"));
            ir::Value* value = mEditor->addInput(support::cat("arg", i), inputs[i]->type());
            mEditor->setContents(value, inputs[i]->contents());
            mValues[static_cast<size_t>(mFrom.inputs[i])] = value;
        }
        for (int64_t i = 0; i < mFrom.node_count; ++i) {
            const TnNode node = elementAt(mFrom.nodes, mFrom.node_stride, i);
            TN_RETURN_IF_ERROR(
                addNode(node).withContext(support::cat("in node ", i, " ('", toView(node.op), "') of the body")));
        }
        for (size_t i = 0; i < outputs.size(); ++i) {
            TN_RETURN_IF_ERROR(checkIndex(mFrom.outputs[i], 0, "an output of the body"));
            TN_ASSIGN_OR_RETURN(ir::Value* const value, valueAt(mFrom.outputs[i]));
            TN_RETURN_IF_ERROR(compare(value->type(), outputs[i]->type(), i));
            mEditor->addOutput(value);
        }
        mEditor.reset();
        return std::move(mGraph);
    }

private:
    Status checkArrays() const {
        const bool good = isCount(mFrom.node_count, mFrom.nodes) && isCount(mFrom.value_count, mFrom.values) &&
                          isCount(mFrom.input_count, mFrom.inputs) && isCount(mFrom.output_count, mFrom.outputs);
        return good ? Status() : invalidArgument("the body has a negative count or a null array");
    }

    Status checkIndex(int32_t index, int32_t least, std::string_view what) const {
        return index >= least && index < mFrom.value_count
                   ? Status()
                   : invalidArgument(what, " is value ", index, " of ", mFrom.value_count);
    }

    // What is known under an index, or the constant that it is.
    Result<ir::Value*> valueAt(int32_t index) {
        ir::Value*& value = mValues[static_cast<size_t>(index)];
        if (value == nullptr) {
            const TnValue from = elementAt(mFrom.values, mFrom.value_stride, index);
            if (from.data == nullptr) {
                return invalidArgument("value ", index, " of the body is used before it is made, and is no constant");
            }
            TN_ASSIGN_OR_RETURN(ir::ConstantPtr constant, importConstant(from));
            value = mEditor->addConstant(std::move(constant), "c", mSource);
        }
        return value;
    }

    Status addNode(const TnNode& from) {
        if (!isCount(from.input_count, from.inputs) || !isCount(from.output_count, from.outputs) ||
            !isCount(from.attribute_count, from.attributes)) {
            return invalidArgument("a negative count or a null array");
        }
        if (from.region_count != 0) {
            return invalidArgument("a node with regions cannot be proposed in a body");
        }
        ir::NodeSpec spec;
        spec.op = toView(from.op);
        spec.name = from.name.size > 0 ? std::string(toView(from.name)) : spec.op;
        spec.source = mSource;
        if (mOps.find(spec.op) == nullptr) {
            return invalidArgument("no such op");
        }
        for (int32_t i = 0; i < from.input_count; ++i) {
            TN_RETURN_IF_ERROR(checkIndex(from.inputs[i], -1, "an input"));
            ir::Value* value = nullptr;
            if (from.inputs[i] >= 0) {
                TN_ASSIGN_OR_RETURN(value, valueAt(from.inputs[i]));
            }
            spec.inputs.push_back(value);
        }
        for (int64_t i = 0; i < from.attribute_count; ++i) {
            const TnAttribute attribute = elementAt(from.attributes, from.attribute_stride, i);
            TN_ASSIGN_OR_RETURN(ir::AttributeValue value, importAttribute(attribute, *mPool));
            spec.attributes.set(std::string(toView(attribute.name)), std::move(value));
        }
        spec.outputTypes.resize(static_cast<size_t>(from.output_count));
        ir::Node* node = mEditor->addNode(std::move(spec));
        TN_ASSIGN_OR_RETURN(const std::vector<ops::InferOutput> inferred, ops::inferNode(mOps, *node));
        for (int32_t i = 0; i < from.output_count; ++i) {
            TN_RETURN_IF_ERROR(checkIndex(from.outputs[i], 0, "an output"));
            ir::Value*& slot = mValues[static_cast<size_t>(from.outputs[i])];
            if (slot != nullptr) {
                return invalidArgument("value ", from.outputs[i], " is made twice");
            }
            slot = node->output(static_cast<size_t>(i));
            const ops::InferOutput& output = inferred[static_cast<size_t>(i)];
            mEditor->setType(slot, output.type);
            mEditor->setContents(slot, output.contents);
        }
        return {};
    }

    Status compare(const ir::TensorType& made, const ir::TensorType& wanted, size_t output) const {
        bool same = made.kind == wanted.kind && made.dtype == wanted.dtype && made.ranked == wanted.ranked &&
                    made.dims.size() == wanted.dims.size();
        for (size_t i = 0; same && i < made.dims.size(); ++i) {
            const bool bothKnown = made.dims[i].valid() && wanted.dims[i].valid();
            same = made.dims[i] == wanted.dims[i] || (bothKnown && mPool->provablyEqual(made.dims[i], wanted.dims[i]));
        }
        return same ? Status()
                    : invalidArgument("output ", output, " of the body has another type than what it replaces");
    }

    const TnGraph& mFrom;
    const std::shared_ptr<ir::ExprPool>& mPool;
    const ops::OpRegistry& mOps;
    ir::SourceSet mSource;
    std::unique_ptr<ir::Graph> mGraph;
    std::unique_ptr<ir::GraphEditor> mEditor;
    std::vector<ir::Value*> mValues;
};

template <class Item>
Status pick(int64_t count, const int32_t* indices, const std::vector<const Item*>& from, std::string_view what,
            std::vector<const Item*>& to) {
    if (!isCount(count, indices)) {
        return invalidArgument("a negative number of ", what, "s, or a null array");
    }
    for (int64_t i = 0; i < count; ++i) {
        if (indices[i] < 0 || indices[i] >= static_cast<int64_t>(from.size())) {
            return invalidArgument(what, " ", indices[i], " of ", from.size(), " does not exist");
        }
        to.push_back(from[static_cast<size_t>(indices[i])]);
    }
    return {};
}

} // namespace

Result<ir::AttributeValue> importAttribute(const TnAttribute& attribute, ir::ExprPool& pool) {
    const auto count = static_cast<size_t>(attribute.count);
    const auto checked = [&](const void* array) -> Status {
        return isCount(attribute.count, array)
                   ? Status()
                   : invalidArgument("attribute '", toView(attribute.name), "' has a negative count or a null array");
    };
    switch (attribute.kind) {
    case TN_ATTR_INT:
        return ir::AttributeValue(attribute.i);
    case TN_ATTR_FLOAT:
        return ir::AttributeValue(attribute.f);
    case TN_ATTR_STRING:
        return ir::AttributeValue(std::string(toView(attribute.s)));
    case TN_ATTR_INTS:
        TN_RETURN_IF_ERROR(checked(attribute.ints));
        return ir::AttributeValue(std::vector<int64_t>(attribute.ints, attribute.ints + count));
    case TN_ATTR_FLOATS:
        TN_RETURN_IF_ERROR(checked(attribute.floats));
        return ir::AttributeValue(std::vector<double>(attribute.floats, attribute.floats + count));
    case TN_ATTR_STRINGS: {
        TN_RETURN_IF_ERROR(checked(attribute.strings));
        std::vector<std::string> texts;
        for (size_t i = 0; i < count; ++i) {
            texts.emplace_back(toView(attribute.strings[i]));
        }
        return ir::AttributeValue(std::move(texts));
    }
    case TN_ATTR_DTYPE:
        if (attribute.i < 0 || attribute.i >= TN_DATA_TYPE_COUNT) {
            return invalidArgument("attribute '", toView(attribute.name), "' is no element type: ", attribute.i);
        }
        return ir::AttributeValue(static_cast<ir::DataType>(attribute.i));
    case TN_ATTR_DIMS: {
        TN_RETURN_IF_ERROR(checked(attribute.dims));
        ir::DimList list;
        for (size_t i = 0; i < count; ++i) {
            TN_ASSIGN_OR_RETURN(const DimExpr expr, importDim(attribute.dims[i], pool));
            list.dims.push_back(expr);
        }
        return ir::AttributeValue(std::move(list));
    }
    case TN_ATTR_TENSOR: {
        if (attribute.tensor == nullptr) {
            return invalidArgument("attribute '", toView(attribute.name), "' is a tensor that is not there");
        }
        TN_ASSIGN_OR_RETURN(ir::ConstantPtr constant, importConstant(*attribute.tensor));
        return ir::AttributeValue(std::move(constant));
    }
    default: // a number from the other side
        return invalidArgument("attribute '", toView(attribute.name), "' has an unknown kind ", attribute.kind);
    }
}

Result<ImportedProposal> importProposal(const TnProposal& proposal, const GraphPicture& picture,
                                        const std::shared_ptr<ir::ExprPool>& pool, const ops::OpRegistry& ops) {
    ImportedProposal out;
    out.label = toView(proposal.label);
    TN_RETURN_IF_ERROR(pick(proposal.node_count, proposal.nodes, picture.nodes(), "node", out.nodes));
    // As the graph has them, each once.
    std::vector<int32_t> indices(proposal.nodes, proposal.nodes + proposal.node_count);
    std::sort(indices.begin(), indices.end());
    if (indices.empty() || std::adjacent_find(indices.begin(), indices.end()) != indices.end()) {
        return invalidArgument("the region has no node, or one of them twice");
    }
    ir::SourceSet source;
    for (size_t i = 0; i < indices.size(); ++i) {
        out.nodes[i] = picture.nodes()[static_cast<size_t>(indices[i])];
        source.merge(out.nodes[i]->source());
    }
    if (proposal.body == nullptr) {
        return out;
    }
    TN_RETURN_IF_ERROR(pick(proposal.input_count, proposal.inputs, picture.values(), "input value", out.inputs));
    TN_RETURN_IF_ERROR(pick(proposal.output_count, proposal.outputs, picture.values(), "output value", out.outputs));
    const TnGraph body = elementAt(proposal.body, sizeof(TnGraph), 0);
    BodyImporter importer(body, pool, ops, std::move(source));
    TN_ASSIGN_OR_RETURN(out.body, importer.run(out.inputs, out.outputs));
    return out;
}

} // namespace tenon::registry
