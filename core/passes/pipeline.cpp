#include "core/passes/pipeline.h"

#include "core/ir/editor.h"

#include <map>

namespace tenon::passes {

namespace {

// The weight graph keeps what leads to constants that the graph still uses. A value has the name that it has in the graph; names of the graph's
// other values are not used, because plans match the two graphs by name.
void completeWeights(PassContext& context) {
    if (context.weights == nullptr) {
        return;
    }
    ir::GraphEditor editor(*context.weights);
    std::map<const ir::Value*, std::string> names;
    for (const ir::Node* node : context.graph.nodes()) {
        if (node->op() != "const") {
            continue;
        }
        const auto found = context.derivations.find(node->output(0)->id());
        if (found == context.derivations.end()) {
            continue;
        }
        ir::Value* const derived = found->second;
        if (names.emplace(derived, node->output(0)->name()).second && derived->producer()->op() != "const" &&
            !derived->isGraphOutput()) {
            editor.addOutput(derived);
        }
    }
    editor.eraseDead([](const ir::Node&) { return false; });
    std::vector<ir::Value*> values;
    for (const ir::Node* node : context.weights->nodes()) {
        values.insert(values.end(), node->outputs().begin(), node->outputs().end());
    }
    for (ir::Value* value : values) {
        std::string name = value->name();
        while (context.graph.findValue(name) != nullptr) {
            name += ".source";
        }
        editor.renameValue(value, name);
    }
    for (ir::Value* value : values) {
        if (const auto found = names.find(value); found != names.end()) {
            editor.renameValue(value, found->second);
        }
    }
}

} // namespace

support::Status runPipeline(PassContext& context, Verify verify) {
    for (int round = 0; round < kMaxRounds; ++round) {
        bool changed = false;
        for (const Pass& pass : allPasses()) {
            if (!pass.inPipeline || (pass.computesWeights && context.evaluator == nullptr)) {
                continue;
            }
            TN_ASSIGN_OR_RETURN(const bool passChanged, runPass(context, pass, verify));
            changed = changed || passChanged;
        }
        if (!changed) {
            break;
        }
        if (round + 1 == kMaxRounds) {
            context.log.verbose("the passes still find something to change after ", kMaxRounds, " rounds");
        }
    }
    completeWeights(context);
    return {};
}

} // namespace tenon::passes
