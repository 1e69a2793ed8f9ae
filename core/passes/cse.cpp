// cse: of nodes with equal ops, attributes and inputs the first one serves all. Only pure ops without regions. Constants merge if their bytes are
// equal and they have no identity: a refit must find what belongs to each name, and derived constants follow their sources.
#include "core/passes/quantization.h"
#include "core/passes/rewriter.h"

#include "core/ir/attribute_text.h"
#include "core/ir/constant_text.h"
#include "core/support/text.h"

#include <algorithm>
#include <unordered_map>

namespace tenon::passes {

namespace {

using ir::Node;
using support::append;

// Equal keys mean equal nodes, up to the hash of large constants.
class NodeKeys {
public:
    explicit NodeKeys(PassContext& context) : mContext(context) {}

    // Empty: the node is never merged.
    std::string keyOf(const Node& node) {
        if (node.op() == "const") {
            return constantKey(node);
        }
        const ops::OpDef* const def = mContext.ops.find(node.op());
        if (def == nullptr || def->effect != ops::Effect::kPure || !node.regions().empty() ||
            node.settings().debugOutput) {
            return "";
        }
        std::string key = support::cat(node.op(), '/', node.outputs().size());
        std::vector<int32_t> operands;
        for (const ir::Value* input : node.inputs()) {
            operands.push_back(input != nullptr ? input->id() : -1);
        }
        if (def->commutative && operands.size() >= 2 && operands[0] > operands[1]) {
            std::swap(operands[0], operands[1]);
        }
        append(key, '(', support::join(operands, ","), ')');
        for (const auto& [name, value] : node.attributes()) {
            append(key, ' ', name, '=', ir::attributeText(value, mContext.graph.pool(), 16));
        }
        const ir::NodeSettings& settings = node.settings();
        if (settings.precision) {
            append(key, " precision ", ir::nameOf(*settings.precision));
        }
        for (size_t i = 0; i < settings.outputs.size(); ++i) {
            if (settings.outputs[i]) {
                append(key, " output ", i, ' ', ir::nameOf(*settings.outputs[i]));
            }
        }
        return key;
    }

private:
    std::string constantKey(const Node& node) const {
        const ir::ConstantPtr constant = node.output(0)->constant();
        if (constant == nullptr || !constant->weightsName.empty() || constant->dtype == ir::DataType::kString ||
            mContext.derivations.count(node.output(0)->id()) != 0) {
            return "";
        }
        return "const " + ir::constantText(*constant, 0) +
               (constant->elements() == 0 ? "" : ir::hashOf(*constant).hex());
    }

    PassContext& mContext;
};

bool sameQuantization(const ir::Value& a, const ir::Value& b) { return !a.quantization() && !b.quantization(); }

} // namespace

support::Result<bool> commonSubexpressions(PassContext& context) {
    Rewriter rewriter(context);
    NodeKeys keys(context);
    std::unordered_map<std::string, int32_t> first;
    rewriter.forEachNode([&](Node& node) {
        const std::string key = keys.keyOf(node);
        // Each reader of a dequantize has its own, to take into its kernel.
        if (key.empty() || isByteDequantize(&node)) {
            return;
        }
        const auto [found, isNew] = first.emplace(key, node.id());
        Node* const twin = context.graph.nodeOf(found->second);
        if (isNew || twin == nullptr) {
            found->second = node.id();
            return;
        }
        for (size_t i = 0; i < node.outputs().size(); ++i) {
            if (!sameQuantization(*node.output(i), *twin->output(i))) {
                return;
            }
        }
        for (size_t i = 0; i < node.outputs().size(); ++i) {
            rewriter.editor().replaceAllUses(node.output(i), twin->output(i));
        }
        rewriter.markChanged();
        rewriter.eraseIfDead(&node);
    });
    return rewriter.finish();
}

} // namespace tenon::passes
