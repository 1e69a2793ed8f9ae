// Writes the body of a region that computes something else than its nodes verbatim: values of the graph come in as inputs, ops are added with
// inferred types, outputs stand for values of the graph.
// Used by patterns. Knows IR and op definitions; no provider.
#pragma once

#include "core/ir/editor.h"
#include "core/passes/region.h"

#include <map>
#include <optional>

namespace tenon::passes {

class RegionBody {
public:
    // `nodes` are what the region replaces: the body's nodes come from where these come from.
    RegionBody(const ir::Graph& graph, const ops::OpRegistry& ops, std::string label, std::vector<ir::Node*> nodes);

    // The value of the body that stands for one of the graph; the same for the same one.
    ir::Value* input(ir::Value* value);
    // Null if inference refuses it, or an input is null that should not be: then finish() gives nothing. Null in `inputs`: left out.
    ir::Value* add(const std::string& op, std::vector<ir::Value*> inputs, ir::AttributeMap attributes = {});
    // `inner` is what the region gives for `value`; the two must have the same type.
    void output(ir::Value* inner, ir::Value* value);
    std::optional<Region> finish();

private:
    const ir::Graph& mGraph;
    const ops::OpRegistry& mOps;
    Region mRegion;
    std::shared_ptr<ir::Graph> mBody;
    std::map<const ir::Value*, ir::Value*> mInputs;
    ir::SourceSet mSource;
    bool mFailed = false;
};

} // namespace tenon::passes
