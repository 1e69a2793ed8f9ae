#include "core/ir/verifier.h"

#include "core/support/checked.h"
#include "core/support/text.h"

#include <algorithm>
#include <unordered_map>
#include <unordered_set>

namespace tenon::ir {

namespace {

using support::internalError;
using support::Status;

class Verifier {
public:
    explicit Verifier(const Graph& graph) : mGraph(graph) {}

    Status run() {
        for (size_t i = 0; i < mGraph.inputs().size(); ++i) {
            const Value* const value = mGraph.inputs()[i];
            if (value == nullptr || value->producer() != nullptr || value->producerIndex() != static_cast<int32_t>(i)) {
                return fail("input ", i, " is not a value without producer");
            }
            TN_RETURN_IF_ERROR(define(*value));
        }
        for (const Node* node : mGraph.nodes()) {
            TN_RETURN_IF_ERROR(checkNode(*node).withContext(
                support::cat("at node '", node->name(), "' (", node->op(), ") of graph @", mGraph.name())));
        }
        std::unordered_map<const Value*, int32_t> outputUses;
        for (const Value* output : mGraph.outputs()) {
            if (output == nullptr || mDefined.count(output) == 0) {
                return fail("an output is not a value of the graph");
            }
            ++outputUses[output];
        }
        // In the order of definition, so that the same fault is always reported first.
        for (const Value* value : mOrder) {
            if (value->isGraphOutput() != (outputUses.count(value) != 0)) {
                return fail("%", value->name(), outputUses.count(value) != 0 ? " is" : " is not",
                            " among the outputs, but says otherwise");
            }
            std::vector<Use>& found = mUses[value];
            if (found.size() != value->uses().size() ||
                !std::is_permutation(found.begin(), found.end(), value->uses().begin())) {
                return fail("%", value->name(), " records ", value->uses().size(), " uses, the nodes have ",
                            found.size());
            }
        }
        return {};
    }

private:
    template <class... Args>
    Status fail(const Args&... args) const {
        return internalError("graph @", mGraph.name(), ": ", args...);
    }

    Status define(const Value& value) {
        if (value.id() < 0 || value.id() >= mGraph.valueIdEnd() || !mIds.insert(value.id()).second) {
            return fail("%", value.name(), " has an id that is out of range or not its own");
        }
        if (value.name().empty() || mGraph.findValue(value.name()) != &value) {
            return fail("the name of %", value.name(), " is not its own");
        }
        mDefined.insert(&value);
        mOrder.push_back(&value);
        TN_RETURN_IF_ERROR(checkType(value));
        if (value.contents()) {
            const TensorType& type = value.type();
            if (type.kind != ValueKind::kTensor || type.dtype == DataType::kString) {
                return fail("%", value.name(), " has contents, which only tensors of numbers have");
            }
            std::vector<int64_t> extents;
            for (const DimExpr extent : type.dims) {
                if (mGraph.pool().isConstant(extent)) {
                    extents.push_back(mGraph.pool().constantValue(extent));
                }
            }
            const auto count = support::checkedProduct(extents);
            if (type.ranked && extents.size() == type.dims.size() &&
                count != static_cast<int64_t>(value.contents()->size())) {
                return fail("%", value.name(), " has ", value.contents()->size(),
                            " elements of contents, but not so many of its own");
            }
            for (const DimExpr element : *value.contents()) {
                TN_RETURN_IF_ERROR(checkExpr(element, value.name()));
            }
        }
        if (value.quantization() && value.quantization()->scale == nullptr) {
            return fail("%", value.name(), " has a quantization without scale");
        }
        return {};
    }

    Status checkExpr(DimExpr expr, const std::string& where) const {
        return expr.id < mGraph.pool().size() ? Status()
                                              : fail("'", where, "' has an expression that is not of the graph's pool");
    }

