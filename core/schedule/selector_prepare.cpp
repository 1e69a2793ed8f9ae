#include "core/schedule/selector_prepare.h"

#include "core/schedule/selector_conversions.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>
#include <set>

namespace tenon::schedule {
namespace {

using support::cat;
using support::invalidArgument;
using support::okStatus;
using support::Status;

constexpr int32_t kMaxFormats = 64;         // a set of formats is a 64-bit mask
constexpr size_t kMaxDominanceScan = 4'000; // pairwise; regions with more signatures keep them all

std::string named(const char* kind, int32_t id, const std::string& name) {
    return name.empty() ? cat(kind, " ", id) : cat(kind, " ", id, " ('", name, "')");
}

Status prepareValues(const SelectionProblem& problem, PreparedProblem& prepared) {
    const size_t nodeCount = static_cast<size_t>(problem.nodeCount);
    prepared.inputsOfNode.resize(nodeCount);
    prepared.outputsOfNode.resize(nodeCount);
    prepared.values.resize(problem.values.size());
    for (size_t v = 0; v < problem.values.size(); ++v) {
        const SelectionValue& from = problem.values[v];
        PreparedValue& value = prepared.values[v];
        const int32_t id = static_cast<int32_t>(v);
        const std::string who = describeValue(problem, id);
        if (from.producer < -1 || from.producer >= problem.nodeCount) {
            return invalidArgument(who, ": producer ", from.producer, " is not a node (0 to ", problem.nodeCount - 1,
                                   ") nor -1 for a graph input");
        }
        if (from.formatCount < 1 || from.formatCount > kMaxFormats) {
            return invalidArgument(who, ": has ", from.formatCount, " format keys; 1 to ", kMaxFormats,
                                   " are possible. Intern only the keys that candidates or graph ends use");
        }
        value.producer = from.producer;
        value.formatCount = from.formatCount;
        value.graphOutput = from.graphOutput;
        const size_t cells = static_cast<size_t>(from.formatCount) * static_cast<size_t>(from.formatCount);
        if (!from.conversionCosts.empty() && from.conversionCosts.size() != cells) {
            return invalidArgument(who, ": conversion matrix has ", from.conversionCosts.size(), " entries, expected ",
                                   cells, " (formats squared)");
        }
        for (double cost : from.conversionCosts) {
            if (!(cost >= 0.0)) {
                return invalidArgument(who, ": conversion cost ", cost, " is negative or not a number");
            }
        }
        value.direct = from.conversionCosts;
        value.direct.resize(cells, kUnreachable);
        value.closed = closeConversions(from.formatCount, value.direct);
        for (const ValueUse& use : from.uses) {
            if (use.node < 0 || use.node >= problem.nodeCount) {
                return invalidArgument(who, ": is used by ", use.node, ", which is not a node");
            }
            if (from.producer >= use.node) {
                return invalidArgument(who, ": producer ", from.producer, " does not come before its consumer ",
                                       use.node, "; number the nodes in topological order");
            }
            value.consumers.push_back(use.node);
        }
        std::sort(value.consumers.begin(), value.consumers.end());
        value.consumers.erase(std::unique(value.consumers.begin(), value.consumers.end()), value.consumers.end());
        for (int32_t consumer : value.consumers) {
            prepared.inputsOfNode[static_cast<size_t>(consumer)].push_back(id);
        }
        if (from.producer >= 0) {
            prepared.outputsOfNode[static_cast<size_t>(from.producer)].push_back(id);
        } else {
            value.inputCost.assign(static_cast<size_t>(from.formatCount), kUnreachable);
            for (const FormatCost& option : from.inputFormats) {
                if (option.format < 0 || option.format >= from.formatCount || std::isnan(option.cost)) {
                    return invalidArgument(who, ": input format ", option.format, " with cost ", option.cost,
                                           " is not one of its ", from.formatCount, " formats with a cost");
                }
                double& cost = value.inputCost[static_cast<size_t>(option.format)];
                cost = std::min(cost, option.cost);
            }
            if ((from.graphOutput || !value.consumers.empty()) &&
                std::all_of(value.inputCost.begin(), value.inputCost.end(),
                            [](double cost) { return cost == kUnreachable; })) {
                return invalidArgument(who, ": is a graph input that is used but may arrive in no format");
            }
        }
        if (from.graphOutput) {
            value.outputFormats = from.outputFormats;
            if (value.outputFormats.empty()) {
                for (int32_t f = 0; f < from.formatCount; ++f) {
                    value.outputFormats.push_back(f);
                }
            }
            std::sort(value.outputFormats.begin(), value.outputFormats.end());
            value.outputFormats.erase(std::unique(value.outputFormats.begin(), value.outputFormats.end()),
                                      value.outputFormats.end());
            if (value.outputFormats.front() < 0 || value.outputFormats.back() >= from.formatCount) {
                return invalidArgument(who, ": an allowed output format is not one of its ", from.formatCount,
                                       " formats");
            }
        }
    }
    return okStatus();
}

Status prepareEdges(const SelectionProblem& problem, PreparedProblem& prepared) {
    for (const PreparedValue& value : prepared.values) {
        if (value.producer >= 0) {
            for (int32_t consumer : value.consumers) {
                prepared.edges.emplace_back(value.producer, consumer);
            }
        }
    }
    for (const auto& [first, second] : problem.orderEdges) {
        if (first < 0 || second >= problem.nodeCount || first >= second) {
            return invalidArgument("order edge ", first, " -> ", second,
                                   " does not follow the topological numbering of ", problem.nodeCount, " nodes");
        }
        prepared.edges.emplace_back(first, second);
    }
    std::sort(prepared.edges.begin(), prepared.edges.end());
    prepared.edges.erase(std::unique(prepared.edges.begin(), prepared.edges.end()), prepared.edges.end());
    prepared.successors.resize(static_cast<size_t>(problem.nodeCount));
    for (const auto& [from, to] : prepared.edges) {
        prepared.successors[static_cast<size_t>(from)].push_back(to);
    }
    return okStatus();
}

// No path leaves the region and comes back: walk from the outside successors, never past the last member.
class ConvexityCheck {
public:
    explicit ConvexityCheck(const PreparedProblem& prepared)
        : mPrepared(prepared), mMark(static_cast<size_t>(prepared.nodeCount), 0) {}

