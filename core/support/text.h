// Text building without printf or iostreams: `cat("node ", id, " has ", count, " inputs")`.
// Used everywhere in the core for messages and text forms. Knows no tensors; formats numbers, characters and text only.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

namespace tenon::support {

/// One argument of `cat`, formatted into a buffer of its own. It refers to the text it was made from and lives until the
/// end of the full expression, so never keep one. Floating-point values print in the shortest form that reads back to
/// the same value.
class TextPiece {
public:
    TextPiece(const char* text) : mView(text == nullptr ? std::string_view("(null)") : std::string_view(text)) {}
    TextPiece(std::string_view text) : mView(text) {}
    TextPiece(const std::string& text) : mView(text) {}
    TextPiece(bool value) : mView(value ? "true" : "false") {}
    TextPiece(char value) : mView(mBuffer, 1) { mBuffer[0] = value; }
    TextPiece(float value);
    TextPiece(double value);
    TextPiece(const void* address);
    template <class Int>
        requires(std::is_integral_v<Int> && !std::is_same_v<Int, bool> && !std::is_same_v<Int, char>)
    TextPiece(Int value) {
        if constexpr (std::is_signed_v<Int>) {
            formatSigned(static_cast<int64_t>(value));
        } else {
            formatUnsigned(static_cast<uint64_t>(value));
        }
    }
    TextPiece(const TextPiece&) = delete;
    TextPiece& operator=(const TextPiece&) = delete;

    std::string_view view() const noexcept { return mView; }

private:
    void formatSigned(int64_t value);
    void formatUnsigned(uint64_t value);

    char mBuffer[40];
    std::string_view mView;
};

void appendPieces(std::string& to, std::initializer_list<TextPiece> pieces);

/// Concatenates its arguments.
template <class... Args>
std::string cat(const Args&... args) {
    std::string out;
    appendPieces(out, {TextPiece(args)...});
    return out;
}

/// Appends its arguments to `to`.
template <class... Args>
void append(std::string& to, const Args&... args) {
    appendPieces(to, {TextPiece(args)...});
}

/// Joins with `separator`: `join({1, 3, 224}, "x")` is "1x3x224". Works on any range of what `cat` takes.
template <class Range>
std::string join(const Range& range, std::string_view separator) {
    std::string out;
    bool first = true;
    for (const auto& item : range) {
        if (!first) {
            out.append(separator);
        }
        first = false;
        append(out, item);
    }
    return out;
}

/// Splits at every `separator`; keeps empty fields, so "a,,b" gives three and "" gives one.
std::vector<std::string_view> split(std::string_view text, char separator);

/// Without white space at both ends.
std::string_view trim(std::string_view text);

/// `text` in double quotes with \" \\ \n \t \r and \xHH escapes for what is not printable ASCII; bytes of valid or
/// invalid UTF-8 above 0x7f are kept as they are. `support::Lexer` reads it back to the same bytes.
std::string quote(std::string_view text);

/// Whole text as an integer, decimal or 0x hexadecimal, with an optional sign. False when anything is left over or the
/// value does not fit; `out` is then unchanged.
bool parseInt(std::string_view text, int64_t& out);

/// Whole text as a number: decimal, hexadecimal float (0x1.8p3), inf, nan. Same contract as `parseInt`.
bool parseDouble(std::string_view text, double& out);

/// "17 B", "3.5 KiB", "2.0 GiB": for people, never parsed back.
std::string formatBytes(int64_t bytes);

} // namespace tenon::support
