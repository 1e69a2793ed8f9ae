#include "core/support/lexer.h"

#include <array>
#include <cmath>
#include <limits>

namespace tenon::support {

namespace {

// Not <cctype>: those depend on the locale and are undefined for negative chars.
bool isDigit(char c) noexcept { return c >= '0' && c <= '9'; }

bool isNameStart(char c) noexcept { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }

bool isNameChar(char c) noexcept { return isNameStart(c) || isDigit(c); }

/// 0 to 15, or -1.
int hexDigit(char c) noexcept {
    if (isDigit(c)) {
        return c - '0';
    }
    if (c >= 'a' && c <= 'f') {
        return c - 'a' + 10;
    }
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

constexpr std::array<std::string_view, 8> kTwoCharacters{"->", "..", "==", "!=", "<=", ">=", "&&", "||"};

std::string describe(const Token& token) {
    switch (token.kind) {
    case TokenKind::kEnd:
        return "the end of the text";
    case TokenKind::kError:
        return token.value;
    case TokenKind::kIdentifier:
    case TokenKind::kValueName:
    case TokenKind::kSymbolName:
    case TokenKind::kInteger:
    case TokenKind::kFloat:
    case TokenKind::kString:
    case TokenKind::kPunctuation:
        return cat("'", token.text.substr(0, 40), "'");
    }
    return "an unknown token";
}

Status unexpected(const Token& token, std::string_view wanted) {
    if (token.is(TokenKind::kError)) {
        return Lexer::errorAt(token.position, token.value);
    }
    return Lexer::errorAt(token.position, cat("expected ", wanted, ", found ", describe(token)));
}

} // namespace

void Lexer::advance(size_t count) noexcept {
    for (; count > 0 && mAt < mSource.size(); --count, ++mAt) {
        if (mSource[mAt] == '\n') {
            ++mPosition.line;
            mPosition.column = 1;
        } else {
            ++mPosition.column;
        }
    }
}

void Lexer::skipBlanks() noexcept {
    while (mAt < mSource.size()) {
        const char c = at();
        if (c == ' ' || c == '\t' || c == '\n' || c == '\r') {
            advance();
        } else if (c == '/' && at(1) == '/') {
            while (mAt < mSource.size() && at() != '\n') {
                advance();
            }
        } else {
            return;
        }
    }
}

Token Lexer::fail(Token token, std::string message) {
    token.kind = TokenKind::kError;
    token.value = std::move(message);
    // Nothing after damaged text can be trusted: the error stays the last token.
    mAt = mSource.size();
    return token;
}

Token Lexer::scan() {
    skipBlanks();
    Token token;
    token.position = mPosition;
    if (mAt >= mSource.size()) {
        return token;
    }
    const char c = at();
    if (isNameStart(c) || c == '%' || c == '@') {
        return scanName(std::move(token));
    }
    if (isDigit(c)) {
        return scanNumber(std::move(token));
    }
    if (c == '"') {
        return scanString(std::move(token));
    }
    if (c < 0x20 || c > 0x7e) {
        return fail(std::move(token), cat("unexpected character, byte ", int{static_cast<unsigned char>(c)}));
    }
    token.kind = TokenKind::kPunctuation;
    size_t length = 1;
    for (const std::string_view two : kTwoCharacters) {
        if (mSource.substr(mAt, 2) == two) {
            length = 2;
        }
    }
    token.text = mSource.substr(mAt, length);
    token.value = std::string(token.text);
    advance(length);
    return token;
}

Token Lexer::scanName(Token token) {
    const size_t start = mAt;
    const char mark = at();
    token.kind = TokenKind::kIdentifier;
    if (mark == '%' || mark == '@') {
        token.kind = mark == '%' ? TokenKind::kValueName : TokenKind::kSymbolName;
        advance();
        if (at() == '"') {
            const TokenKind kind = token.kind;
            Token quoted = scanString(std::move(token));
            if (!quoted.is(TokenKind::kError)) {
                quoted.kind = kind;
                quoted.text = since(start);
            }
            return quoted;
        }
        if (!isNameChar(at())) {
            // A lone mark is punctuation: "a % b".
            token.kind = TokenKind::kPunctuation;
            token.text = since(start);
            token.value = std::string(token.text);
            return token;
        }
    }
    const size_t name = mAt;
    while (isNameChar(at()) || (at() == '.' && isNameChar(at(1))) ||
           (mark == '@' && at() == ':' && isNameChar(at(1)))) {
        advance();
    }
    token.text = since(start);
    token.value = since(name);
    return token;
}

Token Lexer::scanNumber(Token token) {
    const size_t start = mAt;
    const bool hex = at() == '0' && (at(1) == 'x' || at(1) == 'X');
    const auto takeDigits = [&] {
        while (hex ? hexDigit(at()) >= 0 : isDigit(at())) {
            advance();
        }
    };
    token.kind = TokenKind::kInteger;
    if (hex) {
        advance(2);
    }
    takeDigits();
    // "1..32" is a range: a point belongs to the number only if a digit follows.
    if (at() == '.' && (hex ? hexDigit(at(1)) >= 0 : isDigit(at(1)))) {
        token.kind = TokenKind::kFloat;
        advance();
        takeDigits();
    }
    const char exponent = at();
    if (hex ? (exponent == 'p' || exponent == 'P') : (exponent == 'e' || exponent == 'E')) {
        token.kind = TokenKind::kFloat;
        advance(at(1) == '-' || at(1) == '+' ? 2 : 1);
        while (isDigit(at())) {
            advance();
        }
    }
    const bool followedByName = isNameChar(at());
    while (isNameChar(at())) {
        advance();
    }
    token.text = since(start);
    token.value = token.text;
    int64_t integer = 0;
    double number = 0;
    if (followedByName) {
        return fail(std::move(token), cat("'", since(start), "' is not a number"));
    }
    // An integer beyond 64 bits is still a number for who wants a double.
    if (!parseInt(token.text, integer) && !parseDouble(token.text, number)) {
        return fail(std::move(token), cat("'", since(start), "' is not a number"));
    }
    return token;
}

Token Lexer::scanString(Token token) {
    const size_t start = mAt;
    advance();
    token.kind = TokenKind::kString;
    while (at() != '"') {
        const char c = at();
        if (mAt >= mSource.size() || c == '\n') {
            return fail(std::move(token), "a string without its closing quote");
        }
        if (c != '\\') {
            token.value.push_back(c);
            advance();
            continue;
        }
        const char escape = at(1);
        if (escape == 'x' && hexDigit(at(2)) >= 0 && hexDigit(at(3)) >= 0) {
            token.value.push_back(static_cast<char>(hexDigit(at(2)) * 16 + hexDigit(at(3))));
            advance(4);
            continue;
        }
        constexpr std::string_view kLetters = "\"\\ntr";
        constexpr std::string_view kMeanings = "\"\\\n\t\r";
        const size_t index = kLetters.find(escape);
        if (index == std::string_view::npos || escape == '\0') {
            return fail(std::move(token), "an unknown escape in a string; known are \\\" \\\\ \\n \\t \\r \\xHH");
        }
        token.value.push_back(kMeanings[index]);
        advance(2);
    }
    advance();
    token.text = since(start);
    return token;
}

const Token& Lexer::peek(size_t ahead) {
    while (mAhead.size() <= ahead) {
        // Past an error comes the same error, so that looking further ahead does not lose it.
        const bool failed = !mAhead.empty() && mAhead.back().is(TokenKind::kError);
        mAhead.push_back(failed ? mAhead.back() : scan());
    }
    return mAhead[ahead];
}

Token Lexer::next() {
    peek();
    if (mAhead.front().is(TokenKind::kError)) {
        return mAhead.front();
    }
    Token token = std::move(mAhead.front());
    mAhead.pop_front();
    return token;
}

bool Lexer::take(std::string_view wanted) {
    if (!peek().is(wanted)) {
        return false;
    }
    next();
    return true;
}

Status Lexer::expect(std::string_view wanted) {
    return take(wanted) ? Status() : unexpected(peek(), cat("'", wanted, "'"));
}

Result<std::string> Lexer::expectName(TokenKind kind, std::string_view what) {
    if (!peek().is(kind)) {
        return unexpected(peek(), what);
    }
    return next().value;
}

Result<int64_t> Lexer::expectInt(std::string_view what) {
    const TextPosition start = peek().position;
    const bool negative = take("-");
    if (!peek().is(TokenKind::kInteger)) {
        return unexpected(peek(), what);
    }
    // Sign and digits together, because the smallest integer has no positive counterpart.
    const std::string text = cat(negative ? "-" : "", peek().text);
    int64_t value = 0;
    if (!parseInt(text, value)) {
        return errorAt(start, cat(text, " does not fit 64 bits"));
    }
    next();
    return value;
}

Result<double> Lexer::expectNumber(std::string_view what) {
    const bool negative = take("-");
    const Token& token = peek();
    double value = 0;
    int64_t integer = 0;
    if (token.is("inf")) {
        value = std::numeric_limits<double>::infinity();
    } else if (token.is("nan")) {
        value = std::numeric_limits<double>::quiet_NaN();
    } else if (token.is(TokenKind::kInteger) && parseInt(token.text, integer)) {
        value = static_cast<double>(integer);
    } else if ((!token.is(TokenKind::kInteger) && !token.is(TokenKind::kFloat)) || !parseDouble(token.text, value)) {
        return unexpected(token, what);
    }
    next();
    return negative ? -value : value;
}

Status Lexer::errorHere(std::string_view message) {
    const Token& token = peek();
    return errorAt(token.position, token.is(TokenKind::kError) ? std::string_view(token.value) : message);
}

Status Lexer::errorAt(TextPosition position, std::string_view message) {
    return invalidFile("line ", position.line, ", column ", position.column, ": ", message);
}

} // namespace tenon::support