    bool convex(const PreparedRegion& region) {
        ++mStamp;
        const int32_t last = region.nodes.back();
        mStack.clear();
        for (int32_t node : region.nodes) {
            for (int32_t next : mPrepared.successors[static_cast<size_t>(node)]) {
                if (next < last && !region.contains(next)) {
                    push(next);
                }
            }
        }
        while (!mStack.empty()) {
            const int32_t node = mStack.back();
            mStack.pop_back();
            for (int32_t next : mPrepared.successors[static_cast<size_t>(node)]) {
                if (next > last) {
                    continue;
                }
                if (region.contains(next)) {
                    return false;
                }
                push(next);
            }
        }
        return true;
    }

private:
    void push(int32_t node) {
        if (mMark[static_cast<size_t>(node)] != mStamp) {
            mMark[static_cast<size_t>(node)] = mStamp;
            mStack.push_back(node);
        }
    }

    const PreparedProblem& mPrepared;
    std::vector<int32_t> mMark;
    std::vector<int32_t> mStack;
    int32_t mStamp = 0;
};

void derivePorts(const PreparedProblem& prepared, PreparedRegion& region) {
    std::map<int32_t, int32_t> readers; // value to first member that reads it
    for (int32_t node : region.nodes) {
        for (int32_t value : prepared.inputsOfNode[static_cast<size_t>(node)]) {
            const int32_t producer = prepared.values[static_cast<size_t>(value)].producer;
            if (producer < 0 || !region.contains(producer)) {
                readers.emplace(value, node);
            }
        }
    }
    for (const auto& [value, node] : readers) {
        region.ports.push_back({value, node, false});
    }
    for (int32_t node : region.nodes) {
        for (int32_t id : prepared.outputsOfNode[static_cast<size_t>(node)]) {
            const PreparedValue& value = prepared.values[static_cast<size_t>(id)];
            if (value.graphOutput || std::any_of(value.consumers.begin(), value.consumers.end(),
                                                 [&](int32_t consumer) { return !region.contains(consumer); })) {
                region.ports.push_back({id, node, true});
            }
        }
    }
    std::map<int32_t, int32_t> declared;
    for (const RegionPort& port : region.ports) {
        ++declared[port.node];
    }
    region.anchor = region.nodes.front();
    int32_t most = 0;
    for (const auto& [node, count] : declared) {
        if (count > most) {
            most = count;
            region.anchor = node;
        }
    }
}

Status readFormats(const SelectionProblem& problem, const PreparedRegion& region, const SelectionRegion& from,
                   const SelectionCandidate& candidate, std::vector<int32_t>& formats) {
    for (const RegionPort& port : region.ports) {
        const std::vector<PortFormat>& ports = port.output ? candidate.outputs : candidate.inputs;
        const char* kind = port.output ? "output" : "input";
        auto it = std::find_if(ports.begin(), ports.end(),
                               [&](const PortFormat& entry) { return entry.value == port.value; });
        if (it == ports.end()) {
            return invalidArgument("candidate ", candidate.id, " of region ", from.id, ": gives no format for its ",
                                   kind, " ", describeValue(problem, port.value));
        }
        const int32_t count = problem.values[static_cast<size_t>(port.value)].formatCount;
        const bool notRead = !port.output && it->format == kNotRead;
        if (!notRead && (it->format < 0 || it->format >= count)) {
            return invalidArgument("candidate ", candidate.id, " of region ", from.id, ": format ", it->format,
                                   " of its ", kind, " ", describeValue(problem, port.value), " is not one of its ",
                                   count, " formats");
        }
        formats.push_back(notRead ? 0 : it->format + 1);
    }
    for (const PortFormat& entry : candidate.inputs) {
        if (std::none_of(region.ports.begin(), region.ports.end(),
                         [&](const RegionPort& port) { return !port.output && port.value == entry.value; })) {
            return invalidArgument("candidate ", candidate.id, " of region ", from.id, ": names input value ",
                                   entry.value, ", which the region does not read from outside");
        }
    }
    return okStatus();
}

// What it costs at most to stand `by` in for a candidate at the boundary: conversions there and back.
double replacementCost(const PreparedProblem& prepared, const PreparedRegion& region, const int32_t* original,
                       const int32_t* by, double limit) {
    double cost = 0.0;
    for (size_t p = 0; p < region.ports.size() && cost <= limit; ++p) {
        if (original[p] == by[p] || by[p] == 0) {
            continue;
        }
        if (original[p] == 0) {
            return kUnreachable;
        }
        const PreparedValue& value = prepared.values[static_cast<size_t>(region.ports[p].value)];
        cost += region.ports[p].output ? value.conversion(by[p] - 1, original[p] - 1)
                                       : value.conversion(original[p] - 1, by[p] - 1);
    }
    return cost;
}

// Keeps the candidates that no other one of the region can replace at the same cost or less; of equal ones the smaller
// id. Candidates in no-goods may be replaced but replace nothing themselves: they might not be available.
void dropDominated(const PreparedProblem& prepared, PreparedRegion& region) {
    const size_t count = region.candidates.size();
    const size_t ports = region.ports.size();
    std::vector<int32_t> order(count);
    std::iota(order.begin(), order.end(), 0);
    std::sort(order.begin(), order.end(), [&](int32_t a, int32_t b) {
        const PreparedCandidate& one = region.candidates[static_cast<size_t>(a)];
        const PreparedCandidate& other = region.candidates[static_cast<size_t>(b)];
        return one.cost != other.cost ? one.cost < other.cost : one.id < other.id;
    });
    std::vector<int32_t> kept;
    for (int32_t index : order) {
        const PreparedCandidate& candidate = region.candidates[static_cast<size_t>(index)];
        const int32_t* formats = region.formatsOf(static_cast<size_t>(index));
        const size_t scanned = std::min(kept.size(), kMaxDominanceScan);
        const bool dominated =
            std::any_of(kept.begin(), kept.begin() + static_cast<std::ptrdiff_t>(scanned), [&](int32_t better) {
                const PreparedCandidate& by = region.candidates[static_cast<size_t>(better)];
                const double room = candidate.cost - by.cost;
                return !by.guarded && replacementCost(prepared, region, formats,
                                                      region.formatsOf(static_cast<size_t>(better)), room) <= room;
            });
        if (!dominated) {
            kept.push_back(index);
            region.mayRepeat = region.mayRepeat || candidate.guarded;
        }
    }
    region.mayRepeat = region.mayRepeat || kept.size() > kMaxDominanceScan;
    std::sort(kept.begin(), kept.end(), [&](int32_t a, int32_t b) {
        return region.candidates[static_cast<size_t>(a)].id < region.candidates[static_cast<size_t>(b)].id;
    });
    std::vector<PreparedCandidate> candidates;
    std::vector<int32_t> formats;
    candidates.reserve(kept.size());
    formats.reserve(kept.size() * ports);
    for (int32_t index : kept) {
        const int32_t* row = region.formatsOf(static_cast<size_t>(index));
        candidates.push_back(region.candidates[static_cast<size_t>(index)]);
        formats.insert(formats.end(), row, row + ports);
    }
    region.candidates = std::move(candidates);
    region.formats = std::move(formats);
}

// Which candidates stand in no-goods, and which are forbidden outright. Sorted ids.
struct GuardedIds {
    std::vector<int32_t> guarded;
    std::vector<int32_t> forbidden;
};

bool holdsId(const std::vector<int32_t>& sorted, int32_t id) {
    return !sorted.empty() && std::binary_search(sorted.begin(), sorted.end(), id);
}

Status readNoGoods(const SelectionProblem& problem, GuardedIds& ids) {
    for (const std::vector<int32_t>& noGood : problem.noGoods) {
        const std::set<int32_t> distinct(noGood.begin(), noGood.end());
        if (distinct.empty()) {
            return invalidArgument("an empty no-good forbids every plan; name at least one candidate");
        }
        std::vector<int32_t>& target = distinct.size() == 1 ? ids.forbidden : ids.guarded;
        target.insert(target.end(), distinct.begin(), distinct.end());
    }
    for (std::vector<int32_t>* list : {&ids.guarded, &ids.forbidden}) {
        std::sort(list->begin(), list->end());
        list->erase(std::unique(list->begin(), list->end()), list->end());
    }
    return okStatus();
}

Status checkUnique(std::vector<int32_t>& ids, const char* kind) {
    std::sort(ids.begin(), ids.end());
    const auto twice = std::adjacent_find(ids.begin(), ids.end());
    return twice == ids.end() ? okStatus() : invalidArgument(kind, " id ", *twice, " is used twice");
}

// Keeps the no-goods that a plan could violate: over candidates that are still there and share no node.
Status keepNoGoods(const SelectionProblem& problem, const std::vector<int32_t>& candidateIds,
                   PreparedProblem& prepared) {
    std::map<int32_t, int32_t> keptIn; // guarded candidates alone
    for (size_t r = 0; r < prepared.regions.size(); ++r) {
        for (const PreparedCandidate& candidate : prepared.regions[r].candidates) {
            if (candidate.guarded) {
                keptIn[candidate.id] = static_cast<int32_t>(r);
            }
        }
    }
    for (const std::vector<int32_t>& noGood : problem.noGoods) {
        const std::set<int32_t> ids(noGood.begin(), noGood.end());
        std::set<int32_t> taken;
        bool possible = ids.size() > 1;
        for (int32_t id : ids) {
            if (!holdsId(candidateIds, id)) {
                return invalidArgument("a no-good names candidate ", id, ", which no region has");
            }
            const auto it = keptIn.find(id);
            if (it == keptIn.end()) {
                possible = false;
                continue;
            }
            for (int32_t node : prepared.regions[static_cast<size_t>(it->second)].nodes) {
                possible = taken.insert(node).second && possible;
            }
        }
        if (possible) {
            prepared.noGoods.emplace_back(ids.begin(), ids.end());
        }
    }
    return okStatus();
}

Status prepareRegions(const SelectionProblem& problem, PreparedProblem& prepared) {
    GuardedIds ids;
    TN_RETURN_IF_ERROR(readNoGoods(problem, ids));
    std::map<std::vector<int32_t>, PreparedRegion> byNodes;
    std::vector<int32_t> regionIds;
    std::vector<int32_t> candidateIds;
    for (size_t r = 0; r < problem.regions.size(); ++r) {
        const SelectionRegion& from = problem.regions[r];
        std::vector<int32_t> nodes = from.nodes;
        std::sort(nodes.begin(), nodes.end());
        nodes.erase(std::unique(nodes.begin(), nodes.end()), nodes.end());
        if (nodes.empty() || nodes.front() < 0 || nodes.back() >= problem.nodeCount) {
            return invalidArgument("region ", from.id, ": has no nodes, or one outside 0 to ", problem.nodeCount - 1);
        }
        regionIds.push_back(from.id);
        auto [it, isNew] = byNodes.try_emplace(nodes);
        PreparedRegion& region = it->second;
        if (isNew) {
            region.nodes = nodes;
            derivePorts(prepared, region);
        }
        region.formats.reserve(region.formats.size() + from.candidates.size() * region.ports.size());
        region.candidates.reserve(region.candidates.size() + from.candidates.size());
        for (const SelectionCandidate& candidate : from.candidates) {
            candidateIds.push_back(candidate.id);
            if (std::isnan(candidate.cost) || candidate.cost == -kUnreachable) {
                return invalidArgument("candidate ", candidate.id, " of region ", from.id, ": cost is not a number");
            }
            const size_t before = region.formats.size();
            TN_RETURN_IF_ERROR(readFormats(problem, region, from, candidate, region.formats));
            if (candidate.cost == kUnreachable || holdsId(ids.forbidden, candidate.id)) {
                region.formats.resize(before);
                continue;
            }
            region.candidates.push_back(
                {candidate.id, static_cast<int32_t>(r), candidate.cost, holdsId(ids.guarded, candidate.id)});
        }
    }
    TN_RETURN_IF_ERROR(checkUnique(regionIds, "region"));
    TN_RETURN_IF_ERROR(checkUnique(candidateIds, "candidate"));

    ConvexityCheck check(prepared);
    prepared.regionsOfNode.resize(static_cast<size_t>(problem.nodeCount));
    prepared.droppedRegionsOfNode.assign(static_cast<size_t>(problem.nodeCount), 0);
    prepared.regions.reserve(byNodes.size());
    for (auto& [nodes, region] : byNodes) {
        if (region.candidates.empty() || !check.convex(region)) {
            for (int32_t node : nodes) {
                ++prepared.droppedRegionsOfNode[static_cast<size_t>(node)];
            }
            continue;
        }
        dropDominated(prepared, region);
        const int32_t position = static_cast<int32_t>(prepared.regions.size());
        for (int32_t node : nodes) {
            prepared.regionsOfNode[static_cast<size_t>(node)].push_back(position);
        }
        prepared.regions.push_back(std::move(region));
    }
    return keepNoGoods(problem, candidateIds, prepared);
}

} // namespace

bool PreparedRegion::contains(int32_t node) const { return std::binary_search(nodes.begin(), nodes.end(), node); }

std::string describeNode(const SelectionProblem& problem, int32_t node) {
    const size_t i = static_cast<size_t>(node);
    return named("node", node, i < problem.nodeNames.size() ? problem.nodeNames[i] : std::string());
}

std::string describeValue(const SelectionProblem& problem, int32_t value) {
    return named("value", value, problem.values[static_cast<size_t>(value)].name);
}

support::Result<PreparedProblem> prepareSelection(const SelectionProblem& problem) {
    PreparedProblem prepared;
    prepared.source = &problem;
    prepared.nodeCount = problem.nodeCount;
    if (problem.nodeCount < 0) {
        return invalidArgument("a selection problem cannot have ", problem.nodeCount, " nodes");
    }
    TN_RETURN_IF_ERROR(prepareValues(problem, prepared));
    TN_RETURN_IF_ERROR(prepareEdges(problem, prepared));
    TN_RETURN_IF_ERROR(prepareRegions(problem, prepared));
    chooseSpanningTrees(prepared);
    return prepared;
}

} // namespace tenon::schedule
