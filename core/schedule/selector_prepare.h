// The selection problem made ready to encode: checked, closed, merged, pruned.
//
// Who uses it: every later stage of the selector. Built once per solve and then only read.
// What it must not know: variables and tables.
#pragma once

#include "core/schedule/selection_problem.h"
#include "core/support/status.h"

#include <cstdint>
#include <utility>
#include <vector>

namespace tenon::schedule {

/// A value that crosses the boundary of a region, declared at one member.
struct RegionPort {
    int32_t value = 0;
    int32_t node = 0;
    bool output = false;
};

struct PreparedCandidate {
    int32_t id = 0;
    int32_t region = 0; ///< position in the problem
    double cost = 0.0;
    bool guarded = false; ///< appears in a no-good: it stands for itself alone
};

/// All candidates over one set of nodes, whichever regions of the problem they came from.
struct PreparedRegion {
    std::vector<int32_t> nodes; ///< ascending
    std::vector<RegionPort> ports;
    int32_t anchor = 0; ///< the member that declares most ports
    std::vector<PreparedCandidate> candidates;
    std::vector<int32_t> formats;                       ///< candidates x ports; 0 = not read, otherwise format + 1
    std::vector<std::pair<int32_t, int32_t>> treeEdges; ///< spanning tree over `nodes`
    bool mayRepeat = false; ///< two candidates may have equal formats: they differ in their no-goods

    const int32_t* formatsOf(size_t candidate) const { return formats.data() + candidate * ports.size(); }
    bool contains(int32_t node) const;
};

struct PreparedValue {
    int32_t producer = -1;
    std::vector<int32_t> consumers; ///< distinct nodes, ascending
    int32_t formatCount = 0;
    std::vector<double> direct;    ///< single conversions
    std::vector<double> closed;    ///< shortest paths
    std::vector<double> inputCost; ///< graph inputs: per format, kUnreachable if it cannot arrive so
    bool graphOutput = false;
    std::vector<int32_t> outputFormats; ///< allowed, ascending

    double conversion(int32_t from, int32_t to) const {
        return closed[static_cast<size_t>(from) * static_cast<size_t>(formatCount) + static_cast<size_t>(to)];
    }
};

struct PreparedProblem {
    const SelectionProblem* source = nullptr; ///< not owned
    int32_t nodeCount = 0;
    std::vector<PreparedValue> values;
    std::vector<PreparedRegion> regions;             ///< convex ones, ordered by nodes
    std::vector<std::vector<int32_t>> regionsOfNode; ///< ascending positions
    std::vector<std::vector<int32_t>> inputsOfNode;  ///< values read, ascending
    std::vector<std::vector<int32_t>> outputsOfNode; ///< values produced, ascending
    std::vector<std::pair<int32_t, int32_t>> edges;  ///< data and order edges between nodes, distinct, ascending
    std::vector<std::vector<int32_t>> successors;    ///< of `edges`
    std::vector<std::vector<int32_t>> noGoods;       ///< candidate ids; those that could be violated
    std::vector<int32_t> droppedRegionsOfNode;       ///< per node: regions ignored (not convex, no usable candidate)
};

/// "node 12 ('conv3')", "value 7 ('x')": how messages name things.
std::string describeNode(const SelectionProblem& problem, int32_t node);
std::string describeValue(const SelectionProblem& problem, int32_t value);

/// Fails on malformed problems. `problem` must outlive the result.
support::Result<PreparedProblem> prepareSelection(const SelectionProblem& problem);

/// Chooses the spanning trees of all regions so that they share edges wherever they can. Part of preparation.
void chooseSpanningTrees(PreparedProblem& prepared);

} // namespace tenon::schedule
