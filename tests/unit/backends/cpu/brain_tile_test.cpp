#include "backends/cpu/simd/brain_tile.h"

#include <gtest/gtest.h>

#include <bit>
#include <random>
#include <vector>

namespace tenon::cpu {
namespace {

constexpr int64_t kColumns = BrainProduct::kColumns;
constexpr int64_t kDepth = BrainProduct::kDepth;

float wide(uint16_t bits) { return std::bit_cast<float>(uint32_t{bits} << 16); }

// Numbers whose products and sums are exact, so that every order of sums gives the same.
std::vector<uint16_t> numbers(int64_t count, uint32_t seed) {
    std::mt19937 random(seed);
    std::vector<uint16_t> result(static_cast<size_t>(count));
    for (uint16_t& each : result) {
        const auto number = static_cast<float>(static_cast<int>(random() % 17) - 8);
        each = static_cast<uint16_t>(std::bit_cast<uint32_t>(number) >> 16);
    }
    return result;
}

class BrainTileTest : public testing::TestWithParam<const char*> {
protected:
    void SetUp() override {
        mTile = std::string(GetParam()) == "matrix" ? matrixBrainTile() : vectorBrainTile();
        if (mTile == nullptr) {
            GTEST_SKIP() << "this processor, or system, has no " << GetParam() << " instructions for bf16";
        }
    }
    const BrainTile* mTile = nullptr;
};

TEST_P(BrainTileTest, AddsWholeStepsAndTheRest) {
    for (int64_t rows = 1; rows <= BrainProduct::kRows; ++rows) {
        for (const int64_t steps : {0, 1, 3}) {
            const int64_t aRow = steps * kDepth + 40;
            const std::vector<uint16_t> a = numbers(rows * aRow, 1);
            const std::vector<uint16_t> aRest = numbers(rows * kDepth, 2);
            const std::vector<uint16_t> b = numbers((steps + 1) * kDepth * kColumns, 3);
            const std::vector<float> start(kColumns, 0.5F);
            std::vector<float> c(static_cast<size_t>(rows * kColumns), 7.0F);
            BrainProduct product;
            product.a = a.data();
            product.aRow = aRow;
            product.b = b.data();
            product.steps = steps;
            product.start = start.data();
            product.c = c.data();
            mTile->begin(rows);
            mTile->run(rows, product);
            // Then the rest, added to what is there.
            product.steps = 0;
            product.start = nullptr;
            product.aRest = aRest.data();
            product.bRest = b.data() + steps * kDepth * kColumns;
            mTile->run(rows, product);
            mTile->end();
            for (int64_t r = 0; r < rows; ++r) {
                for (int64_t n = 0; n < kColumns; ++n) {
                    float sum = 0.5F;
                    for (int64_t k = 0; k < (steps + 1) * kDepth; ++k) {
                        const uint16_t left = k < steps * kDepth
                                                  ? a[static_cast<size_t>(r * aRow + k)]
                                                  : aRest[static_cast<size_t>(r * kDepth + k - steps * kDepth)];
                        sum += wide(left) * wide(b[static_cast<size_t>((k / 2 * kColumns + n) * 2 + k % 2)]);
                    }
                    ASSERT_EQ(c[static_cast<size_t>(r * kColumns + n)], sum)
                        << rows << " rows, " << steps << " steps, at " << r << ", " << n;
                }
            }
        }
    }
}

TEST_P(BrainTileTest, NarrowsAndWidensWhatATensorHas) {
    constexpr int64_t kRows = 3;
    for (int64_t columns = 1; columns <= kColumns; ++columns) {
        std::vector<float> block(kRows * kColumns);
        for (size_t i = 0; i < block.size(); ++i) {
            block[i] = 1.0F + static_cast<float>(i) / 64;
        }
        const int64_t pitch = columns + 5;
        std::vector<uint16_t> tensor(kRows * pitch, 0x1234);
        mTile->narrow(block.data(), nullptr, kRows, columns, tensor.data(), pitch);
        std::vector<float> back(block.size(), -1.0F);
        mTile->widen(tensor.data(), pitch, kRows, columns, back.data());
        for (int64_t r = 0; r < kRows; ++r) {
            for (int64_t n = 0; n < kColumns; ++n) {
                const auto at = static_cast<size_t>(r * kColumns + n);
                if (n < columns) {
                    EXPECT_NEAR(back[at], block[at], block[at] / 256);
                } else {
                    EXPECT_EQ(back[at], 0.0F);
                }
            }
            for (int64_t n = columns; n < pitch; ++n) {
                EXPECT_EQ(tensor[static_cast<size_t>(r * pitch + n)], 0x1234) << "written beyond the row";
            }
        }
    }
}

TEST_P(BrainTileTest, PacksRowsAndColumnsAlike) {
    for (const int64_t depth : {1, 7, 32, 45}) {
        for (const int64_t columns : {1, 15, 16, 17, 32}) {
            const int64_t padded = (depth + kDepth - 1) / kDepth * kDepth;
            const std::vector<uint16_t> matrix = numbers(depth * columns, 5); // [depth][columns]
            std::vector<uint16_t> turned(matrix.size());
            for (int64_t k = 0; k < depth; ++k) {
                for (int64_t n = 0; n < columns; ++n) {
                    turned[static_cast<size_t>(n * depth + k)] = matrix[static_cast<size_t>(k * columns + n)];
                }
            }
            std::vector<uint16_t> fromRows(static_cast<size_t>(padded * kColumns), 0xffff);
            std::vector<uint16_t> fromColumns(fromRows);
            mTile->packRows(matrix.data(), columns, depth, columns, padded, fromRows.data());
            mTile->packColumns(turned.data(), depth, depth, columns, padded, fromColumns.data());
            for (int64_t k = 0; k < padded; ++k) {
                for (int64_t n = 0; n < kColumns; ++n) {
                    const bool isThere = k < depth && n < columns;
                    const uint16_t wanted = isThere ? matrix[static_cast<size_t>(k * columns + n)] : uint16_t{0};
                    const auto at = static_cast<size_t>((k / 2 * kColumns + n) * 2 + k % 2);
                    ASSERT_EQ(fromRows[at], wanted) << depth << " by " << columns << " at " << k << ", " << n;
                    ASSERT_EQ(fromColumns[at], wanted) << depth << " by " << columns << " at " << k << ", " << n;
                }
            }
        }
    }
}

INSTANTIATE_TEST_SUITE_P(Tiles, BrainTileTest, testing::Values("matrix", "vector"),
                         [](const auto& each) { return std::string(each.param); });

} // namespace
} // namespace tenon::cpu
