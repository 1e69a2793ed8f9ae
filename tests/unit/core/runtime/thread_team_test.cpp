#include "core/runtime/thread_team.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sched.h>

#include <chrono>
#include <ctime>
#include <set>
#include <thread>
#include <vector>

namespace tenon::runtime {
namespace {

using testing::Each;
using testing::HasSubstr;

std::unique_ptr<ThreadTeam> teamOf(int32_t threads, std::vector<int32_t> processors = {}) {
    auto team = ThreadTeam::start({threads, std::move(processors)});
    EXPECT_TRUE(team.ok()) << team.status().toString();
    return std::move(team).value();
}

// Runs a lambda on the team.
template <class F>
void run(ThreadTeam& team, int32_t members, F&& body) {
    team.run(
        members, [](void* argument, int32_t member) { (*static_cast<std::remove_reference_t<F>*>(argument))(member); },
        &body);
}

TEST(ThreadTeam, CallsEveryMemberOnceOnItsOwnThread) {
    const auto team = teamOf(4);
    for (int32_t members = 1; members <= 4; ++members) {
        std::vector<std::thread::id> threads(4);
        std::vector<int> calls(4, 0);
        run(*team, members, [&](int32_t member) {
            threads[static_cast<size_t>(member)] = std::this_thread::get_id();
            ++calls[static_cast<size_t>(member)];
        });
        EXPECT_EQ(threads[0], std::this_thread::get_id());
        for (int32_t i = 0; i < 4; ++i) {
            EXPECT_EQ(calls[static_cast<size_t>(i)], i < members ? 1 : 0);
        }
        const std::set<std::thread::id> distinct(threads.begin(), threads.begin() + members);
        EXPECT_EQ(distinct.size(), static_cast<size_t>(members));
    }
}

TEST(ThreadTeam, WhatMembersWroteIsSeenAfterTheRun) {
    const auto team = teamOf(3);
    std::vector<int64_t> sums(3, 0);
    for (int turn = 0; turn < 20000; ++turn) {
        run(*team, 1 + turn % 3, [&](int32_t member) { ++sums[static_cast<size_t>(member)]; });
    }
    EXPECT_EQ(sums[0], 20000);
    EXPECT_EQ(sums[1], 13333);
    EXPECT_EQ(sums[2], 6666);
}

TEST(ThreadTeam, ABarrierHoldsBackUntilAllAreThere) {
    const auto team = teamOf(3);
    std::vector<int> steps(3, 0);
    std::atomic<int> wrong{0};
    run(*team, 3, [&](int32_t member) {
        for (int step = 1; step <= 500; ++step) {
            steps[static_cast<size_t>(member)] = step;
            team->barrier();
            for (const int other : steps) {
                wrong += other != step ? 1 : 0;
            }
            team->barrier();
        }
    });
    EXPECT_EQ(wrong, 0);
}

// Members that are late let the others sleep, and are still waited for.
TEST(ThreadTeam, WaitsForSlowMembers) {
    const auto team = teamOf(2);
    for (int slow = 0; slow < 2; ++slow) {
        std::vector<int> done(2, 0);
        run(*team, 2, [&](int32_t member) {
            if (member == slow) {
                std::this_thread::sleep_for(std::chrono::milliseconds(20));
            }
            done[static_cast<size_t>(member)] = 1;
        });
        EXPECT_THAT(done, Each(1));
        std::this_thread::sleep_for(std::chrono::milliseconds(20)); // and workers that slept wake up again
    }
}

double processSeconds() {
    timespec time{};
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) * 1e-9;
}

TEST(ThreadTeam, IdleThreadsSleep) {
    const auto team = teamOf(4);
    run(*team, 4, [](int32_t) {});
    const double before = processSeconds();
    std::this_thread::sleep_for(std::chrono::milliseconds(200));
    EXPECT_LT(processSeconds() - before, 0.05);
}

TEST(ThreadTeam, PinsItsThreadsAndNotTheCaller) {
    cpu_set_t usable;
    CPU_ZERO(&usable);
    ASSERT_EQ(sched_getaffinity(0, sizeof(usable), &usable), 0);
    std::vector<int32_t> processors;
    for (int32_t p = 0; p < CPU_SETSIZE; ++p) {
        if (CPU_ISSET(static_cast<size_t>(p), &usable)) {
            processors.push_back(p);
        }
    }
    const auto team = teamOf(3, processors);
    run(*team, 3, [&](int32_t member) {
        cpu_set_t mine;
        CPU_ZERO(&mine);
        sched_getaffinity(0, sizeof(mine), &mine);
        if (member == 0) {
            EXPECT_EQ(CPU_COUNT(&mine), CPU_COUNT(&usable));
        } else {
            EXPECT_EQ(CPU_COUNT(&mine), 1);
            EXPECT_TRUE(
                CPU_ISSET(static_cast<size_t>(processors[static_cast<size_t>(member) % processors.size()]), &mine));
        }
    });
}

TEST(ThreadTeam, SaysWhichProcessorItMayNotUse) {
    const auto team = ThreadTeam::start({2, {CPU_SETSIZE - 1}});
    ASSERT_FALSE(team.ok());
    EXPECT_THAT(team.status().toString(), HasSubstr("cannot be pinned to processor 1023"));
}

} // namespace
} // namespace tenon::runtime
