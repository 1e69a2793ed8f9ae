#include "core/schedule/memory_planner.h"

#include <algorithm>
#include <map>
#include <numeric>
#include <tuple>

namespace tenon::schedule {

namespace {

bool overlapInTime(const BufferLifetime& a, const BufferLifetime& b) { return a.first <= b.last && b.first <= a.last; }

int64_t rounded(int64_t bytes, int64_t alignment) { return (bytes + alignment - 1) / alignment * alignment; }

// Buffers that are placed together: one, or those of a cluster.
struct Piece {
    std::vector<size_t> buffers;
    int64_t bytes = 0; // of all of them
    int32_t first = INT32_MAX;
    int32_t last = -1;
};

std::vector<Piece> piecesOf(const std::vector<BufferLifetime>& buffers) {
    std::vector<Piece> pieces;
    std::map<int32_t, size_t> pieceOf;
    for (size_t i = 0; i < buffers.size(); ++i) {
        const BufferLifetime& buffer = buffers[i];
        size_t index = pieces.size();
        if (buffer.cluster >= 0) {
            index = pieceOf.emplace(buffer.cluster, index).first->second;
        }
        if (index == pieces.size()) {
            pieces.emplace_back();
        }
        Piece& piece = pieces[index];
        piece.buffers.push_back(i);
        piece.bytes += buffer.bytes;
        piece.first = std::min(piece.first, buffer.first);
        piece.last = std::max(piece.last, buffer.last);
    }
    return pieces;
}

// Places pieces in the given order, each as low as the placed buffers allow that its buffers live with.
MemoryPlan place(const std::vector<BufferLifetime>& buffers, const std::vector<Piece>& pieces,
                 const std::vector<size_t>& order, int64_t alignment) {
    MemoryPlan plan;
    plan.offsets.assign(buffers.size(), 0);
    std::vector<size_t> placed; // by offset
    for (const size_t index : order) {
        int64_t base = 0;
        // Every move is forced, so the first base that fits is the lowest.
        for (bool fits = false; !fits;) {
            fits = true;
            for (const size_t own : pieces[index].buffers) {
                const int64_t size = rounded(buffers[own].bytes, alignment);
                for (const size_t other : placed) {
                    const int64_t begin = base + buffers[own].within;
                    if (size == 0 || plan.offsets[other] >= begin + size) {
                        break;
                    }
                    const int64_t end = plan.offsets[other] + rounded(buffers[other].bytes, alignment);
                    if (end > begin && overlapInTime(buffers[own], buffers[other])) {
                        base = end - buffers[own].within;
                        fits = false;
                    }
                }
            }
        }
        for (const size_t own : pieces[index].buffers) {
            const int64_t size = rounded(buffers[own].bytes, alignment);
            if (size == 0) {
                continue;
            }
            plan.offsets[own] = base + buffers[own].within;
            plan.arenaBytes = std::max(plan.arenaBytes, plan.offsets[own] + size);
            placed.insert(std::upper_bound(placed.begin(), placed.end(), own,
                                           [&](size_t a, size_t b) { return plan.offsets[a] < plan.offsets[b]; }),
                          own);
        }
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

// What reaches the end of the arena found no room below. Placed before everything else it has it; the others then look for theirs.
void improve(const std::vector<BufferLifetime>& buffers, const std::vector<Piece>& pieces, std::vector<size_t> order,
             int64_t alignment, MemoryPlan& best) {
    constexpr size_t kMostTries = 64;
    constexpr size_t kMostPlaced = 1 << 16; // over all tries: the time of large networks
    MemoryPlan plan = best;
    const size_t tries = std::min(kMostTries, kMostPlaced / std::max<size_t>(buffers.size(), 1));
    for (size_t i = 0; i < tries && best.arenaBytes > best.lowerBound; ++i) {
        const auto reachesEnd = [&](size_t piece) {
            return std::any_of(pieces[piece].buffers.begin(), pieces[piece].buffers.end(), [&](size_t buffer) {
                return plan.offsets[buffer] + rounded(buffers[buffer].bytes, alignment) == plan.arenaBytes;
            });
        };
        const auto last = std::find_if(order.begin(), order.end(), reachesEnd);
        if (last == order.begin() || last == order.end()) {
            return;
        }
        std::rotate(order.begin(), last, last + 1);
        plan = place(buffers, pieces, order, alignment);
        if (plan.arenaBytes < best.arenaBytes) {
            plan.lowerBound = best.lowerBound;
            best = plan;
        }
    }
}

} // namespace

bool placeInRow(std::vector<BufferLifetime>& buffers, const std::vector<size_t>& row, int32_t cluster,
                int64_t alignment) {
    for (size_t i = 0; i < row.size(); ++i) {
        const BufferLifetime& own = buffers[row[i]];
        if (own.cluster >= 0 || own.bytes != buffers[row[0]].bytes ||
            std::find(row.begin(), row.begin() + static_cast<std::ptrdiff_t>(i), row[i]) !=
                row.begin() + static_cast<std::ptrdiff_t>(i)) {
            return false;
        }
    }
    for (size_t i = 0; i < row.size(); ++i) {
        buffers[row[i]].cluster = cluster;
        buffers[row[i]].within = static_cast<int64_t>(i) * rounded(buffers[row[i]].bytes, alignment);
    }
    return true;
}

support::Result<MemoryPlan> planMemory(const std::vector<BufferLifetime>& buffers, int64_t alignment) {
    int64_t total = 0;
    for (size_t i = 0; i < buffers.size(); ++i) {
        if (buffers[i].within % alignment != 0 || buffers[i].within < 0) {
            return support::internalError("memory planner: buffer ", i, " lies ", buffers[i].within,
                                          " bytes behind the beginning of its cluster");
        }
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
    const std::vector<Piece> pieces = piecesOf(buffers);
    std::vector<size_t> order(pieces.size());
    std::iota(order.begin(), order.end(), size_t{0});
    auto bySize = [&](size_t i) { return std::tuple(-pieces[i].bytes, int64_t{pieces[i].first}, i); };
    auto byArea = [&](size_t i) {
        const double life = static_cast<double>(pieces[i].last) - pieces[i].first + 1;
        return std::tuple(-static_cast<double>(pieces[i].bytes) * life, -pieces[i].bytes, i);
    };
    auto byStart = [&](size_t i) { return std::tuple(int64_t{pieces[i].first}, -pieces[i].bytes, i); };

    MemoryPlan best;
    std::vector<size_t> bestOrder;
    auto attempt = [&](auto key) {
        std::sort(order.begin(), order.end(), [&](size_t a, size_t b) { return key(a) < key(b); });
        MemoryPlan plan = place(buffers, pieces, order, alignment);
        if (bestOrder.empty() || plan.arenaBytes < best.arenaBytes) {
            best = std::move(plan);
            bestOrder = order;
        }
    };
    attempt(bySize);
    attempt(byArea);
    attempt(byStart);
    best.lowerBound = mostAlive(buffers, alignment);
    improve(buffers, pieces, std::move(bestOrder), alignment, best);
    // No tactic is ever compared while another tensor shares its memory: a fault here would be a wrong answer that nobody sees.
    TN_RETURN_IF_ERROR(checkMemoryPlan(buffers, best, alignment));
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
            if (buffers[i].cluster >= 0 && buffers[i].cluster == buffers[j].cluster && buffers[i].bytes > 0 &&
                buffers[j].bytes > 0 && plan.offsets[j] - plan.offsets[i] != buffers[j].within - buffers[i].within) {
                return support::internalError("buffers ", i, " and ", j, " are not at the distance that they keep");
            }
        }
    }
    return {};
}

} // namespace tenon::schedule
