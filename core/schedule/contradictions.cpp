#include "core/schedule/contradictions.h"

#include <algorithm>
#include <iterator>
#include <limits>
#include <map>
#include <set>

namespace tenon::schedule {

namespace {

constexpr double kUnknown = std::numeric_limits<double>::infinity();
// Times of one kernel on a machine that others share, at different moments, were up to 4.6 apart.
constexpr double kMostOfMoments = 8;
// What times that were taken in turns cannot tell apart.
constexpr double kResolution = 1.03;

using Nodes = std::vector<int32_t>;

class RegionTimes {
public:
    explicit RegionTimes(const std::vector<TimedRegion>& regions) : mRegions(regions) {
        for (const TimedRegion& region : regions) {
            mSorted.push_back(region.nodes);
            std::sort(mSorted.back().begin(), mSorted.back().end());
            double& us = mFastest.emplace(mSorted.back(), kUnknown).first->second;
            us = std::min(us, region.us);
        }
        for (size_t r = 0; r < regions.size(); ++r) {
            mSlowest.push_back(slowestOf(mSorted[r]));
            mAround[mSlowest.back()].push_back(r);
        }
    }

    // The node that takes most of a region's time by itself.
    int32_t slowest(size_t region) const { return mSlowest[region]; }

    // Whether one of its group and the rest are faster.
    bool contradicts(size_t region) const {
        const Nodes& nodes = mSorted[region];
        double parts = kUnknown;
        for (const size_t other : mAround.at(mSlowest[region])) {
            const Nodes& some = mSorted[other];
            if (some.size() < nodes.size() && std::includes(nodes.begin(), nodes.end(), some.begin(), some.end())) {
                Nodes rest;
                std::set_difference(nodes.begin(), nodes.end(), some.begin(), some.end(), std::back_inserter(rest));
                parts = std::min(parts, mRegions[other].us + fastest(rest));
            }
        }
        const double us = mRegions[region].us;
        return us > parts && us < parts * kMostOfMoments;
    }

private:
    double alone(int32_t node) const {
        const auto found = mFastest.find({node});
        return found == mFastest.end() ? kUnknown : found->second;
    }

    int32_t slowestOf(const Nodes& nodes) const {
        int32_t slowest = nodes.front();
        double most = 0;
        for (const int32_t node : nodes) {
            const double us = alone(node);
            if (us != kUnknown && us > most) {
                most = us;
                slowest = node;
            }
        }
        return slowest;
    }

    // As one region, or one by one.
    double fastest(const Nodes& nodes) const {
        double oneByOne = 0;
        for (const int32_t node : nodes) {
            oneByOne += alone(node);
        }
        const auto found = mFastest.find(nodes);
        return found == mFastest.end() ? oneByOne : std::min(oneByOne, found->second);
    }

    const std::vector<TimedRegion>& mRegions;
    std::vector<Nodes> mSorted;                     // by region
    std::vector<int32_t> mSlowest;                  // by region
    std::map<Nodes, double> mFastest;               // of regions of these nodes
    std::map<int32_t, std::vector<size_t>> mAround; // regions by their slowest node
};

} // namespace

std::vector<std::vector<int32_t>> contradictingTasks(const std::vector<TimedRegion>& regions) {
    const RegionTimes times(regions);
    std::map<int32_t, int32_t> taskOf; // of a node by itself
    for (const TimedRegion& region : regions) {
        if (region.nodes.size() == 1) {
            taskOf.emplace(region.nodes[0], region.task);
        }
    }
    std::map<int32_t, size_t> groupOf; // by the task of the slowest node
    std::vector<std::vector<int32_t>> groups;
    std::set<size_t> wanted;
    std::set<int32_t> seen;
    for (size_t r = 0; r < regions.size(); ++r) {
        const auto task = taskOf.find(times.slowest(r));
        if (task == taskOf.end()) {
            continue;
        }
        const auto [group, isNew] = groupOf.emplace(task->second, groups.size());
        if (isNew) {
            groups.emplace_back();
        }
        if (seen.insert(regions[r].task).second) {
            groups[group->second].push_back(regions[r].task);
        }
        if (times.contradicts(r)) {
            wanted.insert(group->second);
        }
    }
    std::vector<std::vector<int32_t>> contradicting;
    for (const size_t group : wanted) {
        if (groups[group].size() > 1) {
            contradicting.push_back(std::move(groups[group]));
        }
    }
    return contradicting;
}

std::vector<double> momentFactors(const std::vector<double>& before, const std::vector<double>& now) {
    double quietest = 1;
    std::vector<size_t> order;
    for (size_t i = 0; i < now.size(); ++i) {
        quietest = std::min(quietest, before[i] / now[i]);
        order.push_back(i);
    }
    std::sort(order.begin(), order.end(), [&](size_t a, size_t b) { return now[a] < now[b]; });
    std::vector<double> factors(now.size());
    double us = 0; // of the one before
    for (const size_t i : order) {
        us = now[i] > us * kResolution ? now[i] : us;
        factors[i] = us * quietest / before[i];
    }
    return factors;
}

} // namespace tenon::schedule
