// Loops over the thread team that the host gives to a session.
//
// Who uses it: kernels of the host backends; whoever runs them opens a TeamScope. Every output element is computed by one iteration in a fixed order, so that
// results do not depend on the number of threads. What it must not know: tensors.
#pragma once

#include "tenon/module/abi.h"

#include <algorithm>
#include <cstdint>

namespace tenon::kernels {

// While it lives, loops of this thread run on `team`; null: on this thread alone.
class TeamScope {
public:
    explicit TeamScope(const TnThreadTeam* team);
    ~TeamScope();
    TeamScope(const TeamScope&) = delete;
    TeamScope& operator=(const TeamScope&) = delete;

private:
    const TnThreadTeam* mBefore;
};

// Null where there is none, and within a loop.
const TnThreadTeam* currentTeam();

// Calls body(argument, member) for all members: at the same time where the current team has as many threads, otherwise one after the other.
void runMembers(int64_t members, void (*body)(void* argument, int32_t member), void* argument);

template <class Body>
void forMembers(int64_t members, const Body& body) {
    // The team's table is C: the body travels as an address, and is only called.
    runMembers(
        members, [](void* argument, int32_t member) { (*static_cast<const Body*>(argument))(int64_t{member}); },
        const_cast<Body*>(&body));
}

// Calls body(begin, end) on consecutive ranges that cover 0..count. At most `threads` threads; a range has at least
// `grain` iterations, so small work stays on the caller's thread and opens no parallel region.
template <class Body>
void parallelFor(int threads, int64_t count, int64_t grain, const Body& body) {
    if (count <= 0) {
        return;
    }
    const int64_t least = std::max<int64_t>(grain, 1);
    const int64_t team = std::min<int64_t>(threads, (count + least - 1) / least);
    if (team <= 1) {
        body(int64_t{0}, count);
        return;
    }
    forMembers(team, [&](int64_t t) { body(count * t / team, count * (t + 1) / team); });
}

// How many threads `items` pieces of work deserve, each costing about `cost` simple vector operations. Starting a team and waiting for it takes
// less than a microsecond; a thread's share should take longer. Not much longer: what one thread alone has read or written lies in its cache, and
// the team, which comes next, gets it from there at a fifth of the speed.
inline int64_t teamFor(int threads, int64_t items, int64_t cost) {
    constexpr int64_t kWorth = 4096;
    const int64_t worth = items > (int64_t{1} << 40) / (cost + 1) ? threads : items * cost / kWorth;
    return std::clamp<int64_t>(worth, 1, std::max<int64_t>(1, std::min<int64_t>(threads, items)));
}

// Calls body(member, begin, end) once per member of a team of that size, on consecutive ranges that cover 0..count. A
// member may own a part of a workspace.
template <class Body>
void parallelTeam(int64_t team, int64_t count, const Body& body) {
    if (team <= 1) {
        body(int64_t{0}, int64_t{0}, count);
        return;
    }
    forMembers(team, [&](int64_t t) { body(t, count * t / team, count * (t + 1) / team); });
}

} // namespace tenon::kernels
