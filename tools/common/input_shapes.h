// The shapes that a plan, or one that would be built, takes at its inputs: one text and one exit code for what it does not take, by whichever way
// it came: --shapes, --input, data sets, trtexec.
// Used by engine_session and model_profile. Knows no plan and no network.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <utility>
#include <vector>

namespace tenon::tools {

struct InputShape {
    struct Range {
        std::vector<int64_t> min;
        std::vector<int64_t> max;
        bool takes(const std::vector<int64_t>& dims) const;
    };
    std::string name;
    std::vector<std::string> extents; // their names, "" for those without one; may be shorter than the rank
    std::vector<Range> profiles;      // one at least

    // "[batch=1..4, 3, 16, 16]"; of several profiles the first.
    std::string text() const;
};

// That some profile takes the shape. Throws ToolError(kUsage).
void requireTaken(const InputShape& input, const std::vector<int64_t>& dims);

// For runs that failed with these shapes: which extents have one place, names of their own and other numbers, where the network may need one number;
// and how to give it. Empty where there are none.
std::string adviceOnTwins(const std::vector<InputShape>& inputs,
                          const std::function<std::vector<int64_t>(size_t)>& dimsOf);

// Extents by their names, each of one value wherever it stands.
class NamedExtents {
public:
    // Throws ToolError(kUsage) where the name had another value; `by` says who gives it ("input 'x'").
    void add(const std::string& name, int64_t extent, const std::string& by);
    // Those of a whole input.
    void add(const InputShape& input, const std::vector<int64_t>& dims);
    const int64_t* find(const std::string& name) const; // null: nobody gave it

private:
    std::map<std::string, std::pair<int64_t, std::string>> mExtents;
};

} // namespace tenon::tools
