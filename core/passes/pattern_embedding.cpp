// pattern_embedding: rows of constant tables picked by index and added up, with the norm of the sum where one follows.
//
//   sum    gather(table, indices) + gather(table, indices) + ..., and tensors of as many elements per row, as positions are
//   norm   layer or RMS norm over the last dimension; the sum leaves too where others read it
//
// Recorded are the sum alone, where it has two addends or more, and the sum with the norm.
#include "core/passes/formula.h"
#include "core/passes/pattern_registry.h"
#include "core/passes/rewriter.h"

#include <algorithm>

namespace tenon::passes {

namespace {

using ir::Node;
using ir::Value;

constexpr size_t kMostAddends = 4;

class Finder {
public:
    Finder(const ir::Graph& graph, std::vector<Region>& regions) : mGraph(graph), mRegions(regions) {}

    void run() {
        for (Node* node : mGraph.nodes()) {
            const Value& value = *node->output(0);
            if (!isGather(*node) && !isSum(*node)) {
                continue;
            }
            Node* const only = value.uses().size() == 1 ? value.uses()[0].node : nullptr;
            if (only != nullptr && isSum(*only) && isInner(value)) {
                continue; // not the last sum
            }
            record(*node);
        }
    }

private:
    // Whole rows of a matrix of constants.
    static bool isGather(const Node& node) {
        const Value* const table = node.op() == "gather" ? node.input(0) : nullptr;
        return table != nullptr && table->constant() != nullptr && table->type().rank() == 2 &&
               ir::isFloat(table->type().dtype) && node.attributes().intOr("axis", 0) == 0 &&
               node.input(1)->constant() == nullptr && node.input(1)->type().rank() >= 1;
    }
    static bool isSum(const Node& node) {
        return node.op() == "binary.add" && node.output(0)->type().rank() >= 2 &&
               ir::isFloat(node.output(0)->type().dtype);
    }
    static bool isInner(const Value& value) {
        return !value.isGraphOutput() && !value.quantization() && !value.contents() &&
               !value.producer()->settings().debugOutput;
    }

    struct Sum {
        std::vector<Node*> nodes;
        size_t addends = 0;
        size_t gathers = 0;
    };

    // What the value adds up; a value that is neither sum nor gather, or that others read too, is an addend of its own.
    bool collect(Value& value, bool isRoot, const Value& root, Sum& sum) const {
        Node* const producer = value.producer();
        const bool isOwn = isRoot || (producer != nullptr && isPrivate(value) && isInner(value));
        if (producer != nullptr && isOwn && isGather(*producer)) {
            sum.nodes.push_back(producer);
            ++sum.gathers;
            return ++sum.addends <= kMostAddends;
        }
        if (producer != nullptr && isOwn && isSum(*producer) && producer->input(0) != producer->input(1)) {
            if (!collect(*producer->input(0), false, root, sum) || !collect(*producer->input(1), false, root, sum)) {
                return false;
            }
            sum.nodes.push_back(producer);
            return true;
        }
        const ir::TensorType& type = value.type();
        return !isRoot && type.rank() >= 1 && type.rank() <= root.type().rank() && type.dtype == root.type().dtype &&
               mGraph.pool().provablyEqual(type.dims.back(), root.type().dims.back()) && ++sum.addends <= kMostAddends;
    }

    void record(Node& root) {
        Value& value = *root.output(0);
        Sum sum;
        if (!collect(value, true, value, sum) || sum.gathers == 0) {
            return;
        }
        if (sum.addends > 1) {
            mRegions.push_back({"embedding", sum.nodes});
        }
        if (value.quantization() || root.settings().debugOutput) {
            return;
        }
        for (const ir::Use& use : value.uses()) {
            Node* const norm = use.node;
            const bool isNorm = norm->op() == "layer_norm" || norm->op() == "rms_norm";
            const int64_t axis = norm->attributes().intOr("axis", -1);
            const bool constants =
                std::all_of(norm->inputs().begin() + 1, norm->inputs().end(),
                            [](const Value* input) { return input == nullptr || input->constant() != nullptr; });
            if (isNorm && use.index == 0 && constants && (axis == -1 || axis == value.type().rank() - 1)) {
                Region region{"embedding+" + norm->op(), sum.nodes};
                region.nodes.push_back(norm);
                mRegions.push_back(std::move(region));
            }
        }
    }

    const ir::Graph& mGraph;
    std::vector<Region>& mRegions;
};

} // namespace

void findEmbeddings(const ir::Graph& graph, const ops::OpRegistry&, std::vector<Region>& regions) {
    Finder(graph, regions).run();
}

} // namespace tenon::passes
