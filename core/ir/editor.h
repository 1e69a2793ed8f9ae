// The only way to change a graph. Keeps uses, names, source sets and the topological order consistent.
// Used by lowering, passes and the IR parser. Single thread.
#pragma once

#include "core/ir/graph.h"

#include <functional>

namespace tenon::ir {

struct NodeSpec {
    std::string op;
    std::string name; // made unique; empty: the first output's name, or derived from the op
    std::vector<Value*> inputs;
    AttributeMap attributes;
    std::vector<TensorType> outputTypes; // one per output
    std::vector<std::string>
        outputNames;  // optional, made unique; empty: the node's name, with the output's number if there are several
    SourceSet source; // must not be empty
    NodeSettings settings;
};

class GraphEditor {
public:
    explicit GraphEditor(Graph& graph);
    ~GraphEditor(); // restores the topological order if it was disturbed

    Value* addInput(std::string name, TensorType type);
    // `before` null: at the end. Order is repaired by sortTopologically, which the destructor also does.
    Node* addNode(NodeSpec spec, Node* before = nullptr);
    // A const node.
    Value* addConstant(ConstantPtr constant, std::string name, SourceSet source, Node* before = nullptr);
    Graph* addRegion(Node* node, std::string name);
    // `region` must share this graph's pool.
    void adoptRegion(Node* node, std::unique_ptr<Graph> region);
    void addOutput(Value* value);
    void setOutput(size_t index, Value* value);

    void setInput(Node* node, size_t index,
                  Value* value); // value null: left out; left-out inputs at the end are dropped
    void setAttribute(Node* node, std::string name, AttributeValue value);
    void eraseAttribute(Node* node, std::string_view name);
    void setType(Value* value, TensorType type);
    void setContents(Value* value, std::optional<std::vector<DimExpr>> contents);
    void setQuantization(Value* value, std::optional<Quantization> quantization);
    void renameValue(Value* value, std::string name); // made unique
    void renameNode(Node* node, std::string name);    // made unique
    void setSettings(Node* node, NodeSettings settings);
    void addSource(Node* node, const SourceSet& source);
    // Uses of `from` (graph outputs included) become uses of `to`, except those by the producer of `to` itself, so that a node can be put
    // behind `from`. The producer of `to` inherits the source set of the producer of `from`; if `to` is a graph input, the nodes whose inputs
    // change inherit it.
    void replaceAllUses(Value* from, Value* to);
    // Precondition: no output has uses or is a graph output.
    void erase(Node* node);
    // Erases nodes whose outputs nobody reads, repeatedly; effectful ops are kept by the predicate.
    int32_t eraseDead(const std::function<bool(const Node&)>& mustKeep);
    // Stable: what is in order already keeps its place.
    void sortTopologically();

private:
    std::string uniqueValueName(const std::string& wanted);
    std::string uniqueNodeName(const std::string& wanted);
    Value* newValue(std::string name, TensorType type);

    Graph& mGraph;
    bool mDisturbed = false;
};

} // namespace tenon::ir
