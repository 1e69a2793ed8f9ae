#include "core/passes/rewriter.h"

#include "core/support/text.h"

#include <algorithm>
#include <cmath>
#include <cstring>

namespace tenon::passes {

using ir::DimExpr;
using ir::Node;
using ir::Value;

namespace {

ops::InferInput inferInputOf(const Value* value) {
    ops::InferInput input;
    if (value != nullptr) {
        input.present = true;
        input.type = value->type();
        input.contents = value->contents();
        input.constant = value->constant();
    }
    return input;
}

} // namespace

void Rewriter::forEachNode(const std::function<void(Node&)>& visit) {
    std::vector<int32_t> ids;
    ids.reserve(mContext.graph.nodes().size());
    for (const Node* node : mContext.graph.nodes()) {
        ids.push_back(node->id());
    }
    for (const int32_t id : ids) {
        if (!mStatus.ok()) {
            return;
        }
        if (Node* const node = mContext.graph.nodeOf(id)) {
            visit(*node);
        }
    }
}

Value* Rewriter::make(Node& at, std::string op, std::vector<Value*> inputs, ir::AttributeMap attributes) {
    if (!mStatus.ok()) {
        return nullptr;
    }
    const ops::OpDef* const def = mContext.ops.find(op);
    if (def == nullptr) {
        mStatus = support::internalError("a pass wants the op '", op, "', which does not exist");
        return nullptr;
    }
    std::vector<ops::InferInput> known;
    for (const Value* input : inputs) {
        known.push_back(inferInputOf(input));
    }
    ops::InferContext context(attributes, std::move(known), 1, pool());
    const support::Status inferred = mContext.ops.infer(*def, context);
    if (!inferred.ok()) {
        mStatus = inferred.withContext(support::cat("while replacing node '", at.name(), "'"));
        return nullptr;
    }
    ir::NodeSpec spec;
    spec.op = std::move(op);
    spec.name = at.name();
    spec.inputs = std::move(inputs);
    spec.attributes = std::move(attributes);
    spec.outputTypes = {context.outputs()[0].type};
    spec.source = at.source();
    Node* const node = mEditor.addNode(std::move(spec), &at);
    if (context.outputs()[0].contents) {
        mEditor.setContents(node->output(0), context.outputs()[0].contents);
    }
    mChanged = true;
    return node->output(0);
}

Value* Rewriter::makeInstead(Node& at, std::string op, std::vector<Value*> inputs, ir::AttributeMap attributes) {
    Value* const value = make(at, std::move(op), std::move(inputs), std::move(attributes));
    if (value != nullptr) {
        mEditor.setSettings(value->producer(), at.settings());
    }
    return value;
}

Value* Rewriter::makeConstant(Node& at, ir::ConstantPtr constant) {
    mChanged = true;
    return mEditor.addConstant(std::move(constant), at.name(), at.source(), &at);
}

void Rewriter::replace(Node& node, Value* with) {
    if (with == nullptr || !mStatus.ok()) {
        return;
    }
    mChanged = true;
    Value* const from = node.output(0);
    const bool shown = from->isGraphOutput();
    if (from->quantization() && !with->quantization()) {
        mEditor.setQuantization(with, from->quantization());
    }
    const bool inheritsName =
        with->producer() != nullptr && !with->isGraphOutput() && (shown || with->producer()->id() > node.id());
    const std::string valueName = from->name();
    const std::string nodeName = node.name();
    mEditor.replaceAllUses(from, with);
    eraseIfDead(&node);
    if (inheritsName) {
        mEditor.renameValue(with, valueName);
        mEditor.renameNode(with->producer(), nodeName);
    }
}

void Rewriter::setInput(Node& node, size_t index, Value* value) {
    Value* const old = node.input(index);
    if (old == value) {
        return;
    }
    mEditor.setInput(&node, index, value);
    mChanged = true;
    if (old != nullptr) {
        // What stood between lives on in the reader; constants have their own line.
        if (value != nullptr && old->producer() != nullptr && old->producer()->op() != "const") {
            mEditor.addSource(&node, old->producer()->source());
        }
        eraseIfDead(old->producer());
    }
}

void Rewriter::setAttribute(Node& node, std::string name, ir::AttributeValue value) {
    const ir::AttributeValue* const old = node.attributes().find(name);
    if (old == nullptr || *old != value) {
        mEditor.setAttribute(&node, std::move(name), std::move(value));
        mChanged = true;
    }
}

void Rewriter::eraseAttribute(Node& node, std::string_view name) {
    if (node.attributes().has(name)) {
        mEditor.eraseAttribute(&node, name);
        mChanged = true;
    }
}

void Rewriter::eraseIfDead(Node* node) {
    std::vector<int32_t> pending;
    if (node != nullptr) {
        pending.push_back(node->id());
    }
    while (!pending.empty()) {
        Node* const each = mContext.graph.nodeOf(pending.back());
        pending.pop_back();
        if (each == nullptr || !isRemovable(mContext.ops, *each)) {
            continue;
        }
        const bool read = std::any_of(each->outputs().begin(), each->outputs().end(), [](const Value* value) {
            return !value->uses().empty() || value->isGraphOutput();
        });
        if (read) {
            continue;
        }
        for (const Value* input : each->inputs()) {
            if (input != nullptr && input->producer() != nullptr) {
                pending.push_back(input->producer()->id());
            }
        }
        mEditor.erase(each);
        mChanged = true;
    }
}

void Rewriter::inferAgain(Node& node) {
    if (!mStatus.ok()) {
        return;
    }
    auto outputs = ops::inferNode(mContext.ops, node);
    if (!outputs.ok()) {
        mStatus = std::move(outputs).status();
        return;
    }
    for (size_t i = 0; i < outputs->size(); ++i) {
        mEditor.setType(node.output(i), (*outputs)[i].type);
        mEditor.setContents(node.output(i), (*outputs)[i].contents);
    }
}

support::Result<bool> Rewriter::finish() const {
    if (!mStatus.ok()) {
        return mStatus;
    }
    return mChanged;
}

bool isRemovable(const ops::OpRegistry& ops, const Node& node) {
    const ops::OpDef* const def = ops.find(node.op());
    return def != nullptr && def->effect != ops::Effect::kEffectful && !node.settings().debugOutput;
}

bool isPrivate(const Value& value) {
    return value.uses().size() == 1 && !value.isGraphOutput() &&
           (value.producer() == nullptr || !value.producer()->settings().debugOutput);
}

bool sameShape(const ir::ExprPool& pool, const ir::TensorType& a, const ir::TensorType& b) {
    if (!a.ranked || !b.ranked || a.dims.size() != b.dims.size()) {
        return false;
    }
    for (size_t i = 0; i < a.dims.size(); ++i) {
        if (!pool.provablyEqual(a.dims[i], b.dims[i])) {
            return false;
        }
    }
    return true;
}

bool isFullyKnown(const ir::TensorType& type) {
    return type.kind == ir::ValueKind::kTensor && type.ranked &&
           std::all_of(type.dims.begin(), type.dims.end(), [](DimExpr extent) { return extent.valid(); });
}

bool isExplicitShape(const ir::ExprPool& pool, const ir::TensorType& type) {
    return isFullyKnown(type) && std::all_of(type.dims.begin(), type.dims.end(),
                                             [&pool](DimExpr extent) { return pool.bounds(extent).min >= 0; });
}

std::optional<std::vector<int64_t>> staticDims(const ir::ExprPool& pool, const ir::TensorType& type) {
    if (type.kind != ir::ValueKind::kTensor || !type.ranked) {
        return std::nullopt;
    }
    std::vector<int64_t> dims;
    for (const DimExpr extent : type.dims) {
        if (!pool.isConstant(extent)) {
            return std::nullopt;
        }
        dims.push_back(pool.constantValue(extent));
    }
    return dims;
}

std::optional<double> splatOf(const Value* value) {
    const ir::ConstantPtr constant = value != nullptr ? value->constant() : nullptr;
    if (constant == nullptr || constant->elements() < 1 || constant->dtype == ir::DataType::kString) {
        return std::nullopt;
    }
    const double first = constant->numberAt(0);
    for (int64_t i = 1; i < constant->elements(); ++i) {
        const double other = constant->numberAt(i);
        if (other != first || std::signbit(other) != std::signbit(first)) {
            return std::nullopt;
        }
    }
    return first;
}

bool sameConstant(const ir::Constant& a, const ir::Constant& b) {
    return a.dtype == b.dtype && a.dims == b.dims && a.bytes == b.bytes && a.dtype != ir::DataType::kString &&
           (a.data == b.data || std::memcmp(a.data, b.data, static_cast<size_t>(a.bytes)) == 0);
}

ir::DimList dimListOf(ir::ExprPool& pool, const std::vector<int64_t>& values) {
    ir::DimList list;
    for (const int64_t value : values) {
        list.dims.push_back(pool.constant(value));
    }
    return list;
}

} // namespace tenon::passes
