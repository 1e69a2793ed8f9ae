#include "core/support/lexer.h"

#include <cmath>
#include <limits>

#include <gtest/gtest.h>

namespace tenon::support {
namespace {

std::string kinds(std::string_view source) {
    Lexer lexer(source);
    std::string out;
    while (true) {
        const Token token = lexer.next();
        static constexpr std::string_view kLetters = ".i%@nfsp!";
        out.push_back(kLetters[static_cast<size_t>(token.kind)]);
        append(out, token.value, ' ');
        if (token.is(TokenKind::kEnd) || token.is(TokenKind::kError)) {
            return out;
        }
    }
}

TEST(Lexer, ReadsALineOfTheGraphText) {
    EXPECT_EQ(kinds("%m = reduce.mean(%x) {axes=[2,3]} : f16[N,2048]"),
              "%m p= ireduce.mean p( %x p) p{ iaxes p= p[ n2 p, n3 p] p} p: if16 p[ iN p, n2048 p] . ");
    EXPECT_EQ(kinds("graph @head() -> (%y) where N in [1..32]"),
              "igraph @head p( p) p-> p( %y p) iwhere iN iin p[ n1 p.. n32 p] . ");
}

TEST(Lexer, NamesMayBeQuotedNumberedOrDotted) {
    EXPECT_EQ(kinds(R"(%0 %arg0 %"conv/w:0" @hash:9c1f @"a b" %x.1 a.b.c)"),
              "%0 %arg0 %conv/w:0 @hash:9c1f @a b %x.1 ia.b.c . ");
    EXPECT_EQ(kinds("x. %y.. @z: a % 2"), "ix p. %y p.. @z p: ia p% n2 . ");
}

TEST(Lexer, Numbers) {
    EXPECT_EQ(kinds("0 42 0x1F 1.5 1e-5 2E3 0x1.8p3 1..3 7.x"),
              "n0 n42 n0x1F f1.5 f1e-5 f2E3 f0x1.8p3 n1 p.. n3 n7 p. ix . ");
    // Too large for 64 bits, still a number for who wants a double.
    EXPECT_EQ(kinds("99999999999999999999"), "n99999999999999999999 . ");
    EXPECT_EQ(kinds("12ab"), "!'12ab' is not a number ");
    EXPECT_EQ(kinds("0x"), "!'0x' is not a number ");
    EXPECT_EQ(kinds("1e"), "!'1e' is not a number ");
}

TEST(Lexer, StringsResolveEscapes) {
    EXPECT_EQ(kinds(R"("a\"b\\c\x41\n")"), "sa\"b\\cA\n . ");
    EXPECT_EQ(kinds("\"open"), "!a string without its closing quote ");
    EXPECT_EQ(kinds("\"line\nbreak\""), "!a string without its closing quote ");
    EXPECT_EQ(kinds(R"("\q")").substr(0, 20), "!an unknown escape i");
    EXPECT_EQ(kinds("\"\\"), "!an unknown escape in a string; known are \\\" \\\\ \\n \\t \\r \\xHH ");
}

TEST(Lexer, ReadsBackWhatQuoteWrites) {
    std::string every;
    for (int byte = 0; byte < 256; ++byte) {
        every.push_back(static_cast<char>(byte));
    }
    const std::string quoted = quote(every);
    Lexer lexer(quoted);
    const Result<std::string> back = lexer.expectString("a string");
    ASSERT_TRUE(back.ok()) << back.status().toString();
    EXPECT_EQ(*back, every);
}

TEST(Lexer, CommentsAndPositions) {
    Lexer lexer("a // rest -> 1\n  bc\td");
    EXPECT_EQ(lexer.next().position.column, 1);
    const Token second = lexer.next();
    EXPECT_EQ(second.value, "bc");
    EXPECT_EQ(second.position.line, 2);
    EXPECT_EQ(second.position.column, 3);
    EXPECT_EQ(lexer.errorHere("odd").message(), "line 2, column 6: odd");
    lexer.next();
    EXPECT_TRUE(lexer.atEnd());
}

TEST(Lexer, TakeAndExpect) {
    Lexer lexer("f ( -3 , 0x10 , -1.5 , inf , \"s\" )");
    EXPECT_EQ(*lexer.expectIdentifier("a name"), "f");
    EXPECT_FALSE(lexer.take(")"));
    EXPECT_TRUE(lexer.take("("));
    EXPECT_EQ(*lexer.expectInt("an extent"), -3);
    EXPECT_TRUE(lexer.expect(",").ok());
    EXPECT_EQ(*lexer.expectInt("an extent"), 16);
    EXPECT_EQ(lexer.expect(")").message(), "line 1, column 15: expected ')', found ','");
    EXPECT_TRUE(lexer.take(","));
    EXPECT_EQ(*lexer.expectNumber("a scale"), -1.5);
    EXPECT_TRUE(lexer.take(","));
    EXPECT_EQ(*lexer.expectNumber("a scale"), std::numeric_limits<double>::infinity());
    EXPECT_TRUE(lexer.take(","));
    EXPECT_EQ(lexer.expectInt("an extent").status().message(), "line 1, column 30: expected an extent, found '\"s\"'");
    EXPECT_EQ(*lexer.expectString("a title"), "s");
    EXPECT_TRUE(lexer.take(")"));
    EXPECT_EQ(lexer.expectIdentifier("a name").status().message(),
              "line 1, column 35: expected a name, found the end of the text");
}

TEST(Lexer, IntegersAtTheEdgeOf64Bits) {
    Lexer lexer("-9223372036854775808 9223372036854775808");
    EXPECT_EQ(*lexer.expectInt("n"), std::numeric_limits<int64_t>::min());
    EXPECT_EQ(lexer.expectInt("n").status().message(), "line 1, column 22: 9223372036854775808 does not fit 64 bits");
    EXPECT_EQ(*lexer.expectNumber("n"), 9223372036854775808.0);
}

TEST(Lexer, AnErrorIsTheLastTokenAndIsReported) {
    Lexer lexer("a \x01 b");
    EXPECT_EQ(lexer.peek(2).kind, TokenKind::kError);
    lexer.next();
    EXPECT_EQ(lexer.expect("b").message(), "line 1, column 3: unexpected character, byte 1");
    EXPECT_EQ(lexer.next().kind, TokenKind::kError);
    EXPECT_EQ(lexer.next().kind, TokenKind::kError);
    EXPECT_FALSE(lexer.atEnd());
}

} // namespace
} // namespace tenon::support
