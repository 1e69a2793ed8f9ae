// The SSA graph: nodes, values, regions. Read by everything after the API; changed only through GraphEditor.
// Knows no op semantics (core/ops) and no layer objects (core/api).
//
// Ownership: a Graph owns its nodes and values; pointers to them stay valid until the editor erases them. A node's regions are graphs that
// share the parent's ExprPool; a region's inputs are its only link to the outside.
// Order: nodes() is a topological order; ids grow with creation and are never reused, so iteration is deterministic.
// Threads: a frozen graph may be read from many threads.
#pragma once

#include "core/ir/attributes.h"
#include "core/ir/dim_expr.h"
#include "core/ir/source_set.h"
#include "core/ir/tensor_type.h"
#include "core/ir/weights.h"

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace tenon::ir {

class Graph;
class GraphEditor;
class Node;

// One consumer of a value.
struct Use {
    Node* node = nullptr;
    int32_t index = 0; // which input
    friend bool operator==(const Use&, const Use&) = default;
};

// Quantisation that a tensor carries from a dynamic range, calibration or Q/DQ.
struct Quantization {
    ConstantPtr scale;
    ConstantPtr zeroPoint; // null: zero
    int32_t axis = -1;     // -1: per tensor
    int32_t block = 0;     // > 0: block size along axis
};

class Value {
public:
    int32_t id() const { return mId; }
    const std::string& name() const { return mName; }
    const TensorType& type() const { return mType; }
    Node* producer() const { return mProducer; }     // null: a graph or region input
    int32_t producerIndex() const { return mIndex; } // which output of producer, or which graph input
    const std::vector<Use>& uses() const { return mUses; }
    bool isGraphOutput() const { return mOutputUses > 0; }
    // The constant, if the producer is a const node.
    ConstantPtr constant() const;
    // The elements of a small tensor of numbers, row-major, as expressions, when inference knows them all.
    const std::optional<std::vector<DimExpr>>& contents() const { return mContents; }
    const std::optional<Quantization>& quantization() const { return mQuantization; }

private:
    friend class Graph;
    friend class GraphEditor;
    int32_t mId = 0;
    int32_t mIndex = 0;
    int32_t mOutputUses = 0;
    std::string mName;
    TensorType mType;
    Node* mProducer = nullptr;
    std::vector<Use> mUses;
    std::optional<std::vector<DimExpr>> mContents;
    std::optional<Quantization> mQuantization;
};

// What a user asked of a layer, copied at lowering.
struct NodeSettings {
    std::optional<DataType> precision;            // setPrecision
    std::vector<std::optional<DataType>> outputs; // setOutputType
    std::string metadata;
    bool debugOutput = false;
};

class Node {
public:
    int32_t id() const { return mId; }
    const std::string& op() const { return mOp; } // "conv", "unary.exp", "acme.swirl", "const"
    const std::string& name() const { return mName; }
    const std::vector<Value*>& inputs() const { return mInputs; } // null: an optional input left out
    const std::vector<Value*>& outputs() const { return mOutputs; }
    Value* input(size_t i) const { return i < mInputs.size() ? mInputs[i] : nullptr; }
    Value* output(size_t i) const { return mOutputs[i]; }
    const AttributeMap& attributes() const { return mAttributes; }
    const std::vector<std::unique_ptr<Graph>>& regions() const { return mRegions; }
    const SourceSet& source() const { return mSource; }
    const NodeSettings& settings() const { return mSettings; }
    Graph* graph() const { return mGraph; }

private:
    friend class Graph;
    friend class GraphEditor;
    int32_t mId = 0;
    Graph* mGraph = nullptr;
    std::string mOp;
    std::string mName;
    std::vector<Value*> mInputs;
    std::vector<Value*> mOutputs;
    AttributeMap mAttributes;
    std::vector<std::unique_ptr<Graph>> mRegions;
    SourceSet mSource;
    NodeSettings mSettings;
};

class Graph {
public:
    explicit Graph(std::string name, std::shared_ptr<ExprPool> pool = std::make_shared<ExprPool>());
    ~Graph();
    Graph(const Graph&) = delete;
    Graph& operator=(const Graph&) = delete;

    const std::string& name() const { return mName; }
    ExprPool& pool() const { return *mPool; }
    const std::shared_ptr<ExprPool>& poolPtr() const { return mPool; }
    const std::vector<Value*>& inputs() const { return mInputs; }
    const std::vector<Value*>& outputs() const { return mOutputs; }
    // Live nodes in topological order.
    const std::vector<Node*>& nodes() const { return mOrder; }
    // The live node of that id, or null.
    Node* nodeOf(int32_t id) const {
        return id >= 0 && id < mNextNodeId ? mNodes[static_cast<size_t>(id)].get() : nullptr;
    }
    int32_t nodeIdEnd() const { return mNextNodeId; } // ids are below it
    int32_t valueIdEnd() const { return mNextValueId; }
    bool frozen() const { return mFrozen; }
    void freeze() { mFrozen = true; }
    // The live value or node of that name, or null.
    Value* findValue(std::string_view name) const;
    Node* findNode(std::string_view name) const;
    // Deep copy: node and value ids, names, regions and the pool's content kept; constants shared.
    std::unique_ptr<Graph> clone() const;

private:
    friend class GraphEditor;
    std::unique_ptr<Graph> cloneInto(std::shared_ptr<ExprPool> pool) const;

    std::string mName;
    std::shared_ptr<ExprPool> mPool;
    std::vector<std::unique_ptr<Node>> mNodes;   // by id; null where erased
    std::vector<std::unique_ptr<Value>> mValues; // by id; null where erased
    std::vector<Node*> mOrder;
    std::vector<Value*> mInputs;
    std::vector<Value*> mOutputs;
    std::unordered_map<std::string, Value*> mValueNames;
    std::unordered_map<std::string, Node*> mNodeNames;
    std::unordered_map<std::string, int32_t> mNextSuffix; // where the search for a free "name_N" goes on
    int32_t mNextNodeId = 0;
    int32_t mNextValueId = 0;
    bool mFrozen = false;
};

} // namespace tenon::ir
