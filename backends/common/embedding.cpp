#include "backends/common/embedding.h"

#include "backends/common/ports.h"

#include <map>

namespace tenon::kernels {

using module::GraphView;
using module::NodeView;
using module::ValueView;

namespace {

bool isTable(const NodeView& node) {
    const ValueView table = node.input(0);
    return node.op() == "gather" && table.isConstant() && table.isStatic() && table.rank() == 2 &&
           node.intOr("axis", 0) == 0 && node.hasInput(1) && node.input(1).rank() >= 1;
}

bool isNorm(const NodeView& node) {
    const int64_t axis = node.intOr("axis", -1);
    return (node.op() == "layer_norm" || node.op() == "rms_norm") && (axis == -1 || axis == node.input(0).rank() - 1);
}

} // namespace

std::optional<Embedding> readEmbedding(const GraphView& body) {
    Embedding embedding;
    std::map<int32_t, std::vector<EmbeddingAddend>> sums; // by value
    const auto take = [&](int32_t value, std::vector<EmbeddingAddend>& to) {
        if (const auto found = sums.find(value); found != sums.end()) {
            to.insert(to.end(), found->second.begin(), found->second.end());
            sums.erase(found);
            return true;
        }
        EmbeddingAddend addend;
        addend.tensor = portOf(body.inputs(), value);
        to.push_back(addend);
        return addend.tensor >= 0 && body.value(value).rank() >= 1;
    };
    bool hasTable = false;
    for (size_t n = 0; n < body.nodeCount(); ++n) {
        const NodeView node = body.node(n);
        if (embedding.norm >= 0 || node.outputCount() != 1) {
            return std::nullopt;
        }
        std::vector<EmbeddingAddend> addends;
        if (isTable(node)) {
            EmbeddingAddend addend;
            addend.table = portOf(body.inputs(), node.inputIndex(0));
            addend.indices = portOf(body.inputs(), node.inputIndex(1));
            if (addend.table < 0 || addend.indices < 0) {
                return std::nullopt;
            }
            hasTable = true;
            addends.push_back(addend);
        } else if (node.op() == "binary.add" && node.inputIndex(0) != node.inputIndex(1)) {
            if (!take(node.inputIndex(0), addends) || !take(node.inputIndex(1), addends)) {
                return std::nullopt;
            }
        } else if (isNorm(node) && sums.size() == 1 && sums.count(node.inputIndex(0)) == 1) {
            embedding.norm = static_cast<int32_t>(n);
            embedding.result = portOf(body.outputs(), node.outputIndex(0));
            for (const int32_t i : {1, 2}) {
                int32_t& port = i == 1 ? embedding.scale : embedding.bias;
                port = node.hasInput(i) ? portOf(body.inputs(), node.inputIndex(i)) : -1;
                if (node.hasInput(i) &&
                    (port < 0 || node.input(i).rank() < 1 ||
                     node.input(i).optElements() != node.input(0).dim(node.input(0).rank() - 1).opt)) {
                    return std::nullopt;
                }
            }
            continue;
        } else {
            return std::nullopt;
        }
        sums[node.outputIndex(0)] = std::move(addends);
    }
    if (sums.size() != 1 || !hasTable || (embedding.norm >= 0 && embedding.result < 0)) {
        return std::nullopt;
    }
    embedding.value = sums.begin()->first;
    embedding.addends = std::move(sums.begin()->second);
    embedding.sum = portOf(body.outputs(), embedding.value);
    const size_t results = (embedding.sum >= 0 ? 1 : 0) + (embedding.result >= 0 ? 1 : 0);
    // A single gather is an op of its own.
    const bool isRegion = embedding.norm >= 0 || embedding.addends.size() > 1;
    return isRegion && results == body.outputs().size() ? std::optional<Embedding>(std::move(embedding)) : std::nullopt;
}

} // namespace tenon::kernels
