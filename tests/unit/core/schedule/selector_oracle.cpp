#include "tests/unit/core/schedule/selector_oracle.h"

#include "core/support/text.h"
#include "tests/unit/core/schedule/selector_networks.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

namespace tenon::schedule::testing {
namespace {

using support::cat;

const SelectionRegion* findRegion(const SelectionProblem& problem, int32_t id) {
    for (const SelectionRegion& region : problem.regions) {
        if (region.id == id) {
            return &region;
        }
    }
    return nullptr;
}

const SelectionCandidate* findCandidate(const SelectionRegion& region, int32_t id) {
    for (const SelectionCandidate& candidate : region.candidates) {
        if (candidate.id == id) {
            return &candidate;
        }
    }
    return nullptr;
}

int32_t formatOf(const std::vector<PortFormat>& ports, int32_t value) {
    for (const PortFormat& port : ports) {
        if (port.value == value) {
            return port.format;
        }
    }
    return -2;
}

// Repeatedly removes groups without incoming edges from the rest.
bool acyclic(const SelectionProblem& problem, const std::vector<int32_t>& groupOfNode, int32_t groups) {
    std::set<std::pair<int32_t, int32_t>> edges;
    auto add = [&](int32_t from, int32_t to) {
        const int32_t a = groupOfNode[static_cast<size_t>(from)];
        const int32_t b = groupOfNode[static_cast<size_t>(to)];
        if (a != b) {
            edges.emplace(a, b);
        }
    };
    for (const SelectionValue& value : problem.values) {
        for (const ValueUse& use : value.uses) {
            if (value.producer >= 0) {
                add(value.producer, use.node);
            }
        }
    }
    for (const auto& [from, to] : problem.orderEdges) {
        add(from, to);
    }
    std::vector<bool> gone(static_cast<size_t>(groups), false);
    for (int32_t left = groups; left > 0;) {
        const int32_t before = left;
        for (int32_t group = 0; group < groups; ++group) {
            if (gone[static_cast<size_t>(group)]) {
                continue;
            }
            const bool entered = std::any_of(edges.begin(), edges.end(), [&](const auto& edge) {
                return edge.second == group && !gone[static_cast<size_t>(edge.first)];
            });
            if (!entered) {
                gone[static_cast<size_t>(group)] = true;
                --left;
            }
        }
        if (left == before) {
            return false;
        }
    }
    return true;
}

double directCost(const SelectionValue& value, int32_t from, int32_t to) {
    if (value.conversionCosts.empty()) {
        return kUnreachable;
    }
    return value.conversionCosts[static_cast<size_t>(from * value.formatCount + to)];
}

// Cheapest way to have all `targets` (a mask) from `root`: every set of formats, every choice of sources.
double bruteSteiner(const SelectionValue& value, int32_t root, uint32_t targets) {
    const int32_t count = value.formatCount;
    double best = kUnreachable;
    for (uint32_t made = 0; made < (1u << count); ++made) {
        if ((made >> root & 1) == 0 || (made & targets) != targets) {
            continue;
        }
        std::vector<int32_t> members;
        for (int32_t f = 0; f < count; ++f) {
            if (f != root && (made >> f & 1) != 0) {
                members.push_back(f);
            }
        }
        std::vector<int32_t> source(members.size(), 0);
        while (true) {
            double cost = 0.0;
            uint32_t reached = 1u << root;
            for (size_t pass = 0; pass <= members.size(); ++pass) {
                for (size_t i = 0; i < members.size(); ++i) {
                    if ((reached >> source[i] & 1) != 0) {
                        reached |= 1u << members[i];
                    }
                }
            }
            for (size_t i = 0; i < members.size(); ++i) {
                cost += source[i] == members[i] ? kUnreachable : directCost(value, source[i], members[i]);
            }
            if (reached == made) {
                best = std::min(best, cost);
            }
            size_t i = 0;
            while (i < source.size() && ++source[i] == count) {
                source[i++] = 0;
            }
            if (i == source.size()) {
                break;
            }
        }
    }
    return best;
}

class BruteForce {
public:
    explicit BruteForce(const SelectionProblem& problem)
        : mProblem(problem), mGroup(static_cast<size_t>(problem.nodeCount), -1) {}

