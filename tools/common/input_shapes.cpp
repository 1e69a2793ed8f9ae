#include "tools/common/input_shapes.h"

#include "core/support/text.h"
#include "tools/common/exit_code.h"
#include "tools/common/host_tensor.h"

#include <algorithm>

namespace tenon::tools {

namespace {

using support::cat;

std::string rangeText(int64_t min, int64_t max, const char* between) {
    return min == max ? cat(min) : cat(min, between, max);
}

// "dimension 0 ('batch') is 9, not 1 to 4", for each extent that is outside.
std::string outsideText(const InputShape& input, const std::vector<int64_t>& dims) {
    const InputShape::Range& range = input.profiles.front();
    std::string text;
    for (size_t d = 0; d < dims.size(); ++d) {
        if (dims[d] < range.min[d] || dims[d] > range.max[d]) {
            const bool named = d < input.extents.size() && !input.extents[d].empty();
            text += cat(text.empty() ? "" : ", ", "dimension ", d, named ? cat(" ('", input.extents[d], "')") : "",
                        " is ", dims[d], ", not ", rangeText(range.min[d], range.max[d], " to "));
        }
    }
    return text;
}

} // namespace

bool InputShape::Range::takes(const std::vector<int64_t>& dims) const {
    bool fits = dims.size() == min.size();
    for (size_t d = 0; fits && d < dims.size(); ++d) {
        fits = min[d] <= dims[d] && dims[d] <= max[d];
    }
    return fits;
}

std::string InputShape::text() const {
    std::vector<std::string> parts;
    const Range& range = profiles.front();
    for (size_t d = 0; d < range.min.size(); ++d) {
        const bool named = d < extents.size() && !extents[d].empty();
        parts.push_back(cat(named ? cat(extents[d], "=") : "", rangeText(range.min[d], range.max[d], "..")));
    }
    return cat("[", support::join(parts, ", "), "]");
}

void requireTaken(const InputShape& input, const std::vector<int64_t>& dims) {
    if (std::any_of(input.profiles.begin(), input.profiles.end(),
                    [&](const InputShape::Range& range) { return range.takes(dims); })) {
        return;
    }
    const size_t rank = input.profiles.front().min.size();
    if (dims.size() != rank) {
        throw ToolError(ExitCode::kUsage, cat("input '", input.name, "' has ", rank, rank == 1 ? " extent" : " extents",
                                              ", ", input.text(), "; ", shapeText(dims), " has ", dims.size()));
    }
    std::string ranges;
    for (const InputShape::Range& range : input.profiles) {
        ranges += cat(ranges.empty() ? "" : ", and ", shapeText(range.min),
                      range.min == range.max ? "" : cat(" to ", shapeText(range.max)));
    }
    throw ToolError(ExitCode::kUsage,
                    cat("input '", input.name, "' ", shapeText(dims), " is outside ", ranges, ", the range of the plan",
                        input.profiles.size() == 1 ? cat(": ", outsideText(input, dims)) : std::string(),
                        ". Give a shape that is in it, or build a plan with a range for this one"));
}

std::string adviceOnTwins(const std::vector<InputShape>& inputs,
                          const std::function<std::vector<int64_t>(size_t)>& dimsOf) {
    for (size_t i = 0; i < inputs.size(); ++i) {
        for (size_t j = i + 1; j < inputs.size(); ++j) {
            const std::vector<int64_t> first = dimsOf(i);
            const std::vector<int64_t> second = dimsOf(j);
            for (size_t d = 0; d < std::min(inputs[i].extents.size(), inputs[j].extents.size()); ++d) {
                const std::string& a = inputs[i].extents[d];
                const std::string& b = inputs[j].extents[d];
                if (!a.empty() && !b.empty() && a != b && first[d] != second[d]) {
                    return cat(". ", a, "=", first[d], " and ", b, "=", second[d],
                               " have names of their own, and this network may need them equal: give both one number "
                               "(--shapes ",
                               a, "=", first[d], " --shapes ", b, "=", first[d],
                               "), and where the plan does not take it, build it with one range for both");
                }
            }
        }
    }
    return "";
}

void NamedExtents::add(const std::string& name, int64_t extent, const std::string& by) {
    const auto [known, added] = mExtents.emplace(name, std::pair(extent, by));
    if (!added && known->second.first != extent) {
        throw ToolError(ExitCode::kUsage,
                        cat("extent '", name, "' is ", known->second.first, " by ", known->second.second, " and ",
                            extent, " by ", by, ", and is one number wherever it stands"));
    }
}

void NamedExtents::add(const InputShape& input, const std::vector<int64_t>& dims) {
    for (size_t d = 0; d < input.extents.size() && d < dims.size(); ++d) {
        if (!input.extents[d].empty()) {
            add(input.extents[d], dims[d], cat("input '", input.name, "'"));
        }
    }
}

const int64_t* NamedExtents::find(const std::string& name) const {
    const auto found = mExtents.find(name);
    return found == mExtents.end() ? nullptr : &found->second.first;
}

} // namespace tenon::tools
