#include "core/ir/graph.h"

#include "core/ir/editor.h"

namespace tenon::ir {

ConstantPtr Value::constant() const {
    if (mProducer == nullptr || mProducer->op() != "const") {
        return nullptr;
    }
    const ConstantPtr* const value = mProducer->attributes().get<ConstantPtr>("value");
    return value != nullptr ? *value : nullptr;
}

Graph::Graph(std::string name, std::shared_ptr<ExprPool> pool) : mName(std::move(name)), mPool(std::move(pool)) {}

Graph::~Graph() = default;

Value* Graph::findValue(std::string_view name) const {
    const auto found = mValueNames.find(std::string(name));
    return found == mValueNames.end() ? nullptr : found->second;
}

Node* Graph::findNode(std::string_view name) const {
    const auto found = mNodeNames.find(std::string(name));
    return found == mNodeNames.end() ? nullptr : found->second;
}

std::unique_ptr<Graph> Graph::clone() const { return cloneInto(std::make_shared<ExprPool>(*mPool)); }

std::unique_ptr<Graph> Graph::cloneInto(std::shared_ptr<ExprPool> pool) const {
    auto copy = std::make_unique<Graph>(mName, std::move(pool));
    copy->mNextNodeId = mNextNodeId;
    copy->mNextValueId = mNextValueId;
    copy->mNextSuffix = mNextSuffix;
    copy->mNodes.resize(mNodes.size());
    copy->mValues.resize(mValues.size());
    const auto valueOf = [&copy](const Value* value) {
        return value == nullptr ? nullptr : copy->mValues[static_cast<size_t>(value->mId)].get();
    };
    const auto nodeOf = [&copy](const Node* node) {
        return node == nullptr ? nullptr : copy->mNodes[static_cast<size_t>(node->mId)].get();
    };
    // First the objects, then the pointers among them.
    for (size_t i = 0; i < mValues.size(); ++i) {
        if (mValues[i] != nullptr) {
            copy->mValues[i] = std::make_unique<Value>(*mValues[i]);
            copy->mValueNames.emplace(copy->mValues[i]->mName, copy->mValues[i].get());
        }
    }
    for (size_t i = 0; i < mNodes.size(); ++i) {
        if (mNodes[i] == nullptr) {
            continue;
        }
        const Node& node = *mNodes[i];
        auto twin = std::make_unique<Node>();
        twin->mId = node.mId;
        twin->mGraph = copy.get();
        twin->mOp = node.mOp;
        twin->mName = node.mName;
        twin->mAttributes = node.mAttributes;
        twin->mSource = node.mSource;
        twin->mSettings = node.mSettings;
        for (const Value* value : node.mInputs) {
            twin->mInputs.push_back(valueOf(value));
        }
        for (const Value* value : node.mOutputs) {
            twin->mOutputs.push_back(valueOf(value));
        }
        for (const auto& region : node.mRegions) {
            twin->mRegions.push_back(region->cloneInto(copy->mPool));
        }
        copy->mNodeNames.emplace(twin->mName, twin.get());
        copy->mNodes[i] = std::move(twin);
    }
    for (const auto& value : copy->mValues) {
        if (value != nullptr) {
            value->mProducer = nodeOf(value->mProducer);
            for (Use& use : value->mUses) {
                use.node = nodeOf(use.node);
            }
        }
    }
    for (const Node* node : mOrder) {
        copy->mOrder.push_back(nodeOf(node));
    }
    for (const Value* value : mInputs) {
        copy->mInputs.push_back(valueOf(value));
    }
    for (const Value* value : mOutputs) {
        copy->mOutputs.push_back(valueOf(value));
    }
    return copy;
}

} // namespace tenon::ir
