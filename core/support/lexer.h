// Splits text into tokens, for the parsers of our own text forms (graphs, timing caches, test cases). Knows no grammar:
// only what a name, a number and a string look like.
//
//   identifier   [A-Za-z_][A-Za-z0-9_]*, with single dots inside: reduce.mean, f16, inf
//   %name @name  the same after the mark, may begin with a digit: %0 %arg1 @hash:9c1f (a colon inside, between letters
//                or digits, for @ only); anything else in quotes: %"conv/weight:0"
//   number       42 0x1f 1.5 1e-5 0x1.8p3; unsigned: a minus is punctuation, so that "N-1" and "-1" read alike
//   string       "text" with the escapes \" \\ \n \t \r \xHH; no raw line break inside
//   punctuation  -> .. == != <= >= && || and any single other character
//
// White space separates; comments run from "//" to the end of the line.
#pragma once

#include "core/support/status.h"

#include <cstdint>
#include <deque>
#include <string>
#include <string_view>

namespace tenon::support {

enum class TokenKind { kEnd, kIdentifier, kValueName, kSymbolName, kInteger, kFloat, kString, kPunctuation, kError };

/// Where a token begins; both count from 1, columns in bytes.
struct TextPosition {
    int line = 1;
    int column = 1;
};

struct Token {
    TokenKind kind = TokenKind::kEnd;
    /// As written, marks and quotes included; points into the source.
    std::string_view text;
    /// The name without its mark, the string with its escapes resolved, or the message of a kError.
    std::string value;
    TextPosition position;

    bool is(TokenKind wanted) const noexcept { return kind == wanted; }
    /// True for this very punctuation or identifier.
    bool is(std::string_view wanted) const noexcept {
        return (kind == TokenKind::kPunctuation || kind == TokenKind::kIdentifier) && text == wanted;
    }
};

/// Reads tokens one after the other, with look-ahead and the usual helpers of a recursive-descent parser. Keeps a view
/// of the source, which must outlive it. Never fails by itself: damaged text becomes a kError token, which every
/// `expect` reports. Not thread-safe.
class Lexer {
public:
    explicit Lexer(std::string_view source) noexcept : mSource(source) {}

    /// The token `ahead` places from here without taking it. Valid until the next call of a non-const member.
    const Token& peek(size_t ahead = 0);
    Token next();
    bool atEnd() { return peek().is(TokenKind::kEnd); }

    /// Takes the next token if it is this punctuation or identifier.
    bool take(std::string_view wanted);
    /// Takes this punctuation or identifier, or says what stands there instead.
    Status expect(std::string_view wanted);
    /// `expect`s a token of a kind; its `value` is the result. `what` names it in the error: "the name of a value".
    Result<std::string> expectName(TokenKind kind, std::string_view what);
    Result<std::string> expectIdentifier(std::string_view what) { return expectName(TokenKind::kIdentifier, what); }
    Result<std::string> expectString(std::string_view what) { return expectName(TokenKind::kString, what); }
    /// An integer with an optional minus, decimal or hexadecimal, that fits 64 bits.
    Result<int64_t> expectInt(std::string_view what);
    /// A number with an optional minus; `inf` and `nan` too. Integers count as numbers.
    Result<double> expectNumber(std::string_view what);

    /// kInvalidFile: "line 3, column 7: <message>", at the next token.
    Status errorHere(std::string_view message);
    static Status errorAt(TextPosition position, std::string_view message);

private:
    Token scan();
    Token scanName(Token token);
    Token scanNumber(Token token);
    Token scanString(Token token);
    Token fail(Token token, std::string message);
    void skipBlanks() noexcept;
    void advance(size_t count = 1) noexcept;
    /// The character at an offset from here; NUL past the end.
    char at(size_t offset = 0) const noexcept { return mAt + offset < mSource.size() ? mSource[mAt + offset] : '\0'; }
    std::string_view since(size_t start) const noexcept { return mSource.substr(start, mAt - start); }

    std::string_view mSource;
    size_t mAt = 0;
    TextPosition mPosition;
    std::deque<Token> mAhead;
};

} // namespace tenon::support
