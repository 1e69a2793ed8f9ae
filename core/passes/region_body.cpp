#include "core/passes/region_body.h"

#include "core/passes/rewriter.h"

namespace tenon::passes {

using ir::Node;
using ir::Value;

RegionBody::RegionBody(const ir::Graph& graph, const ops::OpRegistry& ops, std::string label, std::vector<Node*> nodes)
    : mGraph(graph), mOps(ops), mRegion{std::move(label), std::move(nodes)},
      mBody(std::make_shared<ir::Graph>(mRegion.label, graph.poolPtr())) {
    for (const Node* node : mRegion.nodes) {
        mSource.merge(node->source());
    }
}

Value* RegionBody::input(Value* value) {
    Value*& copy = mInputs[value];
    if (copy == nullptr) {
        ir::GraphEditor editor(*mBody);
        copy = editor.addInput(value->name(), value->type());
        editor.setContents(copy, value->contents());
        mRegion.inputs.push_back(value);
    }
    return copy;
}

Value* RegionBody::add(const std::string& op, std::vector<Value*> inputs, ir::AttributeMap attributes) {
    const ops::OpDef* const def = mOps.find(op);
    if (mFailed || def == nullptr || inputs.empty() || inputs[0] == nullptr) {
        mFailed = true;
        return nullptr;
    }
    std::vector<ops::InferInput> known;
    for (const Value* input : inputs) {
        known.push_back(input == nullptr ? ops::InferInput{}
                                         : ops::InferInput{true, input->type(), input->contents(), input->constant()});
    }
    ops::InferContext context(attributes, std::move(known), 1, mGraph.pool());
    if (!mOps.infer(*def, context).ok()) {
        mFailed = true;
        return nullptr;
    }
    ir::NodeSpec spec;
    spec.op = op;
    spec.name = op;
    spec.inputs = std::move(inputs);
    spec.attributes = std::move(attributes);
    spec.outputTypes = {context.outputs()[0].type};
    spec.source = mSource;
    return ir::GraphEditor(*mBody).addNode(std::move(spec))->output(0);
}

void RegionBody::output(Value* inner, Value* value) {
    if (mFailed || inner == nullptr || inner->type().dtype != value->type().dtype ||
        !sameShape(mGraph.pool(), inner->type(), value->type())) {
        mFailed = true;
        return;
    }
    ir::GraphEditor editor(*mBody);
    editor.setType(inner, value->type());
    editor.addOutput(inner);
    mRegion.outputs.push_back(value);
}

std::optional<Region> RegionBody::finish() {
    if (mFailed || mRegion.outputs.empty()) {
        return std::nullopt;
    }
    mBody->freeze();
    mRegion.body = mBody;
    return mRegion;
}

} // namespace tenon::passes
