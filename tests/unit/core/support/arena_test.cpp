#include "core/support/arena.h"

#include <algorithm>
#include <cstdint>
#include <set>
#include <string>
#include <vector>

#include <gtest/gtest.h>

namespace tenon::support {
namespace {

TEST(Arena, AlignsAndNeverOverlaps) {
    Arena arena(64);
    std::vector<std::byte*> pieces;
    for (size_t size = 0; size < 300; ++size) {
        const size_t alignment = size_t{1} << (size % 8);
        pieces.push_back(static_cast<std::byte*>(arena.allocate(size, alignment)));
        EXPECT_EQ(reinterpret_cast<uintptr_t>(pieces.back()) % alignment, 0U);
        std::fill_n(pieces.back(), size, static_cast<std::byte>(size));
    }
    for (size_t size = 0; size < pieces.size(); ++size) {
        EXPECT_EQ(std::count(pieces[size], pieces[size] + size, static_cast<std::byte>(size)),
                  static_cast<std::ptrdiff_t>(size));
    }
    EXPECT_EQ(std::set<std::byte*>(pieces.begin(), pieces.end()).size(), pieces.size());
    EXPECT_GE(arena.used(), 300U * 299U / 2U);
}

TEST(Arena, MakesObjectsArraysAndText) {
    Arena arena;
    struct Point {
        int x, y;
    };
    const Point* const point = arena.make<Point>(Point{1, 2});
    EXPECT_EQ(point->y, 2);
    const std::span<int64_t> numbers = arena.makeArray<int64_t>(5);
    EXPECT_EQ(numbers.size(), 5U);
    EXPECT_EQ(numbers[4], 0);
    std::string text = "short-lived";
    const std::string_view copy = arena.copyText(text);
    text = "overwritten";
    EXPECT_EQ(copy, "short-lived");
    EXPECT_EQ(arena.copyText(""), "");
}

TEST(Arena, LargerThanABlock) {
    Arena arena(16);
    auto* const memory = static_cast<std::byte*>(arena.allocate(5'000'000, 64));
    memory[0] = memory[4'999'999] = std::byte{1};
    EXPECT_THROW(arena.makeArray<int64_t>(static_cast<size_t>(-1) / 4), std::bad_alloc);
}

TEST(Arena, ResetUsesTheLargestBlockAgain) {
    Arena arena(16);
    arena.allocate(10);
    void* const large = arena.allocate(1000, 1);
    arena.reset();
    EXPECT_EQ(arena.used(), 0U);
    EXPECT_EQ(arena.allocate(1000, 1), large);
}

TEST(Arena, MovingKeepsAddressesAndEmptiesTheSource) {
    Arena arena;
    const std::string_view text = arena.copyText("kept");
    Arena moved = std::move(arena);
    EXPECT_EQ(text, "kept");
    EXPECT_EQ(arena.used(), 0U); // NOLINT(bugprone-use-after-move): a moved-from arena is an empty one
    arena = Arena();
    arena.allocate(8);
    moved = std::move(arena);
    EXPECT_GE(moved.used(), 8U);
}

} // namespace
} // namespace tenon::support
