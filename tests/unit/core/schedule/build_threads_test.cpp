#include "core/schedule/build_phases.h"
#include "core/schedule/build_threads.h"

#include <gtest/gtest.h>

#include <atomic>
#include <vector>

namespace tenon::schedule {
namespace {

TEST(BuildThreads, DoesEachPieceOnce) {
    std::vector<std::atomic<int>> done(1000);
    inParallel(
        done.size(), [&](size_t i) { ++done[i]; }, [] { return false; });
    for (const std::atomic<int>& count : done) {
        EXPECT_EQ(count, 1);
    }
}

TEST(BuildThreads, BeginsNothingOnceItIsStopped) {
    std::atomic<int> done{0};
    std::atomic<bool> asked{false};
    inParallel(
        1'000'000'000,
        [&](size_t) {
            // What is under way when the answer comes may end; the rest never begins.
            ++done;
        },
        [&] { return asked.exchange(true); });
    EXPECT_TRUE(asked);
    EXPECT_LT(done, 1'000'000'000);
}

TEST(BuildPhases, ListsTheLongestFirstAndLeavesOutTheShort) {
    BuildPhases phases;
    phases.add("select", 0.5);
    phases.add("compile", 1);
    phases.add("compile", 1.25);
    phases.add("blink", 0.001);
    EXPECT_EQ(phases.text(), "compile 2.25 s (2), select 0.50 s (1)");
}

} // namespace
} // namespace tenon::schedule
