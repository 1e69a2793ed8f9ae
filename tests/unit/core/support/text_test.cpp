#include "core/support/text.h"

#include <cmath>
#include <limits>
#include <vector>

#include <gtest/gtest.h>

namespace tenon::support {
namespace {

TEST(Text, CatFormatsEveryKindOfArgument) {
    EXPECT_EQ(cat("a", 'b', std::string("c"), std::string_view("d"), true, 7, uint8_t{200}, int64_t{-9}),
              "abcdtrue7200-9");
    EXPECT_EQ(cat(std::numeric_limits<int64_t>::min()), "-9223372036854775808");
    EXPECT_EQ(cat(std::numeric_limits<uint64_t>::max()), "18446744073709551615");
    EXPECT_EQ(cat(), "");
    const char* const none = nullptr;
    EXPECT_EQ(cat(none), "(null)");
}

TEST(Text, FloatsPrintShortestAndReadBack) {
    EXPECT_EQ(cat(0.1), "0.1");
    EXPECT_EQ(cat(0.1F), "0.1");
    EXPECT_EQ(cat(1e300), "1e+300");
    EXPECT_EQ(cat(-std::numeric_limits<double>::infinity()), "-inf");
    EXPECT_EQ(cat(-std::numeric_limits<double>::quiet_NaN()), "nan");
    for (const double value : {1.0 / 3.0, 5e-324, 1.7976931348623157e308, -0.0}) {
        double back = 1;
        ASSERT_TRUE(parseDouble(cat(value), back));
        EXPECT_EQ(std::signbit(back), std::signbit(value));
        EXPECT_EQ(back, value);
    }
}

TEST(Text, AppendKeepsWhatIsThere) {
    std::string text = "x=";
    append(text, 1, ',', 2);
    EXPECT_EQ(text, "x=1,2");
}

TEST(Text, JoinAndSplitAreInverse) {
    EXPECT_EQ(join(std::vector<int>{1, 3, 224}, "x"), "1x3x224");
    EXPECT_EQ(join(std::vector<int>{}, "x"), "");
    EXPECT_EQ(split("a,,b", ','), (std::vector<std::string_view>{"a", "", "b"}));
    EXPECT_EQ(split("", ','), (std::vector<std::string_view>{""}));
    EXPECT_EQ(split("a,", ','), (std::vector<std::string_view>{"a", ""}));
}

TEST(Text, TrimTakesBothEnds) {
    EXPECT_EQ(trim(" \t a b \r\n"), "a b");
    EXPECT_EQ(trim("   "), "");
}

TEST(Text, QuoteEscapesControlCharactersAndKeepsUtf8) {
    EXPECT_EQ(quote("a\"b\\c\n\t\r\x01\x7f"), R"("a\"b\\c\n\t\r\x01\x7f")");
    EXPECT_EQ(quote("\xc3\xa9"), "\"\xc3\xa9\"");
}

TEST(Text, ParseIntTakesTheWholeTextOrNothing) {
    int64_t value = 5;
    EXPECT_TRUE(parseInt("-9223372036854775808", value));
    EXPECT_EQ(value, std::numeric_limits<int64_t>::min());
    EXPECT_TRUE(parseInt("9223372036854775807", value));
    EXPECT_EQ(value, std::numeric_limits<int64_t>::max());
    EXPECT_TRUE(parseInt("-0x10", value));
    EXPECT_EQ(value, -16);
    EXPECT_TRUE(parseInt("+3", value));
    EXPECT_EQ(value, 3);
    for (const char* const bad : {"", "-", "0x", "1 ", " 1", "1.0", "--1", "9223372036854775808",
                                  "-9223372036854775809", "0xfffffffffffffffff"}) {
        EXPECT_FALSE(parseInt(bad, value)) << bad;
        EXPECT_EQ(value, 3) << bad;
    }
}

TEST(Text, ParseDoubleReadsHexFloats) {
    double value = 5;
    EXPECT_TRUE(parseDouble("-0x1.8p3", value));
    EXPECT_EQ(value, -12.0);
    EXPECT_TRUE(parseDouble("1e-3", value));
    EXPECT_EQ(value, 1e-3);
    for (const char* const bad : {"", "-", "--1", "+-1", "1.0x", "e5", "0x"}) {
        EXPECT_FALSE(parseDouble(bad, value)) << bad;
    }
    EXPECT_EQ(value, 1e-3);
}

TEST(Text, FormatBytesPicksAUnit) {
    EXPECT_EQ(formatBytes(17), "17 B");
    EXPECT_EQ(formatBytes(3584), "3.5 KiB");
    EXPECT_EQ(formatBytes(int64_t{2} << 30), "2.0 GiB");
    EXPECT_EQ(formatBytes(std::numeric_limits<int64_t>::max()), "8388608.0 TiB");
}

} // namespace
} // namespace tenon::support
