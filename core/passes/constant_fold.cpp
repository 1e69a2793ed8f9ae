// constant_fold: a node whose inputs are all constants is computed now, and a value whose contents are known numbers becomes a constant.
//
// How a constant was derived from constants with an identity (weights of a layer) is kept: the node moves to context.weights, so that the plan can
// hold it as a step of its weight program and a refit can run it again. What derives from anonymous numbers, or from contents, leaves no trace.
#include "core/passes/quantization.h"
#include "core/passes/rewriter.h"

#include "core/support/checked.h"
#include "core/support/text.h"

#include <algorithm>

namespace tenon::passes {

namespace {

using ir::ConstantPtr;
using ir::DataType;
using ir::Node;
using ir::Value;

// Folding must not turn a small network into a large one: results up to this size always, larger ones only if the inputs are large too.
constexpr int64_t kAlwaysBytes = int64_t{1} << 20;
constexpr int64_t kGrowth = 4;

std::optional<int64_t> bytesOf(const ir::ExprPool& pool, const ir::TensorType& type) {
    const auto dims = staticDims(pool, type);
    const auto elements = dims ? support::checkedProduct(*dims) : std::nullopt;
    const auto bits = elements ? support::checkedMul(*elements, ir::bitsOf(type.dtype)) : std::nullopt;
    return bits && ir::bitsOf(type.dtype) > 0 ? std::optional<int64_t>(*bits / 8 + 1) : std::nullopt;
}

template <class T>
ConstantPtr constantOf(DataType dtype, const std::vector<int64_t>& dims, const std::vector<int64_t>& values) {
    std::vector<T> elements;
    for (const int64_t value : values) {
        elements.push_back(static_cast<T>(value));
        if (static_cast<int64_t>(elements.back()) != value) {
            return nullptr; // the type cannot say it
        }
    }
    return ir::makeConstant(dtype, dims, elements.data());
}

ConstantPtr constantOfContents(const ir::ExprPool& pool, const Value& value) {
    const auto dims = staticDims(pool, value.type());
    if (!dims || !value.contents() || value.quantization()) {
        return nullptr;
    }
    std::vector<int64_t> values;
    for (const ir::DimExpr element : *value.contents()) {
        // 2^53: as far as a double counts one by one, for the floats below.
        if (!pool.isConstant(element)) {
            return nullptr;
        }
        values.push_back(pool.constantValue(element));
    }
    const auto isExact = [&](int64_t limit) {
        return std::all_of(values.begin(), values.end(),
                           [limit](int64_t each) { return each >= -limit && each <= limit; });
    };
    switch (value.type().dtype) {
    case DataType::kI64:
        return constantOf<int64_t>(DataType::kI64, *dims, values);
    case DataType::kI32:
        return constantOf<int32_t>(DataType::kI32, *dims, values);
    case DataType::kBool: {
        std::vector<uint8_t> bits;
        for (const int64_t each : values) {
            bits.push_back(each != 0 ? 1 : 0);
        }
        return ir::makeConstant(DataType::kBool, *dims, bits.data());
    }
    case DataType::kF32:
        return isExact(int64_t{1} << 24) ? constantOf<float>(DataType::kF32, *dims, values) : nullptr;
    case DataType::kF64:
        return isExact(int64_t{1} << 53) ? constantOf<double>(DataType::kF64, *dims, values) : nullptr;
    case DataType::kF16:
    case DataType::kBF16:
    case DataType::kI8:
    case DataType::kU8:
    case DataType::kI16:
    case DataType::kU16:
    case DataType::kU32:
    case DataType::kU64:
    case DataType::kF8E4M3:
    case DataType::kF8E5M2:
    case DataType::kF8E8M0:
    case DataType::kF4E2M1:
    case DataType::kI4:
    case DataType::kU4:
    case DataType::kString:
        break;
    }
    return nullptr;
}

class Folder {
public:
    explicit Folder(PassContext& context) : mContext(context), mRewriter(context) {}

    support::Result<bool> run() {
        mRewriter.forEachNode([this](Node& node) {
            if (mContext.graph.nodeOf(node.id()) == nullptr || !mayFold(node)) {
                return;
            }
            if (onConstants(node)) {
                foldByEvaluation(node);
            } else {
                foldByContents(node);
            }
        });
        return mRewriter.finish();
    }

private:
    bool mayFold(const Node& node) const {
        const ops::OpDef* const def = mRewriter.def(node);
        return node.op() != "const" && def != nullptr && def->effect == ops::Effect::kPure && node.regions().empty() &&
               !node.settings().debugOutput && !node.outputs().empty() &&
               (!isQuantizedWeight(node) || mContext.unwantedIntegers.count(node.id()) != 0);
    }

    static bool onConstants(const Node& node) {
        return std::all_of(node.inputs().begin(), node.inputs().end(),
                           [](const Value* input) { return input == nullptr || input->constant() != nullptr; });
    }

    // Symbols in attributes (the shape of a fill, say) are only known at run time.
    bool attributesAreStatic(const Node& node) const {
        for (const auto& [name, value] : node.attributes()) {
            if (const auto* const list = std::get_if<ir::DimList>(&value)) {
                for (const ir::DimExpr each : list->dims) {
                    if (!mRewriter.pool().isConstant(each)) {
                        return false;
                    }
                }
            }
        }
        return true;
    }

