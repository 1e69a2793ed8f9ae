#include "core/schedule/selector_prepare.h"

#include <algorithm>
#include <map>
#include <numeric>

namespace tenon::schedule {
namespace {

using Edge = std::pair<int32_t, int32_t>;

struct DisjointSets {
    std::vector<int32_t> parent;

    explicit DisjointSets(size_t count) : parent(count) { std::iota(parent.begin(), parent.end(), 0); }
    int32_t find(int32_t x) {
        while (parent[static_cast<size_t>(x)] != x) {
            int32_t& up = parent[static_cast<size_t>(x)];
            up = parent[static_cast<size_t>(up)];
            x = up;
        }
        return x;
    }
    bool join(int32_t a, int32_t b) {
        a = find(a);
        b = find(b);
        if (a == b) {
            return false;
        }
        parent[static_cast<size_t>(std::max(a, b))] = std::min(a, b);
        return true;
    }
};

int32_t positionOf(const PreparedRegion& region, int32_t node) {
    return static_cast<int32_t>(std::lower_bound(region.nodes.begin(), region.nodes.end(), node) -
                                region.nodes.begin());
}

} // namespace

// A link variable exists per tree edge that any region uses, so regions that overlap should agree on their edges. The
// edges that most regions could use are taken first. Members without a data edge between them (merged projections of
// one input) are joined next to the value that they share, and anything left over in ascending order.
void chooseSpanningTrees(PreparedProblem& prepared) {
    std::map<Edge, int32_t> popularity;
    auto dataEdges = [&](const PreparedRegion& region) {
        std::vector<Edge> edges;
        for (int32_t node : region.nodes) {
            for (int32_t value : prepared.outputsOfNode[static_cast<size_t>(node)]) {
                for (int32_t consumer : prepared.values[static_cast<size_t>(value)].consumers) {
                    if (region.contains(consumer)) {
                        edges.emplace_back(node, consumer);
                    }
                }
            }
        }
        std::sort(edges.begin(), edges.end());
        edges.erase(std::unique(edges.begin(), edges.end()), edges.end());
        return edges;
    };
    for (const PreparedRegion& region : prepared.regions) {
        if (region.nodes.size() > 1) {
            for (const Edge& edge : dataEdges(region)) {
                ++popularity[edge];
            }
        }
    }

    for (PreparedRegion& region : prepared.regions) {
        region.treeEdges.clear();
        if (region.nodes.size() < 2) {
            continue;
        }
        DisjointSets sets(region.nodes.size());
        size_t missing = region.nodes.size() - 1;
        auto take = [&](const Edge& edge) {
            if (missing > 0 && sets.join(positionOf(region, edge.first), positionOf(region, edge.second))) {
                region.treeEdges.push_back(edge);
                --missing;
            }
        };
        std::vector<Edge> edges = dataEdges(region);
        std::stable_sort(edges.begin(), edges.end(),
                         [&](const Edge& a, const Edge& b) { return popularity[a] > popularity[b]; });
        for (const Edge& edge : edges) {
            take(edge);
        }
        if (missing > 0) {
            std::vector<int32_t> shared;
            for (const RegionPort& port : region.ports) {
                if (!port.output) {
                    shared.push_back(port.value);
                }
            }
            for (int32_t value : shared) {
                int32_t previous = -1;
                for (int32_t consumer : prepared.values[static_cast<size_t>(value)].consumers) {
                    if (region.contains(consumer)) {
                        if (previous >= 0) {
                            take({previous, consumer});
                        }
                        previous = consumer;
                    }
                }
            }
        }
        for (size_t i = 1; i < region.nodes.size() && missing > 0; ++i) {
            take({region.nodes[i - 1], region.nodes[i]});
        }
        std::sort(region.treeEdges.begin(), region.treeEdges.end());
    }
}

} // namespace tenon::schedule
