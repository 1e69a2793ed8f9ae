// The set of known ops: built-in definitions (ops.def) plus those of modules. Immutable; made per registry snapshot.
#pragma once

#include "core/ir/graph.h"
#include "core/ops/op_def.h"

#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace tenon::ops {

class OpRegistry {
public:
    OpRegistry(const OpRegistry&) = delete;
    OpRegistry& operator=(const OpRegistry&) = delete;

    // The ops of this build, and no others. Shared; never changes.
    static const OpRegistry& builtin();
    // Built-ins plus `extra`; an extra op may not take a built-in's name.
    static support::Result<std::shared_ptr<const OpRegistry>> withExtra(std::vector<OpDef> extra);

    const OpDef* find(std::string_view name) const;
    const std::vector<const OpDef*>& all() const { return mSorted; } // by name
    const std::vector<OpDef>& definitions() const { return mOps; }   // family by family, then those of modules

    // Schema check of attributes and operand counts; infer does it first. Errors name the op and what is wrong, not the
    // node: the caller adds that.
    support::Status check(const OpDef& def, const ir::AttributeMap& attributes, size_t inputs, size_t outputs) const;
    support::Status infer(const OpDef& def, InferContext& context) const;

private:
    explicit OpRegistry(std::vector<OpDef> ops);
    std::vector<OpDef> mOps;
    std::vector<const OpDef*> mSorted;
};

// Infers one node of a graph and returns the outputs' types and contents; errors carry the node's name and source.
support::Result<std::vector<InferOutput>> inferNode(const OpRegistry& registry, const ir::Node& node);
// Re-infers a whole graph in order, regions of fused nodes included, and writes types and contents through the editor.
// What is recorded stays where inference cannot say more: outputs of plugins, extents that only the data decides,
// contents that somebody else made known.
support::Status inferGraph(const OpRegistry& registry, ir::Graph& graph);

} // namespace tenon::ops
