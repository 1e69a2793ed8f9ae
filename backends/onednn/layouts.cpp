#include "backends/onednn/layouts.h"

#include <algorithm>
#include <numeric>

namespace tenon::onednn {

std::optional<dnnl::memory::data_type> dataTypeOf(TnDataType type) {
    switch (type) {
    case TN_F32:
        return dnnl::memory::data_type::f32;
    case TN_BF16:
        return dnnl::memory::data_type::bf16;
    case TN_I8:
        return dnnl::memory::data_type::s8;
    case TN_U8:
        return dnnl::memory::data_type::u8;
    case TN_I32:
        return dnnl::memory::data_type::s32;
    default:
        return std::nullopt;
    }
}

dnnl::memory::desc describe(const TnFormat& format, TnDataType type, const Dims& dims) {
    std::optional<dnnl::memory::data_type> dataType = dataTypeOf(type);
    if (!dataType || module::isOpaque(format) || format.outer_pitch != 0) {
        kernels::refuse("oneDNN has no layout for ", module::nameOf(type), " ", module::describe(format));
    }
    if (dims.empty()) {
        return {dnnl::memory::dims{1}, *dataType, dnnl::memory::dims{1}};
    }
    int64_t strides[TN_MAX_DIMS] = {};
    int64_t inner = 1;
    for (int32_t i = 0; i < format.block_count; ++i) {
        inner *= format.blocks[i].size;
    }
    int64_t stride = inner;
    Dims padded = dims;
    for (size_t d = 0; d < dims.size(); ++d) {
        const int64_t block = module::blockOf(format, static_cast<int32_t>(d));
        padded[d] = (dims[d] + block - 1) / block * block;
    }
    for (int32_t i = format.rank - 1; i >= 0; --i) {
        const int32_t dim = format.order[i];
        strides[dim] = stride;
        stride *= std::max<int64_t>(padded[static_cast<size_t>(dim)] / module::blockOf(format, dim), 1);
    }
    // The C++ interface of oneDNN 2 makes blocked layouts from tags only, and takes strides of blocks for overlapping ones; the C structure
    // says them directly.
    dnnl_memory_desc_t raw{};
    raw.ndims = static_cast<int>(dims.size());
    raw.data_type = static_cast<dnnl_data_type_t>(*dataType);
    raw.format_kind = dnnl_blocked;
    for (size_t d = 0; d < dims.size(); ++d) {
        raw.dims[d] = dims[d];
        raw.padded_dims[d] = padded[d];
        raw.format_desc.blocking.strides[d] = strides[d];
    }
    raw.format_desc.blocking.inner_nblks = format.block_count;
    for (int32_t i = 0; i < format.block_count; ++i) {
        raw.format_desc.blocking.inner_blks[i] = format.blocks[i].size;
        raw.format_desc.blocking.inner_idxs[i] = format.blocks[i].dim;
    }
    return dnnl::memory::desc(raw);
}

std::optional<TnFormat> formatOf(const dnnl::memory::desc& desc, const std::vector<int>& order) {
    const dnnl_memory_desc_t& raw = desc.data;
    if (raw.format_kind != dnnl_blocked || raw.ndims != static_cast<int>(order.size()) || raw.extra.flags != 0 ||
        raw.offset0 != 0 || raw.format_desc.blocking.inner_nblks > TN_MAX_BLOCKS) {
        return std::nullopt;
    }
    std::vector<int> position(order.size()); // descriptor dimension -> tensor dimension
    for (size_t d = 0; d < order.size(); ++d) {
        position[static_cast<size_t>(order[d])] = static_cast<int>(d);
    }
    TnFormat format = module::linearFormat(raw.ndims);
    const dnnl_blocking_desc_t& blocking = raw.format_desc.blocking;
    std::vector<int64_t> block(order.size(), 1);
    for (int i = 0; i < blocking.inner_nblks; ++i) {
        block[static_cast<size_t>(blocking.inner_idxs[i])] *= blocking.inner_blks[i];
        format.blocks[i] = {position[static_cast<size_t>(blocking.inner_idxs[i])],
                            static_cast<int32_t>(blocking.inner_blks[i])};
    }
    format.block_count = blocking.inner_nblks;
    std::vector<int> outer(order.size());
    std::iota(outer.begin(), outer.end(), 0);
    // Extents of one block have no say in the order; keeping their place makes equal layouts equal.
    std::stable_sort(outer.begin(), outer.end(),
                     [&](int a, int b) { return blocking.strides[a] > blocking.strides[b]; });
    int64_t expected = std::accumulate(block.begin(), block.end(), int64_t{1}, std::multiplies<>());
    for (size_t i = outer.size(); i-- > 0;) {
        const auto dim = static_cast<size_t>(outer[i]);
        const int64_t blocks = raw.padded_dims[dim] / block[dim];
        if (raw.padded_dims[dim] % block[dim] != 0 || (blocks > 1 && blocking.strides[dim] != expected)) {
            return std::nullopt;
        }
        expected *= std::max<int64_t>(blocks, 1);
        format.order[i] = position[dim];
    }
    for (size_t d = 0; d < order.size(); ++d) {
        if (raw.padded_dims[d] != raw.dims[d]) {
            // More padding than the blocks ask for cannot be said structurally.
            if (raw.padded_dims[d] != (raw.dims[d] + block[d] - 1) / block[d] * block[d]) {
                return std::nullopt;
            }
            format.tail_zero = 1;
        }
    }
    return format;
}

dnnl::memory::desc transposed(const dnnl::memory::desc& desc) {
    const int rank = desc.data.ndims;
    std::vector<int> order(static_cast<size_t>(rank));
    std::iota(order.begin(), order.end(), 0);
    std::swap(order[static_cast<size_t>(rank) - 1], order[static_cast<size_t>(rank) - 2]);
    return desc.permute_axes(order);
}

} // namespace tenon::onednn
