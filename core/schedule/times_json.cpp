#include "core/schedule/times_json.h"

namespace tenon::schedule {

namespace {

using Json = nlohmann::json;

// Whoever goes through a document does so by calls within calls, to which deep nesting is the end of the stack; those of Tenon have 9 levels.
constexpr int kMostLevels = 64;

bool isDeeper(std::string_view text, int most) {
    int depth = 0;
    bool inString = false;
    for (size_t i = 0; i < text.size(); ++i) {
        const char c = text[i];
        if (inString) {
            i += c == '\\' ? 1 : 0;
            inString = c != '"';
        } else if (c == '"') {
            inString = true;
        } else if (c == '{' || c == '[') {
            if (++depth > most) {
                return true;
            }
        } else if (c == '}' || c == ']') {
            --depth;
        }
    }
    return false;
}

} // namespace

support::Result<Json> parseTimes(std::string_view text, std::string_view what) {
    if (isDeeper(text, kMostLevels)) {
        return support::invalidFile(what, " is damaged: it is nested more than ", kMostLevels, " levels deep");
    }
    // The exception is nlohmann's way to report damage; it does not leave this function.
    try {
        return Json::parse(text);
    } catch (const Json::parse_error& error) {
        if (error.byte > text.size()) {
            return support::invalidFile(what, " is cut off: its ", text.size(), " bytes end in the middle");
        }
        return support::invalidFile(what, " is damaged at byte ", error.byte, " of ", text.size());
    } catch (const Json::exception& error) { // a number that no type has
        return support::invalidFile(what, " is damaged: ", error.what());
    }
}

} // namespace tenon::schedule
