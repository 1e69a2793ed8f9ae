// The hands of a pass: makes nodes with inferred types, replaces and erases, and remembers whether anything changed and what went wrong.
// Used by passes only. One per run of a pass.
#pragma once

#include "core/ir/editor.h"
#include "core/passes/pass.h"

#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace tenon::passes {

class Rewriter {
public:
    explicit Rewriter(PassContext& context) : mContext(context), mEditor(context.graph) {}

    // Calls `visit` for every node that is alive when its turn comes, in topological order; nodes made meanwhile are not visited.
    void forEachNode(const std::function<void(ir::Node&)>& visit);

    // A node of one output before `at`, with at's source; null if inference refuses it, which finish() reports.
    ir::Value* make(ir::Node& at, std::string op, std::vector<ir::Value*> inputs, ir::AttributeMap attributes = {});
    // The same with at's settings and output names: for what stands in at's place.
    ir::Value* makeInstead(ir::Node& at, std::string op, std::vector<ir::Value*> inputs,
                           ir::AttributeMap attributes = {});
    ir::Value* makeConstant(ir::Node& at, ir::ConstantPtr constant);

    // The one output of `node` becomes `with` (which may be null after a failed make: then nothing happens). `node` is erased, and what only it
    // used. The name goes along where `with` was made by this pass, or where an output of the graph would lose it.
    void replace(ir::Node& node, ir::Value* with);
    void setInput(ir::Node& node, size_t index, ir::Value* value);
    void setAttribute(ir::Node& node, std::string name, ir::AttributeValue value);
    void eraseAttribute(ir::Node& node, std::string_view name);
    // Erases nodes that nobody needs any more, from `node` upwards.
    void eraseIfDead(ir::Node* node);
    // Infers the node again after its inputs or attributes changed.
    void inferAgain(ir::Node& node);

    const ops::OpDef* def(const ir::Node& node) const { return mContext.ops.find(node.op()); }
    ir::GraphEditor& editor() { return mEditor; }
    ir::ExprPool& pool() const { return mContext.graph.pool(); }
    void markChanged() { mChanged = true; }
    support::Result<bool> finish() const;

private:
    PassContext& mContext;
    ir::GraphEditor mEditor;
    support::Status mStatus;
    bool mChanged = false;
};

// --- Questions that passes ask ------------------------------------------------------------------------------------------------------------

// Dropping the node when nobody reads it is allowed.
bool isRemovable(const ops::OpRegistry& ops, const ir::Node& node);
// Only one operand of one node reads the value; no output of the graph or debug mark shows it.
bool isPrivate(const ir::Value& value);
// All extents known and equal, ranks too.
bool sameShape(const ir::ExprPool& pool, const ir::TensorType& a, const ir::TensorType& b);
// Rank known, every extent an expression.
bool isFullyKnown(const ir::TensorType& type);
// The extents may stand in the shape of a reshape (with allow_zero): all known, and none can be a -1 from a shape tensor.
bool isExplicitShape(const ir::ExprPool& pool, const ir::TensorType& type);
// The extents, if all are constants.
std::optional<std::vector<int64_t>> staticDims(const ir::ExprPool& pool, const ir::TensorType& type);
// The number that all elements of a constant are; nothing if it has none or they differ.
std::optional<double> splatOf(const ir::Value* value);
bool sameConstant(const ir::Constant& a, const ir::Constant& b);
ir::DimList dimListOf(ir::ExprPool& pool, const std::vector<int64_t>& values);

} // namespace tenon::passes
