#include "backends/common/parallel.h"

#include <gtest/gtest.h>

#include <numeric>
#include <vector>

namespace tenon::kernels {
namespace {

// Runs members one after the other and counts the loops that it is asked for.
struct CountingTeam {
    int loops = 0;
    TnThreadTeam table{sizeof(TnThreadTeam), 4, this,
                       [](void* self, int32_t members, void (*body)(void*, int32_t), void* argument) {
                           ++static_cast<CountingTeam*>(self)->loops;
                           for (int32_t member = 0; member < members; ++member) {
                               body(argument, member);
                           }
                       },
                       [](void*) {}};
};

std::vector<int> countsOf(int threads, int64_t count, int64_t grain) {
    std::vector<int> seen(static_cast<size_t>(count), 0);
    parallelFor(threads, count, grain, [&](int64_t begin, int64_t end) {
        for (int64_t i = begin; i < end; ++i) {
            ++seen[static_cast<size_t>(i)];
        }
    });
    return seen;
}

TEST(Parallel, CoversEveryIterationOnceWithAndWithoutATeam) {
    CountingTeam team;
    for (const int64_t count : {1, 2, 7, 64}) {
        EXPECT_EQ(countsOf(4, count, 1), std::vector<int>(static_cast<size_t>(count), 1));
        const TeamScope scope(&team.table);
        EXPECT_EQ(countsOf(4, count, 1), std::vector<int>(static_cast<size_t>(count), 1));
    }
    EXPECT_EQ(team.loops, 3); // a single iteration is no loop
}

TEST(Parallel, SmallWorkStaysOnTheCaller) {
    CountingTeam team;
    const TeamScope scope(&team.table);
    countsOf(4, 100, 100);
    EXPECT_EQ(team.loops, 0);
    countsOf(4, 100, 50);
    EXPECT_EQ(team.loops, 1);
}

TEST(Parallel, ALoopWithinALoopRunsOnItsThread) {
    CountingTeam team;
    const TeamScope scope(&team.table);
    int64_t sum = 0;
    parallelFor(2, 2, 1, [&](int64_t, int64_t) {
        EXPECT_EQ(currentTeam(), nullptr);
        parallelFor(2, 10, 1, [&](int64_t begin, int64_t end) { sum += end - begin; });
    });
    EXPECT_EQ(sum, 20);
    EXPECT_EQ(team.loops, 1);
    EXPECT_EQ(currentTeam(), &team.table);
}

TEST(Parallel, MoreMembersThanTheTeamHasRunOneAfterTheOther) {
    CountingTeam team;
    const TeamScope scope(&team.table);
    std::vector<int64_t> members;
    parallelTeam(9, 9, [&](int64_t member, int64_t, int64_t) { members.push_back(member); });
    std::vector<int64_t> expected(9);
    std::iota(expected.begin(), expected.end(), 0);
    EXPECT_EQ(members, expected);
    EXPECT_EQ(team.loops, 0);
}

} // namespace
} // namespace tenon::kernels
