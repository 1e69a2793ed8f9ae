// Places buffers with known sizes and lifetimes in one arena.
// Used by step_builder. Pure: knows numbers only. The checker is written independently and used by tests and by debug builds.
#pragma once

#include "core/support/status.h"

#include <cstdint>
#include <vector>

namespace tenon::schedule {

// Live from step `first` to step `last`, both included. bytes may be 0.
struct BufferLifetime {
    int64_t bytes = 0;
    int32_t first = 0;
    int32_t last = 0;
    // Buffers of one cluster keep their distance: each lies `within` bytes behind the beginning of the cluster. They do not overlap while both live.
    int32_t cluster = -1;
    int64_t within = 0; // a multiple of the alignment
};

// Makes a cluster of buffers that are in none yet and have one size, each right behind the one before. Others stay as they are; false then.
bool placeInRow(std::vector<BufferLifetime>& buffers, const std::vector<size_t>& row, int32_t cluster,
                int64_t alignment = 64);

struct MemoryPlan {
    std::vector<int64_t> offsets; // by buffer, multiples of the alignment
    int64_t arenaBytes = 0;
    int64_t lowerBound = 0; // most bytes alive at one step: no plan is smaller
};

// Greedy placement at the lowest free offset, tried in several orders (by size, by size times life, by first use), and then with what lies at the end
// of the arena placed first, again and again, until nothing can be smaller or some tries are spent; the smallest arena wins, earlier ones on ties. Fails only on overflow or a negative size.
support::Result<MemoryPlan> planMemory(const std::vector<BufferLifetime>& buffers, int64_t alignment = 64);

// Error naming two buffers that live at the same time and share bytes, or a buffer outside the arena.
support::Status checkMemoryPlan(const std::vector<BufferLifetime>& buffers, const MemoryPlan& plan,
                                int64_t alignment = 64);

} // namespace tenon::schedule
