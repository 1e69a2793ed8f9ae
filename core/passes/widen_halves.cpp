// widen_halves: what a graph computes in f16 or bf16 it computes in f32, for targets without kernels that are fast in these types. Not in the pipeline:
// the build asks for it where the host alone computes.
//
// Nodes read and write f32; casts stay where halves come from outside (inputs, constants, which are folded) or go there (outputs, nodes that are not
// ours to change). A rounding between two nodes disappears, also one by the network's own cast in front of a node that computes: results come
// nearer to what the network means, and values beyond the narrow type's range stay finite. Casts from f32 and back with nothing between stay. Nodes that only move elements move halves where these come from outside.
#include "core/passes/rewriter.h"

#include <algorithm>
#include <array>

namespace tenon::passes {

namespace {

using ir::DataType;
using ir::Node;
using ir::Value;

bool isHalf(DataType type) { return type == DataType::kF16 || type == DataType::kBF16; }

bool isHalf(const ir::TensorType& type) { return type.kind == ir::ValueKind::kTensor && isHalf(type.dtype); }

bool isHalf(const Value* value) { return value != nullptr && isHalf(value->type()); }

class Widener {
public:
    explicit Widener(PassContext& context) : mContext(context), mRewriter(context) {}

    support::Result<bool> run() {
        mRewriter.forEachNode([this](Node& node) {
            if (node.op() == "cast") {
                readUnrounded(node);
            } else if (isWidenable(node)) {
                widen(node);
            }
        });
        for (const auto& [narrow, wide] : mWide) {
            mRewriter.eraseIfDead(mContext.graph.nodeOf(narrow));
        }
        return mRewriter.finish();
    }

private:
    // The f32 tensor that a half is the rounded form of; null if there is none.
    Value* unroundedOf(const Value* half, bool alsoByTheNetwork) const {
        const Node* const producer = half->producer();
        if (producer == nullptr || producer->op() != "cast") {
            return nullptr;
        }
        Value* const source = producer->input(0);
        const bool isOurs = mWide.count(producer->id()) != 0;
        return source->type().dtype == DataType::kF32 && (isOurs || alsoByTheNetwork) ? source : nullptr;
    }

    void readUnrounded(Node& cast) {
        if (isHalf(cast.input(0)) && ir::isFloat(cast.output(0)->type().dtype)) {
            if (Value* const wide = unroundedOf(cast.input(0), false)) {
                mRewriter.setInput(cast, 0, wide);
            }
        }
    }

    static bool onlyMoves(const Node& node, const ops::OpDef& def) {
        static constexpr std::array<std::string_view, 6> kMovements = {"transpose", "slice",  "split",
                                                                       "concat",    "expand", "identity"};
        return def.view || std::find(kMovements.begin(), kMovements.end(), node.op()) != kMovements.end();
    }

    bool isWidenable(const Node& node) const {
        const ops::OpDef* const def = ops::OpRegistry::builtin().find(node.op());
        const auto& settings = node.settings();
        if (def == nullptr || !def->infer || def->effect != ops::Effect::kPure || node.op() == "const" ||
            !node.regions().empty() || settings.debugOutput || (settings.precision && isHalf(*settings.precision))) {
            return false;
        }
        if (onlyMoves(node, *def)) {
            return std::any_of(node.inputs().begin(), node.inputs().end(),
                               [this](const Value* input) { return isHalf(input) && unroundedOf(input, true); });
        }
        const auto half = [](const std::vector<Value*>& values) {
            return std::any_of(values.begin(), values.end(), [](const Value* value) { return isHalf(value); });
        };
        return half(node.inputs()) || half(node.outputs());
    }

    void widen(Node& node) {
        const std::vector<Value*> inputs = node.inputs();
        const ir::AttributeMap attributes = node.attributes();
        for (size_t i = 0; i < inputs.size(); ++i) {
            if (isHalf(inputs[i])) {
                mRewriter.editor().setInput(&node, i, wideOf(node, *inputs[i]));
            }
        }
        for (const auto& [name, value] : attributes) {
            if (const auto* const type = std::get_if<DataType>(&value); type != nullptr && isHalf(*type)) {
                mRewriter.editor().setAttribute(&node, name, DataType::kF32);
            }
        }
        const auto types = ops::inferNode(mContext.ops, node);
        const bool isWide =
            types.ok() && std::none_of(types->begin(), types->end(),
                                       [](const ops::InferOutput& output) { return isHalf(output.type); });
        if (!isWide) { // its types are not those of its operands
            for (size_t i = 0; i < inputs.size(); ++i) {
                mRewriter.editor().setInput(&node, i, inputs[i]);
            }
            for (const auto& [name, value] : attributes) {
                mRewriter.editor().setAttribute(&node, name, value);
            }
            return;
        }
        mRewriter.markChanged();
        for (size_t i = 0; i < types->size(); ++i) {
            Value* const output = node.output(i);
            const bool wasHalf = isHalf(output);
            const ir::TensorType halfType = output->type();
            mRewriter.editor().setType(output, (*types)[i].type);
            if (wasHalf) {
                narrowForReaders(node, *output, halfType);
            }
        }
    }

    Value* wideOf(Node& at, Value& half) {
        if (Value* const known = unroundedOf(&half, true)) {
            return known;
        }
        const auto found = mInputs.find(half.id());
        if (found != mInputs.end()) {
            return found->second;
        }
        ir::AttributeMap to;
        to.set("to", DataType::kF32);
        return mInputs[half.id()] = mRewriter.make(at, "cast", {&half}, std::move(to));
    }

    // Who read the rounded tensor reads a cast, until its turn to be widened comes.
    void narrowForReaders(Node& node, Value& wide, const ir::TensorType& halfType) {
        ir::GraphEditor& editor = mRewriter.editor();
        ir::NodeSpec spec;
        spec.op = "cast";
        spec.name = node.name() + "." + std::string(ir::nameOf(halfType.dtype));
        spec.inputs = {&wide};
        spec.attributes.set("to", halfType.dtype);
        spec.outputTypes = {halfType};
        spec.source = node.source();
        Node* const cast = editor.addNode(std::move(spec));
        const bool isShown = wide.isGraphOutput();
        editor.replaceAllUses(&wide, cast->output(0));
        if (isShown) {
            const std::string name = wide.name();
            editor.renameValue(&wide, name + ".f32");
            editor.renameValue(cast->output(0), name);
        }
        mWide[cast->id()] = &wide;
    }

    PassContext& mContext;
    Rewriter mRewriter;
    std::map<int32_t, Value*> mWide;   // by the id of a cast to a half that this pass made
    std::map<int32_t, Value*> mInputs; // the cast to f32, by the id of a half
};

} // namespace

support::Result<bool> widenHalves(PassContext& context) { return Widener(context).run(); }

} // namespace tenon::passes