    bool sizeIsReasonable(const Node& node) const {
        int64_t read = 0;
        for (const Value* input : node.inputs()) {
            read += input != nullptr ? input->constant()->bytes : 0;
        }
        int64_t written = 0;
        for (const Value* output : node.outputs()) {
            const auto bytes = bytesOf(mRewriter.pool(), output->type());
            if (!bytes) {
                return false;
            }
            written = std::max(written, *bytes);
        }
        return written <= kAlwaysBytes || written / kGrowth <= read;
    }

    void foldByEvaluation(Node& node) {
        if (mContext.evaluator == nullptr || mContext.unfoldable.count(node.id()) != 0 || !attributesAreStatic(node) ||
            !sizeIsReasonable(node)) {
            foldByContents(node);
            return;
        }
        const auto results = mContext.evaluator->evaluate(node);
        if (!results.ok()) {
            mContext.log.verbose("constant_fold leaves node '", node.name(), "' (", node.op(),
                                 "): ", results.status().toString());
            mContext.unfoldable.insert(node.id());
            foldByContents(node);
            return;
        }
        for (size_t i = 0; i < node.outputs().size(); ++i) {
            const auto dims = staticDims(mRewriter.pool(), node.output(i)->type());
            const ConstantPtr& result = i < results->size() ? (*results)[i] : nullptr;
            if (result == nullptr || result->dtype != node.output(i)->type().dtype || result->dims != *dims) {
                mContext.log.verbose("constant_fold leaves node '", node.name(), "' (", node.op(),
                                     "): its reference kernel gave another type than inference");
                mContext.unfoldable.insert(node.id());
                return;
            }
        }
        // The derivation first: it reads the node's inputs.
        const std::vector<Value*> derived = derive(node);
        std::vector<Value*> made;
        for (size_t i = 0; i < node.outputs().size(); ++i) {
            made.push_back(replaceOutput(node, i, (*results)[i]));
            if (!derived.empty()) {
                mContext.derivations[made.back()->id()] = derived[i];
            }
        }
        finish(node, made);
    }

    void foldByContents(Node& node) {
        std::vector<ConstantPtr> constants;
        for (const Value* output : node.outputs()) {
            constants.push_back(constantOfContents(mRewriter.pool(), *output));
            if (constants.back() == nullptr) {
                return;
            }
        }
        std::vector<Value*> made;
        for (size_t i = 0; i < constants.size(); ++i) {
            made.push_back(replaceOutput(node, i, constants[i]));
        }
        finish(node, made);
    }

    Value* replaceOutput(Node& node, size_t index, ConstantPtr constant) {
        // Whose weights went in; anonymous numbers are shared by many and say nothing.
        ir::SourceSet source = node.source();
        for (const Value* input : node.inputs()) {
            if (input != nullptr && hasIdentity(*input)) {
                source.merge(input->producer()->source());
            }
        }
        Value* const made =
            mRewriter.editor().addConstant(std::move(constant), node.output(index)->name(), source, &node);
        if (node.output(index)->contents()) {
            mRewriter.editor().setContents(made, node.output(index)->contents());
        }
        mRewriter.editor().setQuantization(made, node.output(index)->quantization());
        mRewriter.editor().replaceAllUses(node.output(index), made);
        return made;
    }

    // The node goes, and its constants take its names.
    void finish(Node& node, const std::vector<Value*>& made) {
        std::vector<std::string> names;
        for (const Value* output : node.outputs()) {
            names.push_back(output->name());
        }
        mRewriter.markChanged();
        mRewriter.eraseIfDead(&node);
        for (size_t i = 0; i < made.size(); ++i) {
            mRewriter.editor().renameValue(made[i], names[i]);
            mRewriter.editor().renameNode(made[i]->producer(), names[i]);
        }
    }

    // A source constant that a refit knows by name, or one that derives from such.
    bool hasIdentity(const Value& value) const {
        const ConstantPtr constant = value.constant();
        return constant != nullptr && (!constant->weightsName.empty() || mContext.derivations.count(value.id()) != 0);
    }

    // A copy of the node in the weight graph; its outputs there.
    std::vector<Value*> derive(const Node& node) {
        const bool matters = std::any_of(node.inputs().begin(), node.inputs().end(), [this](const Value* input) {
            return input != nullptr && hasIdentity(*input);
        });
        if (mContext.weights == nullptr || !matters) {
            return {};
        }
        ir::GraphEditor editor(*mContext.weights);
        ir::NodeSpec spec;
        spec.op = node.op();
        spec.name = node.name();
        spec.attributes = node.attributes();
        spec.source = node.source();
        spec.settings = node.settings();
        for (const Value* input : node.inputs()) {
            spec.inputs.push_back(input != nullptr ? derivationOf(editor, *input) : nullptr);
        }
        for (const Value* output : node.outputs()) {
            spec.outputTypes.push_back(output->type());
            spec.outputNames.push_back(output->name());
        }
        return editor.addNode(std::move(spec))->outputs();
    }

    Value* derivationOf(ir::GraphEditor& editor, const Value& constant) {
        const auto [found, isNew] = mContext.derivations.emplace(constant.id(), nullptr);
        if (isNew) {
            found->second = editor.addConstant(constant.constant(), constant.name(), constant.producer()->source());
        }
        return found->second;
    }

    PassContext& mContext;
    Rewriter mRewriter;
};

} // namespace

support::Result<bool> constantFold(PassContext& context) { return Folder(context).run(); }

} // namespace tenon::passes
