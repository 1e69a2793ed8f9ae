#include "core/ir/source_set.h"

#include <algorithm>

namespace tenon::ir {

void SourceSet::add(const std::string& name) {
    const auto place = std::lower_bound(mNames.begin(), mNames.end(), name);
    if (place == mNames.end() || *place != name) {
        mNames.insert(place, name);
    }
}

void SourceSet::merge(const SourceSet& other) {
    if (&other == this) {
        return;
    }
    for (const std::string& name : other.mNames) {
        add(name);
    }
}

std::string SourceSet::joined(const char* separator) const {
    std::string text;
    for (const std::string& name : mNames) {
        if (!text.empty()) {
            text.append(separator);
        }
        text.append(name);
    }
    return text;
}

} // namespace tenon::ir
