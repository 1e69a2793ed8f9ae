#include "backends/cpu/simd/window_tile.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <limits>
#include <random>
#include <string>
#include <vector>

namespace tenon::cpu {
namespace {

constexpr int64_t kColumns = WindowProduct::kColumns;

float wide(uint16_t bits) { return std::bit_cast<float>(uint32_t{bits} << 16); }
uint16_t narrow(float number) { return static_cast<uint16_t>(std::bit_cast<uint32_t>(number) >> 16); }

// Small whole numbers: every order of sums gives the same, and what is written is exact up to 256.
std::vector<uint16_t> numbers(int64_t count, uint32_t seed) {
    std::mt19937 random(seed);
    std::vector<uint16_t> result(static_cast<size_t>(count));
    for (uint16_t& each : result) {
        each = random() % 8 == 0 ? narrow(static_cast<float>(static_cast<int>(random() % 3) - 1)) : 0;
    }
    return result;
}

struct Window {
    int64_t positions = 0;
    int64_t depth = 0;
    int64_t columns = 0;
    bool adds = false;
    bool doubles = false;
};

class WindowTileTest : public testing::TestWithParam<const char*> {
protected:
    void SetUp() override {
        mTile = std::string(GetParam()) == "matrix" ? matrixWindowTile() : vectorWindowTile();
        if (mTile == nullptr) {
            GTEST_SKIP() << "this processor, or system, has no " << GetParam() << " instructions for bf16";
        }
    }

    // Three taps; every third position, and the first one, has no result.
    void compare(const Window& window) const {
        const int64_t step = WindowTile::step(window.depth);
        ASSERT_GT(step, 0);
        const int64_t pixel = window.depth + 4;
        const int64_t taps[] = {0, 2 * pixel, 5 * pixel};
        const std::vector<uint16_t> a = numbers((window.positions + 5 + WindowProduct::kRows + 1) * pixel, 1);
        const std::vector<uint16_t> b = numbers(3 * window.depth * kColumns, 2);
        const std::vector<float> start(kColumns, 2.0F);
        std::vector<int32_t> where;
        int32_t results = 0;
        for (int64_t i = 0; i < window.positions; ++i) {
            where.push_back(i % 3 == 0 ? -1 : results++);
        }
        const int64_t cPixel = window.columns + 3;
        std::vector<uint16_t> c = numbers(results * cPixel + kColumns, 3);
        std::vector<uint16_t> wanted = c;
        for (int64_t i = 0; i < window.positions; ++i) {
            for (int64_t n = 0; n < window.columns && where[static_cast<size_t>(i)] >= 0; ++n) {
                float sum = 2.0F;
                for (int64_t tap = 0; tap < 3; ++tap) {
                    for (int64_t k = 0; k < window.depth; ++k) {
                        const auto left = static_cast<size_t>(i * pixel + taps[tap] + k);
                        const int64_t pair = (tap * window.depth + k) / 2;
                        sum += wide(a[left]) * wide(b[static_cast<size_t>((pair * kColumns + n) * 2 + k % 2)]);
                    }
                }
                uint16_t& at = wanted[static_cast<size_t>(where[static_cast<size_t>(i)] * cPixel + n)];
                sum = (window.doubles ? 2 * sum : sum) + (window.adds ? wide(at) : 0);
                at = narrow(std::clamp(sum, -9.0F, 12.0F));
            }
        }
        alignas(64) float scratch[WindowTile::kScratch / sizeof(float)];
        WindowProduct product;
        product.a = a.data();
        product.aPixel = pixel;
        product.taps = taps;
        product.tapCount = 3;
        product.depth = window.depth;
        product.b = b.data();
        product.next = reinterpret_cast<const char*>(b.data());
        product.nextBytes = static_cast<int64_t>(b.size() * sizeof(uint16_t));
        product.positions = window.positions;
        product.where = where.data();
        product.c = c.data();
        product.cPixel = cPixel;
        product.columns = window.columns;
        product.start = start.data();
        product.sum = window.adds ? c.data() : nullptr;
        product.low = -9;
        product.high = 12;
        if (window.doubles) {
            product.function = [](const void*, float* sums, int64_t count) {
                std::for_each(sums, sums + count, [](float& each) { each *= 2; });
            };
        }
        mTile->begin(step);
        mTile->run(product, step, scratch);
        mTile->end();
        for (size_t i = 0; i < c.size(); ++i) {
            ASSERT_EQ(wide(c[i]), wide(wanted[i])) << window.positions << " positions, depth " << window.depth << ", "
                                                   << window.columns << " columns, at " << i;
        }
    }

    const WindowTile* mTile = nullptr;
};

TEST_P(WindowTileTest, SumsTapsOfPositionsThatHaveResults) {
    for (int64_t positions = 0; positions <= 70; ++positions) {
        compare({positions, 32, 32});
    }
}

TEST_P(WindowTileTest, WritesTheColumnsThatThereAre) {
    for (int64_t columns = 1; columns <= kColumns; ++columns) {
        compare({20, 16, columns, columns % 2 == 0, columns % 3 == 0});
    }
}

TEST_P(WindowTileTest, GoesThroughDepthsInStretches) {
    for (const int64_t depth : {16, 24, 96, 256, 288, 528}) {
        compare({40, depth, 32, true});
    }
}

INSTANTIATE_TEST_SUITE_P(Tiles, WindowTileTest, testing::Values("matrix", "vector"),
                         [](const auto& each) { return std::string(each.param); });

} // namespace
} // namespace tenon::cpu
