#include "core/support/cache_flush.h"

#include <gtest/gtest.h>

#include <chrono>
#include <numeric>
#include <vector>

namespace tenon::support {
namespace {

TEST(CacheFlush, ContentsStay) {
    std::vector<char> bytes(1000);
    std::iota(bytes.begin(), bytes.end(), 0);
    const std::vector<char> before = bytes;
    for (size_t first : {0, 1, 63}) {
        for (size_t count : {0, 1, 64, 900}) {
            flushFromCaches(bytes.data() + first, count);
        }
    }
    EXPECT_EQ(bytes, before);
}

TEST(CacheFlush, ReadingTakesLongerAfterwards) {
    std::vector<int64_t> numbers(64 * 1024, 1);
    if (!flushFromCaches(numbers.data(), 8)) {
        GTEST_SKIP() << "this processor flushes no lines, or only one after another";
    }
    volatile int64_t sink = 0;
    const auto read = [&] {
        const auto begin = std::chrono::steady_clock::now();
        // One number of each line, in an order that nothing fetches ahead.
        for (size_t i = 0; i < 8192; ++i) {
            sink = sink + numbers[i * 4099 % 8192 * 8];
        }
        return std::chrono::steady_clock::now() - begin;
    };
    // The fastest of several, since other work only ever adds time.
    auto cached = read();
    auto fetched = read() * 1000;
    for (int i = 0; i < 20; ++i) {
        cached = std::min(cached, read());
        flushFromCaches(numbers.data(), numbers.size() * sizeof(int64_t));
        fetched = std::min(fetched, read());
    }
    EXPECT_GT(fetched, cached);
}

} // namespace
} // namespace tenon::support
