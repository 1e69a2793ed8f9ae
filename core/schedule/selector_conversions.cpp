#include "core/schedule/selector_conversions.h"

#include <algorithm>
#include <bit>

namespace tenon::schedule {
namespace {

constexpr int32_t kMaxExactTargets = 10;

size_t at(int32_t row, int32_t column, int32_t count) {
    return static_cast<size_t>(row) * static_cast<size_t>(count) + static_cast<size_t>(column);
}

// Subsets of `bits` elements with exactly `members` members, ascending.
void appendSubsets(int32_t bits, int32_t members, std::vector<uint64_t>& masks) {
    std::vector<int32_t> pick(static_cast<size_t>(members));
    const size_t first = masks.size();
    for (int32_t i = 0; i < members; ++i) {
        pick[static_cast<size_t>(i)] = i;
    }
    while (true) {
        uint64_t mask = 0;
        for (int32_t index : pick) {
            mask |= uint64_t{1} << index;
        }
        masks.push_back(mask);
        int32_t i = members - 1;
        while (i >= 0 && pick[static_cast<size_t>(i)] == bits - members + i) {
            --i;
        }
        if (i < 0) {
            break;
        }
        ++pick[static_cast<size_t>(i)];
        for (int32_t j = i + 1; j < members; ++j) {
            pick[static_cast<size_t>(j)] = pick[static_cast<size_t>(j - 1)] + 1;
        }
    }
    std::sort(masks.begin() + static_cast<std::ptrdiff_t>(first), masks.end());
}

// Shortest path of single conversions; empty if there is none or from == to.
std::vector<FormatConversion> shortestPath(int32_t count, const std::vector<double>& direct, int32_t from, int32_t to) {
    std::vector<double> distance(static_cast<size_t>(count), kUnreachable);
    std::vector<int32_t> previous(static_cast<size_t>(count), -1);
    std::vector<bool> done(static_cast<size_t>(count), false);
    distance[static_cast<size_t>(from)] = 0.0;
    while (true) {
        int32_t best = -1;
        for (int32_t f = 0; f < count; ++f) {
            const size_t i = static_cast<size_t>(f);
            if (!done[i] && distance[i] < kUnreachable &&
                (best < 0 || distance[i] < distance[static_cast<size_t>(best)])) {
                best = f;
            }
        }
        if (best < 0 || best == to) {
            break;
        }
        done[static_cast<size_t>(best)] = true;
        for (int32_t f = 0; f < count; ++f) {
            const double next = distance[static_cast<size_t>(best)] + direct[at(best, f, count)];
            if (f != best && next < distance[static_cast<size_t>(f)]) {
                distance[static_cast<size_t>(f)] = next;
                previous[static_cast<size_t>(f)] = best;
            }
        }
    }
    std::vector<FormatConversion> path;
    for (int32_t f = to; f != from && previous[static_cast<size_t>(f)] >= 0; f = previous[static_cast<size_t>(f)]) {
        const int32_t source = previous[static_cast<size_t>(f)];
        path.push_back({source, f, direct[at(source, f, count)]});
    }
    std::reverse(path.begin(), path.end());
    return path;
}

// The closed edges of a cheapest tree for `set` below `root`, by retracing the recurrence of enumerateFormatSets.
void retrace(const FormatSets& sets, const std::vector<double>& closed, uint64_t mask, int32_t root,
             std::vector<std::pair<int32_t, int32_t>>& edges) {
    if (mask == 0) {
        return;
    }
    const int32_t count = sets.formatCount;
    const double whole = sets.cost(sets.find(mask), root);
    if (std::has_single_bit(mask)) {
        const int32_t target = sets.formats[static_cast<size_t>(std::countr_zero(mask))];
        if (target != root) {
            edges.emplace_back(root, target);
        }
        return;
    }
    // The recurrence took a minimum over exactly these sums, so the best one found here has that cost.
    double best = kUnreachable;
    int32_t bestVia = -1;
    uint64_t bestPart = 0;
    const uint64_t lowest = mask & (~mask + 1);
    for (int32_t via = 0; via < count; ++via) {
        const double reach = closed[at(root, via, count)];
        if (!(reach <= whole)) {
            continue;
        }
        for (uint64_t part = (mask - 1) & mask; part != 0; part = (part - 1) & mask) {
            if ((part & lowest) == 0) {
                continue;
            }
            const double cost = reach + (sets.cost(sets.find(part), via) + sets.cost(sets.find(mask ^ part), via));
            if (cost < best) {
                best = cost;
                bestVia = via;
                bestPart = part;
            }
        }
    }
    if (bestVia < 0) {
        return;
    }
    if (bestVia != root) {
        edges.emplace_back(root, bestVia);
    }
    retrace(sets, closed, bestPart, bestVia, edges);
    retrace(sets, closed, mask ^ bestPart, bestVia, edges);
}

} // namespace

std::vector<double> closeConversions(int32_t formatCount, const std::vector<double>& direct) {
    const size_t cells = at(formatCount, 0, formatCount);
    std::vector<double> closed = direct;
    closed.resize(cells, kUnreachable);
    for (int32_t f = 0; f < formatCount; ++f) {
        closed[at(f, f, formatCount)] = 0.0;
    }
    for (int32_t via = 0; via < formatCount; ++via) {
        for (int32_t from = 0; from < formatCount; ++from) {
            const double head = closed[at(from, via, formatCount)];
            if (head == kUnreachable) {
                continue;
            }
            for (int32_t to = 0; to < formatCount; ++to) {
                double& cell = closed[at(from, to, formatCount)];
                cell = std::min(cell, head + closed[at(via, to, formatCount)]);
            }
        }
    }
    return closed;
}

FormatSets enumerateFormatSets(int32_t formatCount, const std::vector<double>& closed,
                               const std::vector<int32_t>& formats, int32_t maxMembers, int64_t maxSets) {
    FormatSets sets;
    sets.formatCount = formatCount;
    sets.formats = formats;
    const int32_t bits = static_cast<int32_t>(formats.size());
    const int32_t wanted = std::min(bits, maxMembers);
    int32_t members = 0;
    int64_t total = 1;
    int64_t ofThisSize = 1;
    while (members < wanted) {
        ofThisSize = ofThisSize * (bits - members) / (members + 1);
        if (total + ofThisSize > maxSets) {
            break;
        }
        total += ofThisSize;
        ++members;
    }
    sets.truncated = members < wanted;
    sets.masks.reserve(static_cast<size_t>(total));
    sets.masks.push_back(0);
    for (int32_t size = 1; size <= members; ++size) {
        appendSubsets(bits, size, sets.masks);
    }
    sets.position.reserve(sets.masks.size());
    for (size_t i = 0; i < sets.masks.size(); ++i) {
        sets.position.emplace(sets.masks[i], static_cast<int32_t>(i));
    }

    // Dreyfus and Wagner: split the set at some format, then reach that format from the root.
    const size_t width = static_cast<size_t>(formatCount);
    sets.costs.assign(sets.masks.size() * width, kUnreachable);
    std::vector<double> split(width);
    for (size_t index = 0; index < sets.masks.size(); ++index) {
        const uint64_t mask = sets.masks[index];
        double* row = sets.costs.data() + index * width;
        if (mask == 0) {
            std::fill(row, row + width, 0.0);
            continue;
        }
        if (std::has_single_bit(mask)) {
            const int32_t target = formats[static_cast<size_t>(std::countr_zero(mask))];
            for (int32_t root = 0; root < formatCount; ++root) {
                row[root] = closed[at(root, target, formatCount)];
            }
            continue;
        }
        std::fill(split.begin(), split.end(), kUnreachable);
        const uint64_t lowest = mask & (~mask + 1);
        for (uint64_t part = (mask - 1) & mask; part != 0; part = (part - 1) & mask) {
            if ((part & lowest) == 0) {
                continue;
            }
            const double* one = sets.costs.data() + static_cast<size_t>(sets.find(part)) * width;
            const double* other = sets.costs.data() + static_cast<size_t>(sets.find(mask ^ part)) * width;
            for (size_t via = 0; via < width; ++via) {
                split[via] = std::min(split[via], one[via] + other[via]);
            }
        }
        for (int32_t root = 0; root < formatCount; ++root) {
            double best = kUnreachable;
            for (int32_t via = 0; via < formatCount; ++via) {
                best = std::min(best, closed[at(root, via, formatCount)] + split[static_cast<size_t>(via)]);
            }
            row[root] = best;
        }
    }
    return sets;
}

ConversionTree planConversions(int32_t formatCount, const std::vector<double>& direct,
                               const std::vector<double>& closed, int32_t root, std::vector<int32_t> targets) {
    std::sort(targets.begin(), targets.end());
    targets.erase(std::unique(targets.begin(), targets.end()), targets.end());
    std::erase(targets, root);

    ConversionTree tree;
    tree.formats = {root};
    tree.cost = 0.0;
    std::vector<std::pair<int32_t, int32_t>> edges;
    if (static_cast<int32_t>(targets.size()) <= kMaxExactTargets) {
        if (!targets.empty()) {
            const int32_t count = static_cast<int32_t>(targets.size());
            const FormatSets sets = enumerateFormatSets(formatCount, closed, targets, count, int64_t{1} << count);
            const uint64_t all = (uint64_t{1} << count) - 1;
            if (sets.cost(sets.find(all), root) == kUnreachable) {
                tree.cost = kUnreachable;
                return tree;
            }
            retrace(sets, closed, all, root, edges);
        }
    } else {
        tree.exact = false;
        std::vector<int32_t> made = {root};
        std::vector<int32_t> open = targets;
        while (!open.empty()) {
            double best = kUnreachable;
            std::pair<int32_t, int32_t> edge{-1, -1};
            for (int32_t target : open) {
                for (int32_t source : made) {
                    if (closed[at(source, target, formatCount)] < best) {
                        best = closed[at(source, target, formatCount)];
                        edge = {source, target};
                    }
                }
            }
            if (edge.first < 0) {
                tree.cost = kUnreachable;
                return tree;
            }
            edges.push_back(edge);
            made.push_back(edge.second);
            std::erase(open, edge.second);
        }
    }

    // Expand to single conversions, then keep one way into each format and only what leads to a target.
    std::vector<FormatConversion> steps;
    for (const auto& [from, to] : edges) {
        for (const FormatConversion& step : shortestPath(formatCount, direct, from, to)) {
            steps.push_back(step);
        }
    }
    std::vector<bool> made(static_cast<size_t>(formatCount), false);
    made[static_cast<size_t>(root)] = true;
    std::vector<FormatConversion> reached;
    for (bool grown = true; grown;) {
        grown = false;
        for (const FormatConversion& step : steps) {
            if (made[static_cast<size_t>(step.from)] && !made[static_cast<size_t>(step.to)]) {
                made[static_cast<size_t>(step.to)] = true;
                reached.push_back(step);
                grown = true;
            }
        }
    }
    std::vector<bool> needed(static_cast<size_t>(formatCount), false);
    for (int32_t target : targets) {
        needed[static_cast<size_t>(target)] = true;
    }
    for (size_t i = reached.size(); i-- > 0;) {
        if (needed[static_cast<size_t>(reached[i].to)]) {
            needed[static_cast<size_t>(reached[i].from)] = true;
            tree.conversions.push_back(reached[i]);
        }
    }
    std::reverse(tree.conversions.begin(), tree.conversions.end());
    for (const FormatConversion& step : tree.conversions) {
        tree.cost += step.cost;
        tree.formats.push_back(step.to);
    }
    std::sort(tree.formats.begin(), tree.formats.end());
    return tree;
}

} // namespace tenon::schedule
