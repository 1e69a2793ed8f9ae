#include "core/schedule/memory_planner.h"

#include <algorithm>
#include <map>
#include <numeric>
#include <tuple>

namespace tenon::schedule {

namespace {

bool overlapInTime(const BufferLifetime& a, const BufferLifetime& b) { return a.first <= b.last && b.first <= a.last; }

int64_t rounded(int64_t bytes, int64_t alignment) { return (bytes + alignment - 1) / alignment * alignment; }

// Places buffers in the given order, each in the lowest gap among the placed ones it lives with.
MemoryPlan place(const std::vector<BufferLifetime>& buffers, const std::vector<size_t>& order, int64_t alignment) {
    MemoryPlan plan;
    plan.offsets.assign(buffers.size(), 0);
    std::vector<size_t> placed; // by offset
    for (size_t index : order) {
        const BufferLifetime& buffer = buffers[index];
        int64_t size = rounded(buffer.bytes, alignment);
        if (size == 0) {
            continue;
        }
        int64_t offset = 0;
        for (size_t other : placed) {
            if (!overlapInTime(buffer, buffers[other])) {
                continue;
            }
            if (plan.offsets[other] - offset >= size) {
                break;
            }
            offset = std::max(offset, plan.offsets[other] + rounded(buffers[other].bytes, alignment));
        }
        plan.offsets[index] = offset;
        plan.arenaBytes = std::max(plan.arenaBytes, offset + size);
        placed.insert(std::upper_bound(placed.begin(), placed.end(), index,
                                       [&](size_t a, size_t b) { return plan.offsets[a] < plan.offsets[b]; }),
                      index);
    }
    return plan;
}

int64_t mostAlive(const std::vector<BufferLifetime>& buffers, int64_t alignment) {
    std::map<int64_t, int64_t> change;
    for (const BufferLifetime& buffer : buffers) {
        change[buffer.first] += rounded(buffer.bytes, alignment);
        change[int64_t{buffer.last} + 1] -= rounded(buffer.bytes, alignment);
    }
    int64_t alive = 0;
    int64_t most = 0;
    for (const auto& [step, bytes] : change) {
        alive += bytes;
        most = std::max(most, alive);
    }
    return most;
}

} // namespace

support::Result<MemoryPlan> planMemory(const std::vector<BufferLifetime>& buffers, int64_t alignment) {
    int64_t total = 0;
    for (size_t i = 0; i < buffers.size(); ++i) {
        if (buffers[i].bytes < 0 || buffers[i].last < buffers[i].first) {
            return support::internalError("memory planner: buffer ", i, " has size ", buffers[i].bytes, " and life [",
                                          buffers[i].first, ", ", buffers[i].last, "]");
        }
        if (buffers[i].bytes > INT64_MAX - alignment ||
            __builtin_add_overflow(total, rounded(buffers[i].bytes, alignment), &total)) {
            return support::makeError(support::Code::kOutOfMemory,
                                      "the buffers of this network exceed 2^63 bytes at the largest extents of the "
                                      "profile; lower the profile's maximum");
        }
    }
    std::vector<size_t> order(buffers.size());
    std::iota(order.begin(), order.end(), size_t{0});
    auto bySize = [&](size_t i) { return std::tuple(-buffers[i].bytes, int64_t{buffers[i].first}, i); };
    auto byArea = [&](size_t i) {
        const double life = static_cast<double>(buffers[i].last) - buffers[i].first + 1;
        return std::tuple(-static_cast<double>(buffers[i].bytes) * life, -buffers[i].bytes, i);
    };
    auto byStart = [&](size_t i) { return std::tuple(int64_t{buffers[i].first}, -buffers[i].bytes, i); };

    MemoryPlan best;
    bool haveBest = false;
    auto attempt = [&](auto key) {
        std::sort(order.begin(), order.end(), [&](size_t a, size_t b) { return key(a) < key(b); });
        MemoryPlan plan = place(buffers, order, alignment);
        if (!haveBest || plan.arenaBytes < best.arenaBytes) {
            best = std::move(plan);
            haveBest = true;
        }
    };
    attempt(bySize);
    attempt(byArea);
    attempt(byStart);
    best.lowerBound = mostAlive(buffers, alignment);
    return best;
}

support::Status checkMemoryPlan(const std::vector<BufferLifetime>& buffers, const MemoryPlan& plan, int64_t alignment) {
    if (plan.offsets.size() != buffers.size()) {
        return support::internalError("memory plan has ", plan.offsets.size(), " offsets for ", buffers.size(),
                                      " buffers");
    }
    for (size_t i = 0; i < buffers.size(); ++i) {
        if (plan.offsets[i] < 0 || plan.offsets[i] % alignment != 0 ||
            plan.offsets[i] + buffers[i].bytes > plan.arenaBytes) {
            return support::internalError("buffer ", i, " at offset ", plan.offsets[i], " with ", buffers[i].bytes,
                                          " bytes does not fit the arena of ", plan.arenaBytes, " bytes");
        }
    }
    for (size_t i = 0; i < buffers.size(); ++i) {
        for (size_t j = i + 1; j < buffers.size(); ++j) {
            bool sameTime = !(buffers[i].last < buffers[j].first || buffers[j].last < buffers[i].first);
            bool sameBytes = plan.offsets[i] < plan.offsets[j] + buffers[j].bytes &&
                             plan.offsets[j] < plan.offsets[i] + buffers[i].bytes;
            if (sameTime && sameBytes && buffers[i].bytes > 0 && buffers[j].bytes > 0) {
                return support::internalError("buffers ", i, " and ", j, " are alive together and share bytes");
            }
        }
    }
    return {};
}

} // namespace tenon::schedule
