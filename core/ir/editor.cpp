#include "core/ir/editor.h"

#include <algorithm>
#include <cassert>
#include <unordered_set>

namespace tenon::ir {

namespace {

void removeUse(std::vector<Use>& uses, const Use& use) {
    const auto found = std::find(uses.begin(), uses.end(), use);
    assert(found != uses.end());
    uses.erase(found);
}

// "unary.exp" -> "exp": enough to tell made-up names apart.
std::string shortName(const std::string& op) {
    const size_t dot = op.rfind('.');
    return dot == std::string::npos || dot + 1 == op.size() ? op : op.substr(dot + 1);
}

template <class Map>
std::string firstFree(const Map& taken, std::unordered_map<std::string, int32_t>& nextSuffix,
                      const std::string& wanted) {
    if (!wanted.empty() && taken.find(wanted) == taken.end()) {
        return wanted;
    }
    int32_t& next = nextSuffix[wanted];
    for (;;) {
        std::string candidate = wanted + "_" + std::to_string(++next);
        if (taken.find(candidate) == taken.end()) {
            return candidate;
        }
    }
}

} // namespace

GraphEditor::GraphEditor(Graph& graph) : mGraph(graph) { assert(!graph.frozen()); }

GraphEditor::~GraphEditor() { sortTopologically(); }

std::string GraphEditor::uniqueValueName(const std::string& wanted) {
    return firstFree(mGraph.mValueNames, mGraph.mNextSuffix, wanted);
}

std::string GraphEditor::uniqueNodeName(const std::string& wanted) {
    return firstFree(mGraph.mNodeNames, mGraph.mNextSuffix, wanted);
}

Value* GraphEditor::newValue(std::string name, TensorType type) {
    auto value = std::make_unique<Value>();
    value->mId = mGraph.mNextValueId++;
    value->mName = std::move(name);
    value->mType = std::move(type);
    Value* const raw = value.get();
    mGraph.mValueNames.emplace(raw->mName, raw);
    mGraph.mValues.push_back(std::move(value));
    return raw;
}

Value* GraphEditor::addInput(std::string name, TensorType type) {
    Value* const value = newValue(uniqueValueName(name), std::move(type));
    value->mIndex = static_cast<int32_t>(mGraph.mInputs.size());
    mGraph.mInputs.push_back(value);
    return value;
}

Node* GraphEditor::addNode(NodeSpec spec, Node* before) {
    assert(!spec.source.empty());
    assert(before == nullptr || before->mGraph == &mGraph);
    auto owned = std::make_unique<Node>();
    Node* const node = owned.get();
    node->mId = mGraph.mNextNodeId++;
    node->mGraph = &mGraph;
    std::string wanted = std::move(spec.name);
    if (wanted.empty() && !spec.outputNames.empty()) {
        wanted = spec.outputNames.front();
    }
    node->mName = uniqueNodeName(wanted.empty() ? shortName(spec.op) : wanted);
    node->mOp = std::move(spec.op);
    node->mAttributes = std::move(spec.attributes);
    node->mSource = std::move(spec.source);
    node->mSettings = std::move(spec.settings);
    while (!spec.inputs.empty() && spec.inputs.back() == nullptr) {
        spec.inputs.pop_back();
    }
    node->mInputs = std::move(spec.inputs);
    for (size_t i = 0; i < node->mInputs.size(); ++i) {
        if (Value* const value = node->mInputs[i]) {
            value->mUses.push_back({node, static_cast<int32_t>(i)});
        }
    }
    for (size_t i = 0; i < spec.outputTypes.size(); ++i) {
        std::string name = i < spec.outputNames.size() ? std::move(spec.outputNames[i]) : std::string();
        if (name.empty()) {
            name = spec.outputTypes.size() == 1 ? node->mName : node->mName + "." + std::to_string(i);
        }
        Value* const value = newValue(uniqueValueName(name), std::move(spec.outputTypes[i]));
        value->mProducer = node;
        value->mIndex = static_cast<int32_t>(i);
        node->mOutputs.push_back(value);
    }
    mGraph.mNodeNames.emplace(node->mName, node);
    mGraph.mNodes.push_back(std::move(owned));
    if (before == nullptr) {
        mGraph.mOrder.push_back(node);
    } else {
        const auto place = std::find(mGraph.mOrder.begin(), mGraph.mOrder.end(), before);
        mGraph.mOrder.insert(place, node);
        mDisturbed = true; // an input may be made later than `before`
    }
    return node;
}

Value* GraphEditor::addConstant(ConstantPtr constant, std::string name, SourceSet source, Node* before) {
    NodeSpec spec;
    spec.op = "const";
    spec.name = std::move(name);
    TensorType type;
    type.dtype = constant->dtype;
    for (const int64_t extent : constant->dims) {
        type.dims.push_back(mGraph.mPool->constant(extent));
    }
    spec.outputTypes.push_back(std::move(type));
    spec.attributes.set("value", std::move(constant));
    spec.source = std::move(source);
    return addNode(std::move(spec), before)->output(0);
}

Graph* GraphEditor::addRegion(Node* node, std::string name) {
    node->mRegions.push_back(std::make_unique<Graph>(std::move(name), mGraph.mPool));
    return node->mRegions.back().get();
}

void GraphEditor::adoptRegion(Node* node, std::unique_ptr<Graph> region) {
    assert(region->mPool == mGraph.mPool);
    node->mRegions.push_back(std::move(region));
}

void GraphEditor::addOutput(Value* value) {
    mGraph.mOutputs.push_back(value);
    ++value->mOutputUses;
}

void GraphEditor::setOutput(size_t index, Value* value) {
    --mGraph.mOutputs[index]->mOutputUses;
    mGraph.mOutputs[index] = value;
    ++value->mOutputUses;
}

void GraphEditor::setInput(Node* node, size_t index, Value* value) {
    if (index >= node->mInputs.size()) {
        if (value == nullptr) {
            return;
        }
        node->mInputs.resize(index + 1, nullptr);
    }
    const Use use{node, static_cast<int32_t>(index)};
    if (Value* const old = node->mInputs[index]) {
        removeUse(old->mUses, use);
    }
    node->mInputs[index] = value;
    if (value != nullptr) {
        value->mUses.push_back(use);
        mDisturbed = true;
    }
    while (!node->mInputs.empty() && node->mInputs.back() == nullptr) {
        node->mInputs.pop_back();
    }
}

void GraphEditor::setAttribute(Node* node, std::string name, AttributeValue value) {
    node->mAttributes.set(std::move(name), std::move(value));
}

void GraphEditor::eraseAttribute(Node* node, std::string_view name) { node->mAttributes.erase(name); }

void GraphEditor::setType(Value* value, TensorType type) { value->mType = std::move(type); }

void GraphEditor::setContents(Value* value, std::optional<std::vector<DimExpr>> contents) {
    value->mContents = std::move(contents);
}

void GraphEditor::setQuantization(Value* value, std::optional<Quantization> quantization) {
    value->mQuantization = std::move(quantization);
}

void GraphEditor::renameValue(Value* value, std::string name) {
    if (value->mName == name) {
        return;
    }
    mGraph.mValueNames.erase(value->mName);
    value->mName = uniqueValueName(name);
    mGraph.mValueNames.emplace(value->mName, value);
}

void GraphEditor::renameNode(Node* node, std::string name) {
    if (node->mName == name) {
        return;
    }
    mGraph.mNodeNames.erase(node->mName);
    node->mName = uniqueNodeName(name);
    mGraph.mNodeNames.emplace(node->mName, node);
}

void GraphEditor::setSettings(Node* node, NodeSettings settings) { node->mSettings = std::move(settings); }

void GraphEditor::addSource(Node* node, const SourceSet& source) { node->mSource.merge(source); }

void GraphEditor::replaceAllUses(Value* from, Value* to) {
    if (from == to) {
        return;
    }
    Node* const producer = to->mProducer;
    // A copy: the source of `from` may grow below when its own producer reads it no more.
    const SourceSet inherited = from->mProducer != nullptr ? from->mProducer->mSource : SourceSet();
    if (producer != nullptr) {
        producer->mSource.merge(inherited);
    }
    std::vector<Use> kept;
    for (const Use& use : from->mUses) {
        if (use.node == producer) {
            kept.push_back(use);
            continue;
        }
        use.node->mInputs[static_cast<size_t>(use.index)] = to;
        to->mUses.push_back(use);
        if (producer == nullptr) {
            use.node->mSource.merge(inherited);
        }
    }
    from->mUses = std::move(kept);
    for (Value*& output : mGraph.mOutputs) {
        if (output == from) {
            output = to;
            --from->mOutputUses;
            ++to->mOutputUses;
        }
    }
    mDisturbed = true;
}

void GraphEditor::erase(Node* node) {
    for (Value* const value : node->mOutputs) {
        assert(value->mUses.empty() && value->mOutputUses == 0);
        mGraph.mValueNames.erase(value->mName);
        mGraph.mValues[static_cast<size_t>(value->mId)].reset();
    }
    for (size_t i = 0; i < node->mInputs.size(); ++i) {
        if (Value* const value = node->mInputs[i]) {
            removeUse(value->mUses, {node, static_cast<int32_t>(i)});
        }
    }
    mGraph.mOrder.erase(std::find(mGraph.mOrder.begin(), mGraph.mOrder.end(), node));
    mGraph.mNodeNames.erase(node->mName);
    mGraph.mNodes[static_cast<size_t>(node->mId)].reset();
}

int32_t GraphEditor::eraseDead(const std::function<bool(const Node&)>& mustKeep) {
    // Backwards over a topological order one sweep finds everything.
    sortTopologically();
    std::unordered_set<const Node*> dead;
    const std::vector<Node*> order = mGraph.mOrder;
    for (auto place = order.rbegin(); place != order.rend(); ++place) {
        Node* const node = *place;
        const bool read = std::any_of(node->mOutputs.begin(), node->mOutputs.end(), [](const Value* value) {
            return !value->mUses.empty() || value->mOutputUses > 0;
        });
        if (read || mustKeep(*node)) {
            continue;
        }
        dead.insert(node);
        for (size_t i = 0; i < node->mInputs.size(); ++i) {
            if (Value* const value = node->mInputs[i]) {
                removeUse(value->mUses, {node, static_cast<int32_t>(i)});
            }
        }
        node->mInputs.clear();
    }
    std::erase_if(mGraph.mOrder, [&dead](const Node* node) { return dead.count(node) != 0; });
    for (Node* const node : order) {
        if (dead.count(node) == 0) {
            continue;
        }
        for (Value* const value : node->mOutputs) {
            mGraph.mValueNames.erase(value->mName);
            mGraph.mValues[static_cast<size_t>(value->mId)].reset();
        }
        mGraph.mNodeNames.erase(node->mName);
        mGraph.mNodes[static_cast<size_t>(node->mId)].reset();
    }
    return static_cast<int32_t>(dead.size());
}

void GraphEditor::sortTopologically() {
    if (!mDisturbed) {
        return;
    }
    mDisturbed = false;
    enum class Mark : uint8_t { kUnseen, kOpen, kDone };
    std::vector<Mark> marks(static_cast<size_t>(mGraph.mNextNodeId), Mark::kUnseen);
    const auto markOf = [&marks](const Node* node) -> Mark& { return marks[static_cast<size_t>(node->mId)]; };
    std::vector<Node*> sorted;
    sorted.reserve(mGraph.mOrder.size());
    // Depth first, in the old order, so that every node comes as late as its old place and as early as its users ask.
    std::vector<std::pair<Node*, size_t>> stack; // a node and its next input
    for (Node* const root : mGraph.mOrder) {
        if (markOf(root) != Mark::kUnseen) {
            continue;
        }
        markOf(root) = Mark::kOpen;
        stack.emplace_back(root, 0);
        while (!stack.empty()) {
            auto& [node, next] = stack.back();
            if (next == node->mInputs.size()) {
                markOf(node) = Mark::kDone;
                sorted.push_back(node);
                stack.pop_back();
                continue;
            }
            const Value* const value = node->mInputs[next++];
            Node* const producer = value != nullptr ? value->mProducer : nullptr;
            // An open producer is a cycle, which the verifier reports.
            if (producer != nullptr && markOf(producer) == Mark::kUnseen) {
                markOf(producer) = Mark::kOpen;
                stack.emplace_back(producer, 0);
            }
        }
    }
    mGraph.mOrder = std::move(sorted);
}

} // namespace tenon::ir