    double run() {
        cover();
        return mBest;
    }

private:
    void cover() {
        const auto open = std::find(mGroup.begin(), mGroup.end(), -1);
        if (open == mGroup.end()) {
            if (acyclic(mProblem, mGroup, static_cast<int32_t>(mRegions.size()))) {
                mCandidates.clear();
                choose(0.0);
            }
            return;
        }
        const int32_t node = static_cast<int32_t>(open - mGroup.begin());
        for (const SelectionRegion& region : mProblem.regions) {
            const std::set<int32_t> nodes(region.nodes.begin(), region.nodes.end());
            const bool fits = nodes.contains(node) && std::all_of(nodes.begin(), nodes.end(), [&](int32_t member) {
                                  return mGroup[static_cast<size_t>(member)] < 0;
                              });
            if (!fits) {
                continue;
            }
            for (int32_t member : nodes) {
                mGroup[static_cast<size_t>(member)] = static_cast<int32_t>(mRegions.size());
            }
            mRegions.push_back(&region);
            cover();
            mRegions.pop_back();
            for (int32_t member : nodes) {
                mGroup[static_cast<size_t>(member)] = -1;
            }
        }
    }

    void choose(double cost) {
        if (mCandidates.size() == mRegions.size()) {
            finish(cost);
            return;
        }
        for (const SelectionCandidate& candidate : mRegions[mCandidates.size()]->candidates) {
            mCandidates.push_back(&candidate);
            choose(cost + candidate.cost);
            mCandidates.pop_back();
        }
    }

    void finish(double cost) {
        for (const std::vector<int32_t>& noGood : mProblem.noGoods) {
            const bool all = std::all_of(noGood.begin(), noGood.end(), [&](int32_t id) {
                return std::any_of(mCandidates.begin(), mCandidates.end(),
                                   [&](const SelectionCandidate* candidate) { return candidate->id == id; });
            });
            if (all) {
                return;
            }
        }
        for (size_t v = 0; v < mProblem.values.size() && cost < mBest; ++v) {
            cost += valueCost(static_cast<int32_t>(v));
        }
        mBest = std::min(mBest, cost);
    }

    double valueCost(int32_t id) {
        const SelectionValue& value = mProblem.values[static_cast<size_t>(id)];
        const int32_t home = value.producer < 0 ? -1 : mGroup[static_cast<size_t>(value.producer)];
        uint32_t targets = 0;
        bool crosses = value.graphOutput;
        bool read = value.graphOutput;
        for (const ValueUse& use : value.uses) {
            const int32_t group = mGroup[static_cast<size_t>(use.node)];
            if (group == home) {
                continue;
            }
            crosses = true;
            const int32_t format = formatOf(mCandidates[static_cast<size_t>(group)]->inputs, id);
            if (format >= 0) {
                targets |= 1u << format;
                read = true;
            }
        }
        if (!crosses || (home < 0 && !read)) {
            return 0.0;
        }
        std::vector<FormatCost> sources = value.inputFormats;
        if (home >= 0) {
            sources = {{formatOf(mCandidates[static_cast<size_t>(home)]->outputs, id), 0.0}};
        }
        std::vector<int32_t> ends = value.outputFormats;
        if (value.graphOutput && ends.empty()) {
            for (int32_t f = 0; f < value.formatCount; ++f) {
                ends.push_back(f);
            }
        }
        double best = kUnreachable;
        for (const FormatCost& source : sources) {
            if (!value.graphOutput) {
                best = std::min(best, source.cost + steiner(id, source.format, targets));
            }
            for (int32_t end : value.graphOutput ? ends : std::vector<int32_t>{}) {
                best = std::min(best, source.cost + steiner(id, source.format, targets | 1u << end));
            }
        }
        return best;
    }

