#include "core/schedule/swap_costs.h"

#include <algorithm>
#include <map>
#include <set>

namespace tenon::schedule {

namespace {

struct Conversions {
    double cost = 0.0;
    std::vector<ValueConversion> list;
};

// From the formats that are there to the nearest of those that are wanted: the formats on the way, the first of them there.
std::vector<int32_t> shortestWay(const SelectionValue& value, const std::set<int32_t>& there,
                                 const std::set<int32_t>& wanted) {
    const auto count = static_cast<size_t>(value.formatCount);
    std::vector<double> distance(count, kUnreachable);
    std::vector<int32_t> before(count, -1);
    std::vector<bool> done(count, false);
    for (const int32_t format : there) {
        distance[static_cast<size_t>(format)] = 0;
    }
    for (;;) {
        size_t next = count;
        for (size_t i = 0; i < count; ++i) {
            if (!done[i] && distance[i] < kUnreachable && (next == count || distance[i] < distance[next])) {
                next = i;
            }
        }
        if (next == count) {
            return {};
        }
        if (wanted.count(static_cast<int32_t>(next)) > 0) {
            std::vector<int32_t> way;
            for (auto at = static_cast<int32_t>(next); at >= 0; at = before[static_cast<size_t>(at)]) {
                way.push_back(at);
            }
            std::reverse(way.begin(), way.end());
            return way;
        }
        done[next] = true;
        for (size_t to = 0; to < count && !value.conversionCosts.empty(); ++to) {
            const double through = distance[next] + value.conversionCosts[next * count + to];
            if (through < distance[to]) {
                distance[to] = through;
                before[to] = static_cast<int32_t>(next);
            }
        }
    }
}

// What brings a value from one format into all that are wanted, the nearest first.
Conversions conversionsFor(const SelectionValue& value, int32_t id, int32_t produced, std::set<int32_t> wanted) {
    Conversions result;
    std::set<int32_t> there{produced};
    wanted.erase(produced);
    while (!wanted.empty()) {
        const std::vector<int32_t> way = shortestWay(value, there, wanted);
        if (way.empty()) {
            result.cost = kUnreachable;
            return result;
        }
        for (size_t i = 1; i < way.size(); ++i) {
            const double cost = value.conversionCosts[static_cast<size_t>(way[i - 1] * value.formatCount + way[i])];
            result.list.push_back({id, way[i - 1], way[i], cost});
            result.cost += cost;
            there.insert(way[i]);
            wanted.erase(way[i]);
        }
    }
    return result;
}

class Swapper {
public:
    Swapper(const SelectionProblem& problem, const Selection& selection) : mProblem(problem) {
        for (const MaterialisedValue& value : selection.values) {
            mValues.emplace(value.value, &value);
        }
    }

    SwapCost swap(int32_t region, const SelectionCandidate& candidate) const {
        SwapCost result{region, candidate.id, 0.0, {}};
        for (const PortFormat& port : candidate.inputs) {
            if (const auto found = mValues.find(port.value); found != mValues.end() && port.format != kNotRead) {
                std::set<int32_t> wanted = wantedBy(*found->second, region);
                wanted.insert(port.format);
                add(*found->second, found->second->producedFormat, wanted, result);
            }
        }
        for (const PortFormat& port : candidate.outputs) {
            if (const auto found = mValues.find(port.value); found != mValues.end()) {
                add(*found->second, port.format, wantedBy(*found->second, -1), result);
            }
        }
        return result;
    }

private:
    // The formats in which others than `region` read the value.
    static std::set<int32_t> wantedBy(const MaterialisedValue& value, int32_t region) {
        std::set<int32_t> wanted;
        for (const RegionRead& read : value.reads) {
            if (read.region != region && read.format != kNotRead) {
                wanted.insert(read.format);
            }
        }
        if (value.outputFormat >= 0) {
            wanted.insert(value.outputFormat);
        }
        return wanted;
    }

    void add(const MaterialisedValue& value, int32_t produced, const std::set<int32_t>& wanted,
             SwapCost& result) const {
        const Conversions with =
            conversionsFor(mProblem.values[static_cast<size_t>(value.value)], value.value, produced, wanted);
        result.cost += with.cost;
        for (const FormatConversion& conversion : value.conversions) {
            result.cost -= conversion.cost;
        }
        for (const ValueConversion& each : with.list) {
            if (std::none_of(value.conversions.begin(), value.conversions.end(),
                             [&](const FormatConversion& now) { return now.from == each.from && now.to == each.to; })) {
                result.conversions.push_back(each);
            }
        }
    }

    const SelectionProblem& mProblem;
    std::map<int32_t, const MaterialisedValue*> mValues;
};

} // namespace

std::vector<SwapCost> swapCosts(const SelectionProblem& problem, const Selection& selection) {
    const Swapper swapper(problem, selection);
    std::map<int32_t, int32_t> chosen; // by region
    for (const ChosenCandidate& each : selection.chosen) {
        chosen.emplace(each.region, each.candidate);
    }
    std::vector<SwapCost> result;
    for (const SelectionRegion& region : problem.regions) {
        const auto found = chosen.find(region.id);
        const auto& all = region.candidates;
        const auto own = found == chosen.end()
                             ? all.end()
                             : std::find_if(all.begin(), all.end(), [&](const SelectionCandidate& candidate) {
                                   return candidate.id == found->second;
                               });
        for (const SelectionCandidate& candidate : all) {
            if (own != all.end() && candidate.cost < own->cost) {
                result.push_back(swapper.swap(region.id, candidate));
            }
        }
    }
    return result;
}

} // namespace tenon::schedule
