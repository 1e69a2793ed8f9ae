// Turns what a layer means into IR ops: infers each op and, when it has a graph, adds the node.
// Used by layers (which describe themselves once, for shape queries and for builds alike) and by lower_network.
// Must not know layer classes.
#pragma once

#include "core/ir/editor.h"
#include "core/ops/op_registry.h"
#include "core/support/status.h"

#include <optional>
#include <string>
#include <vector>

namespace tenon::api {

// A tensor as far as it is known; with a graph, also its value there.
struct EmitValue {
    ir::TensorType type;
    std::optional<std::vector<ir::DimExpr>> contents;
    ir::ConstantPtr constant;
    ir::Value* value = nullptr;
};

// Not thread-safe; the registry and the pool must outlive it.
class Emitter {
public:
    // Without an editor nothing but inference happens.
    Emitter(const ops::OpRegistry& registry, ir::ExprPool& pool, ir::GraphEditor* editor)
        : mRegistry(registry), mPool(pool), mEditor(editor) {}

    ir::ExprPool& pool() const { return mPool; }
    const ops::OpRegistry& registry() const { return mRegistry; }
    bool hasGraph() const { return mEditor != nullptr; }

    // What the nodes to come are made for.
    void beginLayer(std::string name, ir::NodeSettings settings, ir::SourceSet source);

    // A null input is an optional one left out; trailing ones may be omitted.
    support::Result<std::vector<EmitValue>> emit(const std::string& op, ir::AttributeMap attributes,
                                                 const std::vector<const EmitValue*>& inputs, size_t outputs);
    // An op of one output.
    support::Result<EmitValue> emit1(const std::string& op, ir::AttributeMap attributes,
                                     const std::vector<const EmitValue*>& inputs);
    // An op whose output types the caller knows and inference does not (plugins).
    support::Result<std::vector<EmitValue>> emitTyped(const std::string& op, ir::AttributeMap attributes,
                                                      const std::vector<const EmitValue*>& inputs,
                                                      std::vector<ir::TensorType> outputTypes);
    EmitValue constant(ir::ConstantPtr constant);
    EmitValue constantI64(const std::vector<int64_t>& values);

private:
    support::Result<const ops::OpDef*> find(const std::string& op) const;
    std::vector<EmitValue> addNode(const std::string& op, ir::AttributeMap attributes,
                                   const std::vector<const EmitValue*>& inputs, std::vector<ops::InferOutput> outputs);

    const ops::OpRegistry& mRegistry;
    ir::ExprPool& mPool;
    ir::GraphEditor* mEditor;
    std::string mLayerName;
    ir::NodeSettings mSettings;
    ir::SourceSet mSource;
};

} // namespace tenon::api
