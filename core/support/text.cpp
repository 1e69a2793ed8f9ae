#include "core/support/text.h"

#include <array>
#include <charconv>
#include <cmath>
#include <limits>

namespace tenon::support {

namespace {

template <class Float>
std::string_view formatFloat(char* buffer, size_t size, Float value) {
    // std::to_chars would print "-nan" for some NaNs: one spelling keeps text forms deterministic.
    if (std::isnan(value)) {
        return "nan";
    }
    const auto [end, error] = std::to_chars(buffer, buffer + size, value);
    return {buffer, error == std::errc() ? static_cast<size_t>(end - buffer) : 0};
}

bool isSpace(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f' || c == '\v'; }

/// Takes "0x" off the front of `text`; true when it was there.
bool takeHexPrefix(std::string_view& text) {
    if (text.size() > 2 && text[0] == '0' && (text[1] == 'x' || text[1] == 'X')) {
        text.remove_prefix(2);
        return true;
    }
    return false;
}

/// Takes a sign off the front of `text`; true when it was a minus.
bool takeSign(std::string_view& text) {
    if (!text.empty() && (text[0] == '-' || text[0] == '+')) {
        const bool negative = text[0] == '-';
        text.remove_prefix(1);
        return negative;
    }
    return false;
}

} // namespace

TextPiece::TextPiece(float value) : mView(formatFloat(mBuffer, sizeof(mBuffer), value)) {}

TextPiece::TextPiece(double value) : mView(formatFloat(mBuffer, sizeof(mBuffer), value)) {}

TextPiece::TextPiece(const void* address) {
    mBuffer[0] = '0';
    mBuffer[1] = 'x';
    const auto [end, error] =
        std::to_chars(mBuffer + 2, mBuffer + sizeof(mBuffer), reinterpret_cast<uintptr_t>(address), 16);
    mView = {mBuffer, static_cast<size_t>(end - mBuffer)};
}

void TextPiece::formatSigned(int64_t value) {
    const auto [end, error] = std::to_chars(mBuffer, mBuffer + sizeof(mBuffer), value);
    mView = {mBuffer, static_cast<size_t>(end - mBuffer)};
}

void TextPiece::formatUnsigned(uint64_t value) {
    const auto [end, error] = std::to_chars(mBuffer, mBuffer + sizeof(mBuffer), value);
    mView = {mBuffer, static_cast<size_t>(end - mBuffer)};
}

void appendPieces(std::string& to, std::initializer_list<TextPiece> pieces) {
    size_t size = to.size();
    for (const TextPiece& piece : pieces) {
        size += piece.view().size();
    }
    // Grow geometrically: reserve() to the exact size would make a loop of appends quadratic.
    if (size > to.capacity()) {
        to.reserve(std::max(size, to.capacity() * 2));
    }
    for (const TextPiece& piece : pieces) {
        to.append(piece.view());
    }
}

std::vector<std::string_view> split(std::string_view text, char separator) {
    std::vector<std::string_view> fields;
    size_t start = 0;
    for (size_t at = text.find(separator); at != std::string_view::npos; at = text.find(separator, start)) {
        fields.push_back(text.substr(start, at - start));
        start = at + 1;
    }
    fields.push_back(text.substr(start));
    return fields;
}

std::string_view trim(std::string_view text) {
    while (!text.empty() && isSpace(text.front())) {
        text.remove_prefix(1);
    }
    while (!text.empty() && isSpace(text.back())) {
        text.remove_suffix(1);
    }
    return text;
}

std::string quote(std::string_view text) {
    static constexpr char kDigits[] = "0123456789abcdef";
    std::string out;
    out.reserve(text.size() + 2);
    out.push_back('"');
    for (const char c : text) {
        const auto byte = static_cast<unsigned char>(c);
        switch (c) {
        case '"':
            out.append("\\\"");
            break;
        case '\\':
            out.append("\\\\");
            break;
        case '\n':
            out.append("\\n");
            break;
        case '\t':
            out.append("\\t");
            break;
        case '\r':
            out.append("\\r");
            break;
        default:
            if (byte < 0x20 || byte == 0x7f) {
                out.append("\\x");
                out.push_back(kDigits[byte >> 4]);
                out.push_back(kDigits[byte & 15]);
            } else {
                out.push_back(c);
            }
        }
    }
    out.push_back('"');
    return out;
}

bool parseInt(std::string_view text, int64_t& out) {
    const bool negative = takeSign(text);
    const int base = takeHexPrefix(text) ? 16 : 10;
    // Read the magnitude unsigned: the sign came off, and INT64_MIN has no positive counterpart.
    uint64_t magnitude = 0;
    const char* const end = text.data() + text.size();
    const auto [stop, error] = std::from_chars(text.data(), end, magnitude, base);
    if (text.empty() || error != std::errc() || stop != end) {
        return false;
    }
    const uint64_t limit = static_cast<uint64_t>(std::numeric_limits<int64_t>::max()) + (negative ? 1 : 0);
    if (magnitude > limit) {
        return false;
    }
    out = static_cast<int64_t>(negative ? ~magnitude + 1 : magnitude);
    return true;
}

bool parseDouble(std::string_view text, double& out) {
    const bool negative = takeSign(text);
    const auto format = takeHexPrefix(text) ? std::chars_format::hex : std::chars_format::general;
    // from_chars takes a sign of its own, which would accept "--1".
    if (text.empty() || text[0] == '-') {
        return false;
    }
    double value = 0;
    const char* const end = text.data() + text.size();
    const auto [stop, error] = std::from_chars(text.data(), end, value, format);
    if (error != std::errc() || stop != end) {
        return false;
    }
    out = negative ? -value : value;
    return true;
}

std::string formatBytes(int64_t bytes) {
    static constexpr std::array<const char*, 5> kUnits{" B", " KiB", " MiB", " GiB", " TiB"};
    auto value = static_cast<double>(bytes);
    size_t unit = 0;
    while (std::abs(value) >= 1024.0 && unit + 1 < kUnits.size()) {
        value /= 1024.0;
        ++unit;
    }
    if (unit == 0) {
        return cat(bytes, kUnits[0]);
    }
    std::array<char, 40> buffer{};
    const auto [end, error] =
        std::to_chars(buffer.data(), buffer.data() + buffer.size(), value, std::chars_format::fixed, 1);
    return cat(std::string_view(buffer.data(), static_cast<size_t>(end - buffer.data())), kUnits[unit]);
}

} // namespace tenon::support
