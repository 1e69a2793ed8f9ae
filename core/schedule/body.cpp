#include "core/schedule/body.h"

#include "core/ir/editor.h"

#include <algorithm>
#include <map>
#include <set>

namespace tenon::schedule {

namespace {

// Copies one node; `outer` maps source values to values of the target graph.
ir::Node* copyNode(const ir::Node& node, ir::GraphEditor& editor, std::map<const ir::Value*, ir::Value*>& outer) {
    ir::NodeSpec spec;
    spec.op = node.op();
    spec.name = node.name();
    spec.attributes = node.attributes();
    spec.source = node.source();
    spec.settings = node.settings();
    for (const ir::Value* input : node.inputs()) {
        spec.inputs.push_back(input ? outer.at(input) : nullptr);
    }
    for (const ir::Value* output : node.outputs()) {
        spec.outputTypes.push_back(output->type());
        spec.outputNames.push_back(output->name());
    }
    ir::Node* copy = editor.addNode(std::move(spec));
    for (const std::unique_ptr<ir::Graph>& region : node.regions()) {
        ir::Graph* target = editor.addRegion(copy, region->name());
        ir::GraphEditor regionEditor(*target);
        std::map<const ir::Value*, ir::Value*> inner;
        for (const ir::Value* input : region->inputs()) {
            inner[input] = regionEditor.addInput(input->name(), input->type());
        }
        for (const ir::Node* innerNode : region->nodes()) {
            copyNode(*innerNode, regionEditor, inner);
        }
        for (const ir::Value* output : region->outputs()) {
            regionEditor.addOutput(inner.at(output));
        }
    }
    for (size_t i = 0; i < node.outputs().size(); ++i) {
        editor.setContents(copy->output(i), node.output(i)->contents());
        editor.setQuantization(copy->output(i), node.output(i)->quantization());
        outer[node.output(i)] = copy->output(i);
    }
    return copy;
}

} // namespace

Body extractBody(const std::vector<ir::Node*>& nodes, const std::string& name) {
    std::set<const ir::Node*> members(nodes.begin(), nodes.end());
    std::vector<ir::Node*> order;
    ir::Graph* parent = nodes.front()->graph();
    if (nodes.size() == 1) {
        order = nodes;
    } else {
        for (ir::Node* node : parent->nodes()) {
            if (members.count(node)) {
                order.push_back(node);
            }
        }
    }
    auto graph = std::make_shared<ir::Graph>(name, parent->poolPtr());
    Body body;
    {
        ir::GraphEditor editor(*graph);
        std::map<const ir::Value*, ir::Value*> outer;
        for (ir::Node* node : order) {
            for (ir::Value* input : node->inputs()) {
                if (input && !outer.count(input) && !(input->producer() && members.count(input->producer()))) {
                    ir::Value* copy = editor.addInput(input->name(), input->type());
                    editor.setContents(copy, input->contents());
                    outer[input] = copy;
                    body.inputs.push_back(input);
                }
            }
        }
        for (ir::Node* node : order) {
            copyNode(*node, editor, outer);
        }
        for (ir::Node* node : order) {
            for (ir::Value* output : node->outputs()) {
                bool readOutside = output->isGraphOutput();
                for (const ir::Use& use : output->uses()) {
                    readOutside = readOutside || !members.count(use.node);
                }
                // A single node keeps all its outputs, read or not: kernels have a fixed number of them.
                if (readOutside || nodes.size() == 1) {
                    editor.addOutput(outer.at(output));
                    body.outputs.push_back(output);
                }
            }
        }
        if (body.outputs.empty()) {
            ir::Value* last = order.back()->output(0);
            editor.addOutput(outer.at(last));
            body.outputs.push_back(last);
        }
    }
    graph->freeze();
    body.graph = std::move(graph);
    return body;
}

std::vector<ir::Value*> inlineBody(const ir::Graph& body, ir::Graph& target, const std::vector<ir::Value*>& inputs) {
    ir::GraphEditor editor(target);
    std::map<const ir::Value*, ir::Value*> outer;
    for (size_t i = 0; i < inputs.size(); ++i) {
        outer[body.inputs()[i]] = inputs[i];
    }
    for (const ir::Node* node : body.nodes()) {
        copyNode(*node, editor, outer);
    }
    std::vector<ir::Value*> outputs;
    for (const ir::Value* output : body.outputs()) {
        outputs.push_back(outer.at(output));
    }
    return outputs;
}

} // namespace tenon::schedule
