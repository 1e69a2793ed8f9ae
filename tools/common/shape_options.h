// Shapes as options write them.
// Used by the verbs and by trtexec.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace tenon::tools {

// min, opt, max extents of one input.
struct ShapeRange {
    std::vector<int64_t> min;
    std::vector<int64_t> opt;
    std::vector<int64_t> max;
};

// "1..8..32x3x224x224" (min..opt..max, or one number). Throws ToolError(kUsage).
ShapeRange parseShapeRange(const std::string& text);
// "name:1x3x224x224,other:2x4" (trtexec) to extents per name. Throws ToolError(kUsage).
std::map<std::string, std::vector<int64_t>> parseNamedShapes(const std::string& text);

} // namespace tenon::tools
