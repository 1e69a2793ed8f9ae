// Words that are like another: what somebody may have meant who wrote something that is not there.
// Used by verbs and by the reader of their options.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace tenon::tools {

// How many letters must change, come or go to make one word of the other (Levenshtein's distance).
size_t distance(std::string_view a, std::string_view b);

// The same for the part of `whole` that is most like `part`.
size_t distanceOfPart(std::string_view part, std::string_view whole);

// Those that have `asked`, or what is most like it, in them come first; of these the shorter.
std::vector<std::string> nearestFirst(std::string_view asked, std::vector<std::string> names);

} // namespace tenon::tools
