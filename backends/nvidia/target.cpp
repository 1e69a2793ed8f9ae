#include "backends/nvidia/target.h"

#include <cstdlib>

namespace tenon::nvidia {

namespace {

// Behind `"key":`, blanks skipped; npos where there is no such key.
size_t valueAt(std::string_view json, std::string_view key) {
    const std::string quoted = module::text('"', key, '"');
    for (size_t at = json.find(quoted); at != std::string_view::npos; at = json.find(quoted, at + 1)) {
        size_t value = json.find_first_not_of(" \t\r\n", at + quoted.size());
        if (value != std::string_view::npos && json[value] == ':') {
            return json.find_first_not_of(" \t\r\n", value + 1);
        }
    }
    return std::string_view::npos;
}

} // namespace

int64_t numberOf(const module::TargetView& target, std::string_view key, int64_t fallback) {
    const std::string_view json = target.json();
    size_t at = valueAt(json, key);
    if (at == std::string_view::npos) {
        return fallback;
    }
    at += json[at] == '"' ? 1 : 0;
    const std::string text(json.substr(at, 32));
    char* end = nullptr;
    const long long value = std::strtoll(text.c_str(), &end, 10);
    return end == text.c_str() ? fallback : value;
}

std::string stringOf(const module::TargetView& target, std::string_view key) {
    const std::string_view json = target.json();
    size_t at = valueAt(json, key);
    std::string out;
    if (at == std::string_view::npos || json[at] != '"') {
        return out;
    }
    for (++at; at < json.size() && json[at] != '"'; ++at) {
        at += json[at] == '\\' && at + 1 < json.size() ? 1 : 0;
        out += json[at];
    }
    return out;
}

int64_t smOf(const module::TargetView& target) {
    const int64_t sm = numberOf(target, "sm", 0);
    if (sm > 0) {
        return sm;
    }
    const int64_t major = numberOf(target, "major", 0);
    return major > 0 ? 10 * major + numberOf(target, "minor", 0) : 0;
}

} // namespace tenon::nvidia
