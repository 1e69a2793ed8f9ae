// Conversions of one value: shortest paths between formats, and the cheapest way to make several formats from one.
//
// Who uses it: the selector's preparation, encoding and assembly.
// What it must not know: nodes, regions, tables. Formats are 0 .. formatCount-1; matrices are row-major, row = from.
#pragma once

#include <cstdint>
#include <unordered_map>
#include <vector>

#include "core/schedule/selection_problem.h"

namespace tenon::schedule {

// Shortest paths over single conversions; the diagonal becomes zero.
std::vector<double> closeConversions(int32_t formatCount, const std::vector<double>& direct);

// Sets of wanted formats with the least cost of materialising each set from each produced format (a Steiner
// arborescence: a conversion is paid once, further formats may serve as stepping stones).
struct FormatSets {
    int32_t formatCount = 0;
    std::vector<int32_t> formats;                   // bit i of a mask stands for formats[i]
    std::vector<uint64_t> masks;                    // by number of members, then by value; masks[0] is the empty set
    std::vector<double> costs;                      // masks.size() x formatCount
    bool truncated = false;                         // larger sets were left out to respect the limit
    std::unordered_map<uint64_t, int32_t> position; // mask to index; never iterated

    double cost(int32_t set, int32_t root) const {
        return costs[static_cast<size_t>(set) * static_cast<size_t>(formatCount) + static_cast<size_t>(root)];
    }
    int32_t find(uint64_t mask) const {
        auto it = position.find(mask);
        return it == position.end() ? -1 : it->second;
    }
};

// All subsets of `formats` with at most `maxMembers` members, as many sizes as fit in `maxSets`. At most 64 formats.
FormatSets enumerateFormatSets(int32_t formatCount, const std::vector<double>& closed,
                               const std::vector<int32_t>& formats, int32_t maxMembers, int64_t maxSets);

struct ConversionTree {
    double cost = kUnreachable;
    std::vector<int32_t> formats;              // materialised, ascending, root included
    std::vector<FormatConversion> conversions; // single conversions, each after the one that makes its source
    bool exact = true;
};

// The cheapest single conversions that make every target from `root`. Exact up to 10 distinct targets besides the
// root; beyond that targets are attached one by one, nearest first. Cost is kUnreachable if some target cannot be made.
ConversionTree planConversions(int32_t formatCount, const std::vector<double>& direct,
                               const std::vector<double>& closed, int32_t root, std::vector<int32_t> targets);

} // namespace tenon::schedule
