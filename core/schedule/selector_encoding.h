// Turns a prepared selection problem, or a part of it, into a cost network: the ports-and-links encoding.
//
// Variables (value 0 always means "none"):
//   P_v      format in which a value is materialised by its producer
//   D_{v,n}  format that consumer n asks of v; 0 unless n is the member that declares the port
//   L_{a,b}  per spanning-tree edge of any region: which region, with which formats on the ports below the edge, holds
//            both nodes; both ends carry it, so that all members of a region choose it together
//   S        per value with several readers: the set of formats kept (star), or one set per reader (chain)
//   N        per term of a no-good: the term holds
// Tables: one per node with a row per (region, projection on the ports below that node); the cost stands in the rows of
// the region's anchor alone. One or more per value for conversions. One per no-good.
//
// Who uses it: selector.cpp and selector_greedy.cpp. What it must not know: how the network is solved.
#pragma once

#include "core/schedule/selector_prepare.h"
#include "core/schedule/selector_tables.h"

#include <cstdint>
#include <vector>

namespace tenon::schedule {

/// One condition of a no-good: the region that covers `node` contains `contains` and not `excludes`; or, if
/// `candidate` is set, that candidate is chosen (`node` is then the anchor of its region).
struct NoGoodTerm {
    int32_t node = 0;
    int32_t contains = 0;
    int32_t excludes = 0;
    int32_t candidate = -1;

    friend bool operator==(const NoGoodTerm&, const NoGoodTerm&) = default;
};

/// Not all terms may hold.
struct NoGood {
    std::vector<NoGoodTerm> terms;

    friend bool operator==(const NoGood&, const NoGood&) = default;
};

/// A chosen candidate: positions in PreparedProblem::regions and PreparedRegion::candidates.
struct Choice {
    int32_t region = 0;
    int32_t candidate = 0;

    friend bool operator==(const Choice&, const Choice&) = default;
};

enum class SharingEncoding { kStar, kChain };

struct EncodingOptions {
    SharingEncoding sharing = SharingEncoding::kStar;
    /// If set, only these regions (by position) may be chosen; others are left out.
    const std::vector<uint8_t>* allowedRegions = nullptr;
    /// If set, per node the choice that stands (region -1: the node is open). Only open nodes are encoded; a fixed
    /// choice fixes the formats at its ports. Allowed regions must then lie within the open nodes.
    const std::vector<Choice>* fixedChoices = nullptr;
};

struct EncodedProblem {
    CostNetwork network;
    std::vector<int32_t> nodeTable;             ///< per node, position in network.tables; -1 if not encoded
    std::vector<std::vector<Choice>> rowChoice; ///< per node and row; candidate is -1 but in the anchor's rows
    std::vector<int32_t> tableNode;             ///< per table: the node it stands for, or -1
    std::vector<int32_t> tableValue;            ///< per table: the value whose conversions it holds, or -1
    bool truncated = false;                     ///< sets of formats were limited: an optimum is not proven
};

/// Per variable, roughly where in the topological order it lives.
std::vector<double> variablePositions(const PreparedProblem& prepared, const EncodedProblem& encoded);

EncodedProblem encodeSelection(const PreparedProblem& prepared, const std::vector<NoGood>& noGoods,
                               const EncodingOptions& options);

/// The choices that an assignment of all variables stands for, by smallest node.
std::vector<Choice> decodeChoices(const PreparedProblem& prepared, const EncodedProblem& encoded,
                                  const std::vector<int32_t>& assignment);

} // namespace tenon::schedule
