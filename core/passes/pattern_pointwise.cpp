// pattern_pointwise: clusters of pointwise ops that one generated kernel could compute.
//
// A cluster grows from its last node towards its inputs: a pointwise node joins when all readers of its value are in the cluster, so that only the
// last node's value leaves. Such a set is convex. Every pointwise node falls into exactly one maximal cluster. Recorded are the maximal ones, and, for
// the sake of neighbours that want a share (the epilogue of a convolution takes the first nodes, a reduction may want the last one), prefixes that
// end earlier and suffixes that begin later. A quantize ends a cluster: what it rounds is compared with real numbers when a kernel is verified.
#include "core/passes/pattern_registry.h"

#include <algorithm>
#include <set>

namespace tenon::passes {

namespace {

using ir::Node;
using ir::Value;

// A generated kernel with more nodes or operands would spill.
constexpr size_t kMaxNodes = 32;
constexpr size_t kMaxInputs = 12;
constexpr size_t kMaxPrefixes = 12; // per cluster; those with the most nodes
constexpr size_t kMaxSuffixes = 4;  // per cluster; without the first 1, 2, ... nodes

class Finder {
public:
    Finder(const ir::Graph& graph, const ops::OpRegistry& ops, std::vector<Region>& regions)
        : mGraph(graph), mOps(ops), mRegions(regions), mOrder(static_cast<size_t>(graph.nodeIdEnd()), -1) {
        for (size_t i = 0; i < graph.nodes().size(); ++i) {
            const Node& node = *graph.nodes()[i];
            mOrder[static_cast<size_t>(node.id())] = isPointwise(ops, node) ? static_cast<int32_t>(i) : -1;
        }
    }

    void run() {
        std::vector<Region> maximal;
        std::set<const Node*> taken;
        // From the end, so that the first node met of a cluster is its last one.
        for (auto place = mGraph.nodes().rbegin(); place != mGraph.nodes().rend(); ++place) {
            if (orderOf(**place) < 0 || taken.count(*place) != 0) {
                continue;
            }
            const std::vector<Node*> cluster = grow(*place, nullptr);
            taken.insert(cluster.begin(), cluster.end());
            if (cluster.size() > 1) {
                maximal.push_back({"pointwise", cluster});
            }
        }
        std::reverse(maximal.begin(), maximal.end());
        for (const Region& region : maximal) {
            mRegions.push_back(region);
            addPrefixes(region.nodes);
            addSuffixes(region.nodes);
        }
    }

private:
    int32_t orderOf(const Node& node) const { return mOrder[static_cast<size_t>(node.id())]; }

    static size_t inputCount(const std::set<Node*>& members) {
        std::set<const Value*> inputs;
        for (const Node* node : members) {
            for (const Value* input : node->inputs()) {
                if (input != nullptr && members.count(input->producer()) == 0) {
                    inputs.insert(input);
                }
            }
        }
        return inputs.size();
    }

    // The cluster that ends at `last`, in topological order; within `bounds` if given.
    std::vector<Node*> grow(Node* last, const std::set<Node*>* bounds) const {
        std::set<Node*> members{last};
        // Nearest to the end first: a node is decided on after all its readers.
        std::set<std::pair<int32_t, Node*>> candidates;
        const auto addProducers = [&](const Node& node) {
            for (const Value* input : node.inputs()) {
                Node* const producer = input != nullptr ? input->producer() : nullptr;
                if (producer != nullptr && orderOf(*producer) >= 0 && producer->op() != "quantize" &&
                    (bounds == nullptr || bounds->count(producer) != 0)) {
                    candidates.emplace(-orderOf(*producer), producer);
                }
            }
        };
        addProducers(*last);
        while (!candidates.empty() && members.size() < kMaxNodes) {
            Node* const node = candidates.begin()->second;
            candidates.erase(candidates.begin());
            const Value& value = *node->output(0);
            const bool stays = !value.isGraphOutput() && !node->settings().debugOutput && !value.quantization() &&
                               std::all_of(value.uses().begin(), value.uses().end(),
                                           [&](const ir::Use& use) { return members.count(use.node) != 0; });
            if (!stays) {
                continue;
            }
            members.insert(node);
            if (inputCount(members) > kMaxInputs) {
                members.erase(node);
                continue;
            }
            addProducers(*node);
        }
        return sorted(members);
    }

    std::vector<Node*> sorted(const std::set<Node*>& members) const {
        std::vector<Node*> nodes(members.begin(), members.end());
        std::sort(nodes.begin(), nodes.end(),
                  [this](const Node* a, const Node* b) { return orderOf(*a) < orderOf(*b); });
        return nodes;
    }

    void addPrefixes(const std::vector<Node*>& cluster) {
        const std::set<Node*> bounds(cluster.begin(), cluster.end());
        std::vector<std::vector<Node*>> prefixes;
        for (size_t i = cluster.size() - 1; i-- > 0;) {
            std::vector<Node*> prefix = grow(cluster[i], &bounds);
            if (prefix.size() > 1) {
                prefixes.push_back(std::move(prefix));
            }
        }
        std::stable_sort(prefixes.begin(), prefixes.end(),
                         [](const auto& a, const auto& b) { return a.size() > b.size(); });
        prefixes.resize(std::min(prefixes.size(), kMaxPrefixes));
        for (auto& prefix : prefixes) {
            mRegions.push_back({"pointwise", std::move(prefix)});
        }
    }

    // What is left without the first nodes still has one output; its nodes hang together only if each is still read inside.
    void addSuffixes(const std::vector<Node*>& cluster) {
        for (size_t cut = 1; cut <= kMaxSuffixes && cut + 1 < cluster.size(); ++cut) {
            mRegions.push_back({"pointwise", {cluster.begin() + static_cast<std::ptrdiff_t>(cut), cluster.end()}});
        }
    }

    const ir::Graph& mGraph;
    const ops::OpRegistry& mOps;
    std::vector<Region>& mRegions;
    std::vector<int32_t> mOrder; // position in the graph of pointwise nodes by id; -1: another node
};

} // namespace

void findPointwiseChains(const ir::Graph& graph, const ops::OpRegistry& ops, std::vector<Region>& regions) {
    Finder(graph, ops, regions).run();
}

} // namespace tenon::passes
