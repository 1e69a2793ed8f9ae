#include "core/plan/tensor_span.h"

#include "core/support/checked.h"
#include "core/support/text.h"

#include <algorithm>
#include <cstring>

namespace tenon::plan {

using support::cat;

int64_t spanOf(const ir::TensorFormat& format, ir::DataType type, const int64_t* dims) {
    if (format.outer_pitch == 0 || ir::isOpaque(format) || format.rank == 0) {
        return ir::bytesOf(format, type, dims);
    }
    const int64_t whole = ir::bytesOf(format, type, dims);
    if (whole <= 0) {
        return whole;
    }
    // One step of the outermost dimension, dense: the layout without its pitch at an extent that has a single such step.
    const int32_t outer = format.order[0];
    int64_t block = 1;
    for (int32_t b = 0; b < format.block_count; ++b) {
        block *= format.blocks[b].dim == outer ? format.blocks[b].size : 1;
    }
    ir::TensorFormat dense = format;
    dense.outer_pitch = 0;
    int64_t rowDims[TN_MAX_DIMS];
    std::copy_n(dims, format.rank, rowDims);
    rowDims[outer] = 1;
    const int64_t row = ir::bytesOf(dense, type, rowDims);
    const int64_t steps = dims[outer] / block + (dims[outer] % block != 0 ? 1 : 0);
    const auto pitchBits = support::checkedMul(format.outer_pitch, ir::bitsOf(type));
    if (row < 0 || !pitchBits || *pitchBits / 8 < row) {
        return -1;
    }
    const auto before = support::checkedMul(*pitchBits / 8, steps - 1);
    const auto span = before ? support::checkedAdd(*before, row) : std::nullopt;
    return span.value_or(-1);
}

std::string formatProblem(const ir::TensorFormat& format, int64_t rank) {
    constexpr int64_t kMaxBlock = int64_t{1} << 30;
    if (rank < 0 || rank > TN_MAX_DIMS) {
        return cat("rank ", rank, " is not between 0 and ", TN_MAX_DIMS);
    }
    if (format.rank != rank) {
        return cat("its format has ", format.rank, " dimensions, the tensor ", rank);
    }
    uint32_t seen = 0;
    for (int32_t i = 0; i < format.rank; ++i) {
        const int32_t dim = format.order[i];
        if (dim < 0 || dim >= format.rank || (seen & (1u << dim)) != 0) {
            return cat("the order of its format is no permutation of the dimensions");
        }
        seen |= 1u << dim;
    }
    if (format.block_count < 0 || format.block_count > TN_MAX_BLOCKS) {
        return cat("its format has ", format.block_count, " blocks");
    }
    int64_t product = 1;
    for (int32_t i = 0; i < format.block_count; ++i) {
        const TnBlock& block = format.blocks[i];
        if (block.dim < 0 || block.dim >= format.rank || block.size < 1 || block.size > kMaxBlock ||
            (product *= block.size) > kMaxBlock) {
            return cat("its format has a block of ", block.size, " along dimension ", block.dim);
        }
    }
    if (format.outer_pitch < 0 || (format.outer_pitch > 0 && format.rank == 0)) {
        return cat("its format has outer pitch ", format.outer_pitch);
    }
    if (format.alignment < 0 || (format.alignment & (format.alignment - 1)) != 0 || format.alignment > (1 << 20)) {
        return cat("its format wants alignment ", format.alignment);
    }
    if (std::memchr(format.opaque_provider, 0, sizeof(format.opaque_provider)) == nullptr || format.opaque_bytes < 0) {
        return "the opaque part of its format is damaged";
    }
    return {};
}

} // namespace tenon::plan
