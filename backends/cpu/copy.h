// Strided copies with threads: runs of neighbours as blocks, transposes in tiles that stay in the first-level cache.
// Used by the movement and conversion ops of the cpu backend. Knows no op.
#pragma once

#include "backends/common/movement.h"
#include "backends/common/strided.h"
#include "backends/cpu/ops.h"

namespace tenon::cpu {

// A copy whose loops are chosen; elements of `bytes` (1, 2, 4 or 8).
class PreparedCopy {
public:
    PreparedCopy(const CopySpec& spec, int64_t bytes, int threads);
    void run(const void* from, void* to) const;
    size_t input() const { return mInput; }
    size_t output() const { return mOutput; }

private:
    template <class T>
    void runTyped(const T* from, T* to) const;

    size_t mInput;
    size_t mOutput;
    int64_t mBytes;
    int64_t mFirstFrom;
    int64_t mFirstTo;
    int64_t mTeam;
    bool mEmpty;
    // The two innermost loops, and those around them. Operand 0 is the target, 1 the source.
    StridedLoop mOuter;
    int64_t mRows, mColumns;
    int64_t mRowStrides[2];
    int64_t mColumnStrides[2];
};

// All copies of a movement op as one kernel.
Plan planCopies(const Call& call, const Copies& specs);

} // namespace tenon::cpu
