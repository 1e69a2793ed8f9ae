// Graphs across the ABI: the flat picture of an IR graph or of some of its nodes that modules see, and back again for
// bodies that a provider proposes. Used by the scheduler. Knows IR and ABI; calls no module.
#pragma once

#include "core/ir/graph.h"
#include "core/ops/op_registry.h"
#include "core/support/status.h"
#include "tenon/module/abi.h"

#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace tenon::registry {

struct PictureOptions {
    /// Profile that extents are intervals over; null: the declared bounds of the symbols.
    const ir::SymbolBox* box = nullptr;
    /// For TnNode::op_since; null: the built-in ops.
    const ops::OpRegistry* ops = nullptr;
    /// By input: the constant that it is bound to, or null. Inputs of a body are no const nodes, and this says which of
    /// them are constant all the same. May be shorter than the inputs.
    std::vector<ir::ConstantPtr> inputConstants;
    /// Constants up to this size show their bytes; INT64_MAX for a tactic with TN_TRAIT_BAKES_CONSTANTS.
    int64_t maxShownBytes = 256;
    /// False for constants that a refit may change: their bytes are not shown. Empty: all may be.
    std::function<bool(const ir::Constant&)> mayShow;
};

/// A TnGraph and all that it points to. Immutable once made, so readable from many threads; movable. Const nodes do not
/// appear as nodes: their values are marked constant. Values are numbered inputs first, then as nodes use them.
class GraphPicture {
public:
    /// The whole graph. kInternal for a graph that the verifier would refuse.
    static support::Result<GraphPicture> of(const ir::Graph& graph, const PictureOptions& options = {});
    /// One node: its inputs are its distinct input values in order, its outputs its outputs.
    static support::Result<GraphPicture> ofNode(const ir::Node& node, const PictureOptions& options = {});
    /// Some nodes of a graph in topological order, with the values that go in and out.
    static support::Result<GraphPicture> ofNodes(const std::vector<const ir::Node*>& nodes,
                                                 const std::vector<const ir::Value*>& inputs,
                                                 const std::vector<const ir::Value*>& outputs,
                                                 const PictureOptions& options = {});

    const TnGraph& graph() const noexcept;
    /// The node behind each TnGraph::nodes, and the value behind each TnGraph::values.
    const std::vector<const ir::Node*>& nodes() const noexcept;
    const std::vector<const ir::Value*>& values() const noexcept;
    /// What TnPrepareArgs::scalars of a kernel for this body holds: the entries of all DimList attributes, in the order
    /// of nodes, attributes (by name) and entries; the nodes of a node's regions come right after its attributes.
    const std::vector<ir::DimExpr>& scalars() const noexcept;
    /// A task for this body with no offered layouts, f32 as the only compute type and no workspace limit. Points into
    /// this picture.
    TnTask task() const noexcept;

    GraphPicture(GraphPicture&&) noexcept;
    GraphPicture& operator=(GraphPicture&&) noexcept;
    ~GraphPicture();

private:
    struct Content;
    explicit GraphPicture(std::unique_ptr<Content> content) noexcept;
    std::unique_ptr<Content> mContent;
};

/// A proposal in terms of the graph that was pictured.
struct ImportedProposal {
    std::string label;
    std::vector<const ir::Node*> nodes; ///< in the graph's order, each once
    std::unique_ptr<ir::Graph> body;    ///< null: the nodes verbatim
    std::vector<const ir::Value*> inputs;
    std::vector<const ir::Value*> outputs;
};

/// Reads what a provider proposed about the graph behind `picture`; checks every index, infers the types of the body
/// itself and compares those of its outputs. The body shares the graph's expressions (`pool`). kInvalidArgument says
/// what is wrong with the proposal. Copies; nothing of the proposal is needed afterwards.
support::Result<ImportedProposal> importProposal(const TnProposal& proposal, const GraphPicture& picture,
                                                 const std::shared_ptr<ir::ExprPool>& pool, const ops::OpRegistry& ops);

/// An attribute back from the ABI. Handles of expressions are those of `pool`.
support::Result<ir::AttributeValue> importAttribute(const TnAttribute& attribute, ir::ExprPool& pool);

} // namespace tenon::registry
