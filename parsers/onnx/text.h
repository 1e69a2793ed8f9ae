// Text building for messages: `cat("node ", name)` and `join(list, ", ")`. Header-only; the module links no core library.
#pragma once

#include <sstream>
#include <string>

namespace tenon::onnx {

template <class... Args>
std::string cat(const Args&... args) {
    std::ostringstream text;
    (text << ... << args);
    return text.str();
}

template <class Range>
std::string join(const Range& range, const char* separator) {
    std::ostringstream text;
    bool first = true;
    for (const auto& item : range) {
        text << (first ? "" : separator) << item;
        first = false;
    }
    return text.str();
}

} // namespace tenon::onnx
