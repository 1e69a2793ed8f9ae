#include "tools/common/shape_options.h"

#include "core/support/text.h"
#include "tools/common/exit_code.h"

#include <charconv>
#include <string_view>

namespace tenon::tools {

namespace {

using support::cat;

int64_t parseNumber(std::string_view text, const std::string& whole) {
    int64_t value = 0;
    auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    const bool isNumber = error != std::errc::invalid_argument && end == text.data() + text.size();
    if (!isNumber || error != std::errc() || value < 0) {
        const char* const is = !isNumber ? "is no whole number" : text.front() == '-' ? "is negative" : "is too large";
        const std::string what = text.empty()    ? "an extent is missing"
                                 : text == whole ? cat("that ", is)
                                                 : cat("'", text, "' ", is);
        throw ToolError(ExitCode::kUsage,
                        cat("shape '", whole, "': ", what, "; extents have an x between them, 1x3x224x224"));
    }
    return value;
}

} // namespace

ShapeRange parseShapeRange(const std::string& text) {
    ShapeRange range;
    if (text == "scalar") {
        return range;
    }
    for (std::string_view part : support::split(text, 'x')) {
        std::vector<std::string_view> points;
        while (true) {
            size_t dots = part.find("..");
            points.push_back(part.substr(0, dots));
            if (dots == std::string_view::npos) {
                break;
            }
            part.remove_prefix(dots + 2);
        }
        if (points.size() != 1 && points.size() != 3) {
            throw ToolError(ExitCode::kUsage, cat("shape '", text, "': give an extent as N or as MIN..OPT..MAX"));
        }
        int64_t low = parseNumber(points[0], text);
        int64_t opt = points.size() == 3 ? parseNumber(points[1], text) : low;
        int64_t high = points.size() == 3 ? parseNumber(points[2], text) : low;
        if (low > opt || opt > high) {
            throw ToolError(ExitCode::kUsage, cat("shape '", text, "': MIN..OPT..MAX must rise, and ", low, "..", opt,
                                                  "..", high, " does not"));
        }
        range.min.push_back(low);
        range.opt.push_back(opt);
        range.max.push_back(high);
    }
    return range;
}

std::map<std::string, std::vector<int64_t>> parseNamedShapes(const std::string& text) {
    std::map<std::string, std::vector<int64_t>> shapes;
    for (std::string_view part : support::split(text, ',')) {
        // The extents follow the last colon: names may have colons of their own.
        size_t colon = part.rfind(':');
        if (colon == std::string_view::npos || colon == 0) {
            throw ToolError(ExitCode::kUsage, cat("'", part, "': expected NAME:1x3x224x224"));
        }
        std::vector<int64_t> dims;
        std::string_view extents = part.substr(colon + 1);
        if (extents != "scalar") {
            for (std::string_view extent : support::split(extents, 'x')) {
                dims.push_back(parseNumber(extent, std::string(part)));
            }
        }
        std::string name(part.substr(0, colon));
        if (name.size() >= 2 && name.front() == '\'' && name.back() == '\'') {
            name = name.substr(1, name.size() - 2);
        }
        shapes[name] = std::move(dims);
    }
    return shapes;
}

} // namespace tenon::tools
