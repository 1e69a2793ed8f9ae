#include "core/schedule/final_graph.h"

#include "core/ir/editor.h"
#include "core/ir/printer.h"

#include <map>

namespace tenon::schedule {

std::string finalGraphText(const ScheduledProfile& profile) {
    const ir::Graph& graph = *profile.graph;
    ir::Graph scheduled(graph.name(), graph.poolPtr());
    {
        ir::GraphEditor editor(scheduled);
        std::map<const ir::Value*, ir::Value*> values;
        for (const ir::Value* input : graph.inputs()) {
            values[input] = editor.addInput(input->name(), input->type());
        }
        auto valueOf = [&](const ir::Value* value) {
            ir::Value*& copy = values[value];
            if (!copy && value->constant()) {
                copy = editor.addConstant(value->constant(), value->name(), value->producer()->source());
            }
            return copy;
        };
        for (int32_t chosen : launchOrder(profile)) {
            const RegionEntry& region =
                profile.builder->region(profile.selection.chosen[static_cast<size_t>(chosen)].region);
            ir::NodeSpec spec;
            for (const ir::Node* node : region.nodes) {
                spec.source.merge(node->source());
            }
            for (const ir::Value* output : region.outputs) {
                spec.outputTypes.push_back(output->type());
                spec.outputNames.push_back(output->name());
            }
            if (region.isSingle()) {
                const ir::Node& node = *region.nodes[0];
                spec.op = node.op();
                spec.name = node.name();
                spec.attributes = node.attributes();
                spec.settings = node.settings();
                for (const ir::Value* input : node.inputs()) {
                    spec.inputs.push_back(input ? valueOf(input) : nullptr);
                }
                ir::Node* copy = editor.addNode(std::move(spec));
                for (size_t i = 0; i < node.outputs().size(); ++i) {
                    values[node.output(i)] = copy->output(i);
                }
                continue;
            }
            spec.op = "fused";
            spec.name = region.nodes.back()->name();
            spec.attributes.set("pattern", region.label);
            for (const ir::Value* input : region.inputs) {
                spec.inputs.push_back(valueOf(input));
            }
            ir::Node* fused = editor.addNode(std::move(spec));
            ir::Graph* body = editor.addRegion(fused, region.label);
            {
                ir::GraphEditor bodyEditor(*body);
                std::vector<ir::Value*> inputs;
                for (const ir::Value* input : region.task->body().inputs()) {
                    inputs.push_back(bodyEditor.addInput(input->name(), input->type()));
                }
                for (ir::Value* output : inlineBody(region.task->body(), *body, inputs)) {
                    bodyEditor.addOutput(output);
                }
            }
            for (size_t i = 0; i < region.outputs.size(); ++i) {
                values[region.outputs[i]] = fused->output(i);
            }
        }
        for (const ir::Value* output : graph.outputs()) {
            editor.addOutput(valueOf(output));
        }
    }
    return ir::print(scheduled);
}

} // namespace tenon::schedule
