// Test data for timing and verification: aligned buffers, seeded contents, comparison.
// Used by the oracle, the tactic timer and verification. Knows element types, no kernels.
#pragma once

#include "core/ir/data_type.h"
#include "core/ir/weights.h"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace tenon::schedule {

// Zeroed memory that begins a page; empty if there is none. What kernels are tried on lies so that no vector of theirs straddles cache lines, and
// inputs do not begin at the page offset where results do: a store would hold up loads 4096 bytes away from it.
std::shared_ptr<std::byte> pagesFor(int64_t bytes);

// Bytes with canaries on both sides, in the middle of a page, zeroed.
class GuardedBuffer {
public:
    GuardedBuffer() = default;
    explicit GuardedBuffer(int64_t bytes);
    std::byte* data() const { return mData; }
    int64_t bytes() const { return mBytes; }
    bool canariesIntact() const;

private:
    std::shared_ptr<std::byte> mMemory;
    std::byte* mData = nullptr;
    int64_t mBytes = 0;
};

// Uniform in [-1, 1) for floats, all values for integers of 8 bits, {0, 1} for other integers and bools, from a hash of (seed, index): equal on
// every machine. More than a million elements repeat the first million or so.
ir::ConstantPtr makeTestData(ir::DataType dtype, const std::vector<int64_t>& dims, uint64_t seed);
ir::ConstantPtr makeZeros(ir::DataType dtype, const std::vector<int64_t>& dims);

struct Difference {
    double maxAbs = 0;
    double maxRel = 0;      // |a - b| / max(|b|, 1e-12)
    double peak = 0;        // largest |reference|
    int64_t mismatched = 0; // elements beyond the tolerance
    int64_t firstIndex = -1;
};

// Elementwise |a - b| <= atol * max(1, peak) + rtol * |b|, NaN equals NaN, infinities equal their like. Integers must be equal.
// Precondition: same dtype and element count.
Difference compare(const ir::Constant& actual, const ir::Constant& reference, double rtol, double atol);

// Tolerance that a kernel of this compute type is held to.
struct Tolerance {
    double rtol = 0;
    double atol = 0;
};
Tolerance toleranceOf(ir::DataType computeType);

} // namespace tenon::schedule