    Status checkType(const Value& value) const {
        const TensorType& type = value.type();
        if (static_cast<uint32_t>(type.dtype) >= kDataTypeCount || (!type.ranked && !type.dims.empty())) {
            return fail("%", value.name(), " has a type that makes no sense");
        }
        for (const DimExpr extent : type.dims) {
            TN_RETURN_IF_ERROR(checkExpr(extent, value.name()));
            if (mGraph.pool().isConstant(extent) && mGraph.pool().constantValue(extent) < 0) {
                return fail("%", value.name(), " has a negative extent");
            }
        }
        return {};
    }

    Status checkNode(const Node& node) {
        if (node.graph() != &mGraph || node.id() < 0 || node.id() >= mGraph.nodeIdEnd() ||
            !mNodeIds.insert(node.id()).second) {
            return fail("a node is not of the graph, or there twice");
        }
        if (node.name().empty() || mGraph.findNode(node.name()) != &node) {
            return fail("the node's name is not its own");
        }
        if (node.source().empty()) {
            return fail("the node has no source");
        }
        if (!node.inputs().empty() && node.inputs().back() == nullptr) {
            return fail("the last input is left out but counted");
        }
        for (size_t i = 0; i < node.inputs().size(); ++i) {
            const Value* const input = node.input(i);
            if (input == nullptr) {
                continue;
            }
            if (mDefined.count(input) == 0) {
                return fail("input ", i, " is not defined before the node, or not in this graph");
            }
            mUses[input].push_back({const_cast<Node*>(&node), static_cast<int32_t>(i)});
        }
        for (size_t i = 0; i < node.outputs().size(); ++i) {
            const Value* const output = node.output(i);
            if (output == nullptr || output->producer() != &node ||
                output->producerIndex() != static_cast<int32_t>(i)) {
                return fail("output ", i, " does not name the node as its producer");
            }
            TN_RETURN_IF_ERROR(define(*output));
        }
        for (const auto& [name, attribute] : node.attributes()) {
            TN_RETURN_IF_ERROR(checkAttribute(name, attribute));
        }
        if (node.op() == "const") {
            TN_RETURN_IF_ERROR(checkConstant(node));
        }
        for (const auto& region : node.regions()) {
            if (region->poolPtr() != mGraph.poolPtr()) {
                return fail("region @", region->name(), " has another pool");
            }
            TN_RETURN_IF_ERROR(verify(*region));
        }
        return {};
    }

    Status checkAttribute(const std::string& name, const AttributeValue& value) const {
        if (const auto* const constant = std::get_if<ConstantPtr>(&value);
            constant != nullptr && *constant == nullptr) {
            return fail("the attribute '", name, "' is an empty constant");
        }
        if (const auto* const dims = std::get_if<DimList>(&value)) {
            for (const DimExpr expr : dims->dims) {
                TN_RETURN_IF_ERROR(checkExpr(expr, name));
            }
        }
        return {};
    }

    Status checkConstant(const Node& node) const {
        const ConstantPtr* const constant = node.attributes().get<ConstantPtr>("value");
        if (constant == nullptr || node.outputs().size() != 1 || !node.inputs().empty()) {
            return fail("a const has an attribute 'value', one output and no input");
        }
        const auto elements = support::checkedProduct((*constant)->dims);
        const auto bits = elements ? support::checkedMul(*elements, bitsOf((*constant)->dtype)) : std::nullopt;
        if (!bits || (*constant)->bytes < *bits / 8 || ((*constant)->data == nullptr && *bits > 0)) {
            return fail("the constant has too few bytes for its extents");
        }
        return {};
    }

    const Graph& mGraph;
    std::unordered_set<const Value*> mDefined;
    std::vector<const Value*> mOrder;
    std::unordered_set<int32_t> mIds;
    std::unordered_set<int32_t> mNodeIds;
    std::unordered_map<const Value*, std::vector<Use>> mUses;
};

} // namespace

Status verify(const Graph& graph) { return Verifier(graph).run(); }

} // namespace tenon::ir
