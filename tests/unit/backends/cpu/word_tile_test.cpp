#include "backends/cpu/simd/word_tile.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <string>
#include <vector>

namespace tenon::cpu {
namespace {

constexpr int64_t kColumns = WordProduct::kColumns;
constexpr uint8_t kUntouched = 0xEE;

struct Case {
    int64_t rows;
    int64_t steps;
    int64_t columns;
    bool isSigned;
    bool isExtreme; // every product the largest that there is
};

int16_t word(size_t i, bool isExtreme) {
    return isExtreme ? int16_t{255} : static_cast<int16_t>(static_cast<int>(i * 37 % 511) - 255);
}
int8_t byte(size_t i, bool isExtreme) {
    return isExtreme ? int8_t{-128} : static_cast<int8_t>(static_cast<int>(i * 101 % 256) - 128);
}

double realOf(const WordProduct& p, int64_t row, int64_t column) {
    int64_t sum = 0;
    for (int64_t k = 0; k < p.steps * 4; ++k) {
        sum += int64_t{p.a[row * p.aRow + k]} * p.b[(k / 4 * kColumns + column) * 4 + k % 4];
    }
    const float real = std::fma(static_cast<float>(sum), p.factor[column], p.shift[column]);
    return std::max(p.low, std::min(p.high, real));
}

void check(const Case& each) {
    const auto depth = static_cast<size_t>(each.steps * 4);
    const size_t aRow = depth + 4;
    const auto rows = static_cast<size_t>(each.rows);
    std::vector<int16_t> a(rows * aRow);
    std::vector<int8_t> b(depth * static_cast<size_t>(kColumns));
    for (size_t i = 0; i < a.size(); ++i) {
        a[i] = word(i, each.isExtreme);
    }
    for (size_t i = 0; i < b.size(); ++i) {
        b[i] = byte(i, each.isExtreme);
    }
    std::vector<float> factor;
    std::vector<float> shift;
    for (int c = 0; c < kColumns; ++c) {
        // Of numbers without a pattern a sum is some 147 * 74 * sqrt(depth): most results lie between the bounds, and each product moves them by several.
        const float typical = each.isExtreme ? 255.0F * 128.0F * 65536.0F
                                             : 11000.0F * std::sqrt(static_cast<float>(std::max<size_t>(depth, 1)));
        factor.push_back(50.0F / typical * static_cast<float>(c + 8) / 12.0F);
        shift.push_back((each.isSigned ? -40.25F : 110.25F) + static_cast<float>(c * 3));
    }
    const size_t cRow = static_cast<size_t>(kColumns) + 3;
    std::vector<uint8_t> c(rows * cRow, kUntouched);
    WordProduct p;
    p.a = a.data();
    p.aRow = static_cast<int64_t>(aRow);
    p.b = b.data();
    p.steps = each.steps;
    p.factor = factor.data();
    p.shift = shift.data();
    p.low = each.isSigned ? -128.0F : 2.0F;
    p.high = each.isSigned ? 100.0F : 250.0F;
    p.c = c.data();
    p.cRow = static_cast<int64_t>(cRow);
    p.columns = each.columns;
    p.isSignedResult = each.isSigned;
    wordTile().run(each.rows, p);
    int between = 0; // not cut off
    int compared = 0;
    for (size_t row = 0; row < rows; ++row) {
        for (size_t column = 0; column < cRow; ++column) {
            const auto at = static_cast<int64_t>(column);
            const auto actual = c[row * cRow + column];
            const std::string where = "row " + std::to_string(row) + " of " + std::to_string(rows) + ", column " +
                                      std::to_string(column) + " of " + std::to_string(each.columns) + ", depth " +
                                      std::to_string(depth);
            if (at >= each.columns) {
                EXPECT_EQ(actual, kUntouched) << where;
                continue;
            }
            // In the middle of two bytes a real number may go to either.
            const double real = realOf(p, static_cast<int64_t>(row), at);
            const double number = each.isSigned ? static_cast<double>(static_cast<int8_t>(actual)) : actual;
            EXPECT_LE(std::abs(number - real), 0.5 + 1e-3) << where;
            between += real > p.low && real < p.high ? 1 : 0;
            ++compared;
        }
    }
    EXPECT_GE(2 * between, compared) << "the bounds hide the sums";
}

TEST(WordTileTest, ProductsAreThoseOfWholeNumbers) {
    for (int64_t rows = 0; rows <= 26; ++rows) {
        check({rows, 5, kColumns, false, false});
        check({rows, 3, 5, true, false});
    }
    for (int64_t columns = 1; columns <= kColumns; ++columns) {
        check({7, 9, columns, columns % 2 == 0, false});
    }
    check({3, 0, kColumns, true, false});
}

TEST(WordTileTest, TheLargestSumsFit) { check({3, WordProduct::kMostDepth / 4, kColumns, true, true}); }

TEST(WordTileTest, PackedMatricesAreMultiplied) {
    constexpr int64_t kSteps = 6;
    constexpr int64_t kDepth = kSteps * 4;
    constexpr int64_t kRow = 21; // of the matrix, of which eight columns are packed
    for (const bool isSigned : {false, true}) {
        std::vector<uint8_t> matrix;
        for (int64_t i = 0; i < kDepth * kRow; ++i) {
            matrix.push_back(static_cast<uint8_t>(i * 59 + 7));
        }
        std::vector<int16_t> zeros;
        for (int64_t c = 0; c < kColumns; ++c) {
            zeros.push_back(static_cast<int16_t>(c * 31 - 100));
        }
        std::vector<int16_t> panel(static_cast<size_t>(kDepth * kColumns));
        wordTile().pack(matrix.data() + 5, kRow, kSteps, isSigned, zeros.data(), panel.data());
        for (int64_t rows = 0; rows <= 26; ++rows) {
            std::vector<int16_t> a;
            for (int64_t i = 0; i < rows * kDepth; ++i) {
                a.push_back(word(static_cast<size_t>(i), false));
            }
            std::vector<int32_t> sums(static_cast<size_t>(rows * kColumns + 1), 77);
            wordTile().sums(rows, {a.data(), kDepth, panel.data(), kSteps, sums.data()});
            for (int64_t i = 0; i < rows * kColumns; ++i) {
                int32_t wanted = 0;
                for (int64_t k = 0; k < kDepth; ++k) {
                    const uint8_t code = matrix[static_cast<size_t>(k * kRow + 5 + i % kColumns)];
                    const int number = isSigned ? static_cast<int8_t>(code) : code;
                    wanted += a[static_cast<size_t>(i / kColumns * kDepth + k)] *
                              (number - zeros[static_cast<size_t>(i % kColumns)]);
                }
                ASSERT_EQ(sums[static_cast<size_t>(i)], wanted) << "rows " << rows << ", sum " << i;
            }
            EXPECT_EQ(sums.back(), 77);
        }
    }
}

// Columns [first, first + columns) of a matrix of `row` of them.
void checkFewRows(int64_t rows, int64_t depth, int64_t row, int64_t first, int64_t columns, bool isSigned) {
    const int64_t aRow = (depth + 3) / 4 * 4;
    std::vector<int16_t> a(static_cast<size_t>(rows * aRow));
    for (int64_t i = 0; i < rows * aRow; ++i) {
        a[static_cast<size_t>(i)] = i % aRow < depth ? word(static_cast<size_t>(i), depth > 100) : int16_t{0};
    }
    std::vector<uint8_t> b;
    for (int64_t i = 0; i < depth * row; ++i) {
        b.push_back(static_cast<uint8_t>(depth > 100 ? 128 : i * 59 + 7));
    }
    constexpr int32_t kBehind = 77;
    const int64_t cRow = columns + 2;
    std::vector<int32_t> c(static_cast<size_t>(rows * cRow), kBehind);
    wordTile().fewRows(rows, {a.data(), aRow, b.data() + first, row, isSigned, depth, c.data(), cRow, columns});
    for (int64_t i = 0; i < rows * cRow; ++i) {
        uint32_t wanted = 0;
        for (int64_t k = 0; k < depth && i % cRow < columns; ++k) {
            const uint8_t code = b[static_cast<size_t>(k * row + first + i % cRow)];
            const int number = isSigned ? static_cast<int8_t>(code) : code;
            wanted += static_cast<uint32_t>(a[static_cast<size_t>(i / cRow * aRow + k)] * number);
        }
        ASSERT_EQ(c[static_cast<size_t>(i)], i % cRow < columns ? static_cast<int32_t>(wanted) : kBehind)
            << rows << " rows, depth " << depth << ", columns from " << first << " to " << first + columns << " of "
            << row << ", sum " << i;
    }
}

TEST(WordTileTest, FewRowsAreMultipliedByAMatrixAsItLies) {
    for (const bool isSigned : {false, true}) {
        for (int64_t rows = 0; rows <= 12; ++rows) {
            checkFewRows(rows, 21, 40, 0, 40, isSigned);
        }
        for (int64_t depth = 0; depth <= 18; ++depth) {
            checkFewRows(3, depth, 16, 0, 16, isSigned);
        }
        for (int64_t columns = 1; columns <= 35; ++columns) {
            checkFewRows(5, 13, 16 + columns, 16, columns, isSigned);
        }
        checkFewRows(1, 70000, 17, 0, 17, isSigned); // sums that wrap
    }
}

TEST(WordTileTest, PixelsAreWidenedAndFilledUp) {
    for (const bool isSigned : {false, true}) {
        for (int64_t channels = 1; channels <= 41; ++channels) {
            const int64_t pixel = (channels + 3) / 4 * 4;
            constexpr int64_t kPixels = 5;
            constexpr int16_t kBehind = 12345;
            std::vector<uint8_t> from;
            for (int64_t i = 0; i < kPixels * channels; ++i) {
                from.push_back(static_cast<uint8_t>(i * 73 + 200));
            }
            std::vector<int16_t> to(static_cast<size_t>(kPixels * pixel + 1), kBehind);
            wordTile().widen(from.data(), kPixels, channels, pixel, isSigned, -7, to.data());
            for (int64_t i = 0; i < kPixels * pixel; ++i) {
                const uint8_t code =
                    i % pixel < channels ? from[static_cast<size_t>(i / pixel * channels + i % pixel)] : 0;
                const int number = isSigned ? static_cast<int8_t>(code) : code;
                EXPECT_EQ(to[static_cast<size_t>(i)], i % pixel < channels ? number + 7 : 0)
                    << channels << " channels, " << i;
            }
            EXPECT_EQ(to.back(), kBehind);
        }
    }
}

} // namespace
} // namespace tenon::cpu
