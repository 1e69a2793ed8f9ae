#include "core/schedule/selector_cycles.h"

#include <algorithm>
#include <deque>

namespace tenon::schedule {
namespace {

// Edges between groups, each with the node edge it comes from.
struct GroupEdge {
    int32_t to = 0;
    int32_t exit = 0;  // node in the source group
    int32_t entry = 0; // node in the target group
};

std::vector<std::vector<GroupEdge>> contract(const PreparedProblem& prepared, const std::vector<int32_t>& groupOfNode,
                                             int32_t groups) {
    std::vector<std::vector<GroupEdge>> edges(static_cast<size_t>(groups));
    for (const auto& [from, to] : prepared.edges) {
        const int32_t source = groupOfNode[static_cast<size_t>(from)];
        const int32_t target = groupOfNode[static_cast<size_t>(to)];
        if (source != target) {
            edges[static_cast<size_t>(source)].push_back({target, from, to});
        }
    }
    return edges;
}

// Marks the groups that remain when sources are peeled off: those on a cycle or behind one.
std::vector<uint8_t> remaining(const std::vector<std::vector<GroupEdge>>& edges) {
    std::vector<int32_t> incoming(edges.size(), 0);
    for (const auto& out : edges) {
        for (const GroupEdge& edge : out) {
            ++incoming[static_cast<size_t>(edge.to)];
        }
    }
    std::vector<int32_t> ready;
    std::vector<uint8_t> left(edges.size(), 1);
    for (size_t g = 0; g < edges.size(); ++g) {
        if (incoming[g] == 0) {
            ready.push_back(static_cast<int32_t>(g));
        }
    }
    while (!ready.empty()) {
        const size_t group = static_cast<size_t>(ready.back());
        ready.pop_back();
        left[group] = 0;
        for (const GroupEdge& edge : edges[group]) {
            if (--incoming[static_cast<size_t>(edge.to)] == 0) {
                ready.push_back(edge.to);
            }
        }
    }
    return left;
}

// A shortest cycle through `start`, as the edges in order; empty if there is none.
std::vector<GroupEdge> shortestCycle(const std::vector<std::vector<GroupEdge>>& edges, const std::vector<uint8_t>& left,
                                     int32_t start) {
    std::vector<int32_t> from(edges.size(), -1);
    std::vector<GroupEdge> by(edges.size());
    std::deque<int32_t> queue = {start};
    while (!queue.empty()) {
        const int32_t group = queue.front();
        queue.pop_front();
        for (const GroupEdge& edge : edges[static_cast<size_t>(group)]) {
            const size_t to = static_cast<size_t>(edge.to);
            if (left[to] == 0 || from[to] >= 0) {
                continue;
            }
            from[to] = group;
            by[to] = edge;
            if (edge.to == start) {
                std::vector<GroupEdge> cycle;
                int32_t at = start;
                do {
                    cycle.push_back(by[static_cast<size_t>(at)]);
                    at = from[static_cast<size_t>(at)];
                } while (at != start);
                std::reverse(cycle.begin(), cycle.end());
                return cycle;
            }
            queue.push_back(edge.to);
        }
    }
    return {};
}

} // namespace

bool contractionIsAcyclic(const PreparedProblem& prepared, const std::vector<int32_t>& groupOfNode, int32_t groups) {
    const std::vector<uint8_t> left = remaining(contract(prepared, groupOfNode, groups));
    return std::find(left.begin(), left.end(), 1) == left.end();
}

std::vector<NoGood> forbidCycles(const PreparedProblem& prepared, const std::vector<Choice>& choices) {
    std::vector<int32_t> groupOfNode(static_cast<size_t>(prepared.nodeCount), 0);
    for (size_t i = 0; i < choices.size(); ++i) {
        for (int32_t node : prepared.regions[static_cast<size_t>(choices[i].region)].nodes) {
            groupOfNode[static_cast<size_t>(node)] = static_cast<int32_t>(i);
        }
    }
    const auto edges = contract(prepared, groupOfNode, static_cast<int32_t>(choices.size()));
    const std::vector<uint8_t> left = remaining(edges);
    std::vector<NoGood> noGoods;
    std::vector<uint8_t> covered(choices.size(), 0);
    for (size_t start = 0; start < choices.size(); ++start) {
        if (left[start] == 0 || covered[start] != 0) {
            continue;
        }
        const std::vector<GroupEdge> cycle = shortestCycle(edges, left, static_cast<int32_t>(start));
        NoGood noGood;
        for (size_t i = 0; i < cycle.size(); ++i) {
            const GroupEdge& in = cycle[i];
            const GroupEdge& out = cycle[(i + 1) % cycle.size()];
            covered[static_cast<size_t>(in.to)] = 1;
            // The region entered at in.entry is left at out.exit, and what it enters next lies outside it.
            noGood.terms.push_back({in.entry, out.exit, out.entry, -1});
        }
        if (!noGood.terms.empty()) {
            noGoods.push_back(std::move(noGood));
        }
    }
    return noGoods;
}

} // namespace tenon::schedule
