#include "tools/common/nearest.h"

#include <algorithm>
#include <numeric>
#include <tuple>
#include <utility>

namespace tenon::tools {

namespace {

// Distances of `a` to the beginnings of `b`, the empty one first; `anywhere`: what stands before does not count.
std::vector<size_t> distances(std::string_view a, std::string_view b, bool anywhere) {
    std::vector<size_t> row(b.size() + 1);
    if (!anywhere) {
        std::iota(row.begin(), row.end(), size_t{0});
    }
    for (size_t i = 0; i < a.size(); ++i) {
        size_t diagonal = row[0]++;
        for (size_t k = 0; k < b.size(); ++k) {
            const size_t changed = diagonal + (a[i] == b[k] ? 0 : 1);
            diagonal = row[k + 1];
            row[k + 1] = std::min({changed, row[k] + 1, diagonal + 1});
        }
    }
    return row;
}

} // namespace

size_t distance(std::string_view a, std::string_view b) { return distances(a, b, false).back(); }

size_t distanceOfPart(std::string_view part, std::string_view whole) {
    const std::vector<size_t> row = distances(part, whole, true);
    return *std::min_element(row.begin(), row.end());
}

std::vector<std::string> nearestFirst(std::string_view asked, std::vector<std::string> names) {
    std::vector<std::tuple<size_t, size_t, std::string>> order;
    for (std::string& name : names) {
        const size_t apart = distanceOfPart(asked, name);
        const size_t length = name.size();
        order.emplace_back(apart, length, std::move(name));
    }
    std::sort(order.begin(), order.end());
    names.clear();
    for (auto& [apart, length, name] : order) {
        names.push_back(std::move(name));
    }
    return names;
}

} // namespace tenon::tools