    double steiner(int32_t id, int32_t root, uint32_t targets) {
        const auto [it, isNew] = mSteiner.try_emplace({id, root, targets}, 0.0);
        if (isNew) {
            it->second = bruteSteiner(mProblem.values[static_cast<size_t>(id)], root, targets);
        }
        return it->second;
    }

    const SelectionProblem& mProblem;
    std::vector<int32_t> mGroup;
    std::vector<const SelectionRegion*> mRegions;
    std::vector<const SelectionCandidate*> mCandidates;
    std::map<std::tuple<int32_t, int32_t, uint32_t>, double> mSteiner;
    double mBest = kUnreachable;
};

} // namespace

std::string checkSelection(const SelectionProblem& problem, const Selection& selection) {
    std::vector<int32_t> group(static_cast<size_t>(problem.nodeCount), -1);
    std::vector<const SelectionCandidate*> candidates;
    std::set<int32_t> ids;
    double total = 0.0;
    for (size_t i = 0; i < selection.chosen.size(); ++i) {
        const SelectionRegion* region = findRegion(problem, selection.chosen[i].region);
        const SelectionCandidate* candidate =
            region == nullptr ? nullptr : findCandidate(*region, selection.chosen[i].candidate);
        if (candidate == nullptr) {
            return cat("chosen ", i, " names no candidate of its region");
        }
        candidates.push_back(candidate);
        ids.insert(candidate->id);
        total += candidate->cost;
        for (int32_t node : std::set<int32_t>(region->nodes.begin(), region->nodes.end())) {
            if (group[static_cast<size_t>(node)] >= 0) {
                return cat("node ", node, " is covered twice");
            }
            group[static_cast<size_t>(node)] = static_cast<int32_t>(i);
        }
    }
    for (size_t node = 0; node < group.size(); ++node) {
        if (group[node] < 0) {
            return cat("node ", node, " is not covered");
        }
    }
    if (group != selection.regionOfNode) {
        return "regionOfNode does not say what covers the nodes";
    }
    if (!acyclic(problem, group, static_cast<int32_t>(candidates.size()))) {
        return "the contracted graph has a cycle";
    }
    for (const std::vector<int32_t>& noGood : problem.noGoods) {
        if (std::all_of(noGood.begin(), noGood.end(), [&](int32_t id) { return ids.contains(id); })) {
            return "a no-good is violated";
        }
    }
    std::map<int32_t, const MaterialisedValue*> plans;
    for (const MaterialisedValue& plan : selection.values) {
        plans[plan.value] = &plan;
    }
    for (size_t v = 0; v < problem.values.size(); ++v) {
        const SelectionValue& value = problem.values[v];
        const int32_t id = static_cast<int32_t>(v);
        const int32_t home = value.producer < 0 ? -1 : group[static_cast<size_t>(value.producer)];
        std::set<int32_t> wanted;
        std::set<std::pair<int32_t, int32_t>> reads;
        bool crosses = value.graphOutput;
        for (const ValueUse& use : value.uses) {
            const int32_t reader = group[static_cast<size_t>(use.node)];
            if (reader == home) {
                continue;
            }
            const int32_t format = formatOf(candidates[static_cast<size_t>(reader)]->inputs, id);
            crosses = crosses || home >= 0 || format >= 0;
            if (format >= 0) {
                wanted.insert(format);
                reads.emplace(selection.chosen[static_cast<size_t>(reader)].region, format);
            }
        }
        const auto found = plans.find(id);
        if (crosses != (found != plans.end())) {
            return cat("value ", v, crosses ? " should" : " should not", " be materialised");
        }
        if (!crosses) {
            continue;
        }
        const MaterialisedValue& plan = *found->second;
        if (home >= 0) {
            if (plan.producedFormat != formatOf(candidates[static_cast<size_t>(home)]->outputs, id)) {
                return cat("value ", v, " is not produced in the format stated");
            }
        } else {
            double arrival = kUnreachable;
            for (const FormatCost& option : value.inputFormats) {
                arrival = option.format == plan.producedFormat ? std::min(arrival, option.cost) : arrival;
            }
            total += arrival;
        }
        if (value.graphOutput) {
            wanted.insert(plan.outputFormat);
            if (!value.outputFormats.empty() && std::find(value.outputFormats.begin(), value.outputFormats.end(),
                                                          plan.outputFormat) == value.outputFormats.end()) {
                return cat("value ", v, " leaves the graph in a format that is not allowed");
            }
        }
        std::set<int32_t> made = {plan.producedFormat};
        for (const FormatConversion& step : plan.conversions) {
            if (!made.contains(step.from) || !made.insert(step.to).second) {
                return cat("value ", v, ": conversion to ", step.to, " has no source or is made twice");
            }
            if (step.cost != directCost(value, step.from, step.to)) {
                return cat("value ", v, ": conversion cost is not the problem's");
            }
            total += step.cost;
        }
        if (!std::includes(made.begin(), made.end(), wanted.begin(), wanted.end())) {
            return cat("value ", v, ": a format that is read is not materialised");
        }
        if (std::vector<int32_t>(made.begin(), made.end()) != plan.formats) {
            return cat("value ", v, ": the list of formats is not what is materialised");
        }
        std::set<std::pair<int32_t, int32_t>> stated;
        for (const RegionRead& read : plan.reads) {
            stated.emplace(read.region, read.format);
        }
        if (stated != reads) {
            return cat("value ", v, ": the reads are not those of the chosen candidates");
        }
    }
    if (!(std::abs(total - selection.totalCost) <= 1e-9 * std::max(1.0, std::abs(total)))) {
        return cat("the total is ", total, ", not ", selection.totalCost);
    }
    if (selection.statistics.lowerBound > total + 1e-6 * std::max(1.0, std::abs(total))) {
        return cat("the lower bound ", selection.statistics.lowerBound, " exceeds the total ", total);
    }
    return {};
}

double bruteForceCost(const SelectionProblem& problem) { return BruteForce(problem).run(); }

SelectionProblem randomProblem(uint64_t seed, const RandomProblemOptions& options) {
    Random random(seed);
    SelectionProblem problem;
    problem.nodeCount = 2 + random.below(options.maxNodes - 1);
    auto cost = [&](double scale) {
        const double x = random.unit() * scale;
        return options.integerCosts ? std::floor(x) : x;
    };
    auto newValue = [&](int32_t producer) {
        SelectionValue value;
        value.producer = producer;
        value.formatCount = 1 + random.below(options.maxFormats);
        for (int32_t i = 0; i < value.formatCount * value.formatCount; ++i) {
            value.conversionCosts.push_back(random.chance(0.15) ? kUnreachable : cost(4.0));
        }
        if (producer < 0) {
            for (int32_t f = 0; f < value.formatCount; ++f) {
                if (f == 0 || random.chance(0.4)) {
                    value.inputFormats.push_back({f, random.chance(0.5) ? 0.0 : cost(2.0)});
                }
            }
        }
        problem.values.push_back(value);
    };
    const int32_t inputs = options.cyclic ? 2 : 1 + random.below(2);
    for (int32_t i = 0; i < inputs; ++i) {
        newValue(-1);
    }
    for (int32_t node = 0; node < problem.nodeCount; ++node) {
        const int32_t known = static_cast<int32_t>(problem.values.size());
        const int32_t reads = options.cyclic ? 1 : 1 + random.below(2);
        for (int32_t i = 0; i < reads; ++i) {
            // Mostly recent values, so that graphs are deep; now and then the same one twice.
            const int32_t back = options.cyclic       ? std::min(known - 1, 1)
                                 : random.chance(0.7) ? random.below(std::min(known, 3))
                                                      : random.below(known);
            problem.values[static_cast<size_t>(known - 1 - back)].uses.push_back({node, i});
        }
        const int32_t outputs = !options.cyclic && random.chance(0.2) ? 2 : 1;
        for (int32_t i = 0; i < outputs; ++i) {
            newValue(node);
        }
    }
    for (SelectionValue& value : problem.values) {
        if (value.uses.empty() ? random.chance(0.9) : random.chance(0.1)) {
            value.graphOutput = true;
            if (random.chance(0.7)) {
                value.outputFormats.push_back(random.below(value.formatCount));
            }
        }
    }
    if (options.orderEdges && problem.nodeCount > 2) {
        const int32_t first = random.below(problem.nodeCount - 1);
        problem.orderEdges.emplace_back(first, first + 1 + random.below(problem.nodeCount - first - 1));
    }

    std::vector<std::vector<int32_t>> sets;
    for (int32_t node = 0; node < problem.nodeCount; ++node) {
        if (!options.missingSingles || random.chance(0.6)) {
            sets.push_back({node});
        }
    }
    const int32_t larger = (options.cyclic ? 5 : 2) + random.below(problem.nodeCount + 2);
    for (int32_t i = 0; i < larger; ++i) {
        std::set<int32_t> nodes;
        const int32_t start = random.below(problem.nodeCount);
        if (options.cyclic) {
            const int32_t across = random.below((problem.nodeCount + 1) / 2) * 2 + 1 - start % 2;
            nodes = {start, std::min(across, problem.nodeCount - 1)};
        } else {
            const int32_t size = 2 + random.below(3);
            nodes.insert(random.chance(0.6) ? start : random.below(problem.nodeCount));
            for (int32_t k = 1; k < size; ++k) {
                nodes.insert(random.chance(0.6) ? std::min(problem.nodeCount - 1, start + k)
                                                : random.below(problem.nodeCount));
            }
        }
        sets.emplace_back(nodes.begin(), nodes.end());
    }
    int32_t nextCandidate = random.below(5);
    for (const std::vector<int32_t>& nodes : sets) {
        SelectionRegion region;
        region.id = 100 + static_cast<int32_t>(problem.regions.size());
        region.nodes = nodes;
        auto inside = [&](int32_t node) { return std::find(nodes.begin(), nodes.end(), node) != nodes.end(); };
        const int32_t count = 1 + random.below(3);
        for (int32_t c = 0; c < count; ++c) {
            SelectionCandidate candidate;
            candidate.id = nextCandidate++;
            const double size = static_cast<double>(nodes.size());
            candidate.cost = cost(options.cyclic && nodes.size() > 1 ? 2.0 : 6.0 * (0.5 + 0.5 * size));
            for (size_t v = 0; v < problem.values.size(); ++v) {
                const SelectionValue& value = problem.values[v];
                const bool usedInside = std::any_of(value.uses.begin(), value.uses.end(),
                                                    [&](const ValueUse& use) { return inside(use.node); });
                if (value.producer >= 0 && inside(value.producer)) {
                    candidate.outputs.push_back({static_cast<int32_t>(v), random.below(value.formatCount)});
                } else if (usedInside) {
                    const int32_t format = random.chance(0.05) ? kNotRead : random.below(value.formatCount);
                    candidate.inputs.push_back({static_cast<int32_t>(v), format});
                }
            }
            region.candidates.push_back(std::move(candidate));
        }
        problem.regions.push_back(std::move(region));
    }
    if (options.noGoods) {
        const int32_t count = 1 + random.below(4);
        for (int32_t i = 0; i < count; ++i) {
            std::set<int32_t> ids;
            const int32_t size = 1 + random.below(3);
            for (int32_t k = 0; k < size; ++k) {
                const SelectionRegion& region =
                    problem.regions[static_cast<size_t>(random.below(static_cast<int32_t>(problem.regions.size())))];
                ids.insert(
                    region.candidates[static_cast<size_t>(random.below(static_cast<int32_t>(region.candidates.size())))]
                        .id);
            }
            problem.noGoods.emplace_back(ids.begin(), ids.end());
        }
    }
    return problem;
}

} // namespace tenon::schedule::testing
