// Loops over a thread team, with OpenMP where the build has it.
//
// Who uses it: kernels of the host backends. Every output element is computed by one iteration in a fixed order, so that
// results do not depend on the number of threads. What it must not know: tensors.
#pragma once

#include <algorithm>
#include <cstdint>

namespace tenon::kernels {

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
#pragma omp parallel for num_threads(static_cast <int>(team)) schedule(static, 1)
    for (int64_t t = 0; t < team; ++t) {
        body(count * t / team, count * (t + 1) / team);
    }
}

// How many threads `items` pieces of work deserve, each costing about `cost` simple vector operations: opening a parallel
// region must pay for itself, so small work stays on one.
inline int64_t teamFor(int threads, int64_t items, int64_t cost) {
    constexpr int64_t kWorth = 65536;
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
#pragma omp parallel for num_threads(static_cast <int>(team)) schedule(static, 1)
    for (int64_t t = 0; t < team; ++t) {
        body(t, count * t / team, count * (t + 1) / team);
    }
}

} // namespace tenon::kernels
