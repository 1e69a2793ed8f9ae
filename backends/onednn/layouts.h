// Between Tenon's structural formats and oneDNN's memory descriptors.
//
// Who uses it: primitive.cpp. What it must not know: ops.
#pragma once

#include "backends/common/call.h"
#include "tenon/module/format.hpp"

#include <oneapi/dnnl/dnnl.hpp>

#include <optional>
#include <vector>

namespace tenon::onednn {

using kernels::Dims;

std::optional<dnnl::memory::data_type> dataTypeOf(TnDataType type);

// A tensor of these extents in a structural format. Throws Failure for what oneDNN cannot describe.
dnnl::memory::desc describe(const TnFormat& format, TnDataType type, const Dims& dims);

// The format that a descriptor has, for a tensor whose dimension d is the descriptor's dimension order[d]; nothing where blocks or strides are
// not those of a dense structural format. Padded tails are zero.
std::optional<TnFormat> formatOf(const dnnl::memory::desc& desc, const std::vector<int>& order);

// oneDNN's view of a matmul operand whose last two dimensions are to be read transposed.
dnnl::memory::desc transposed(const dnnl::memory::desc& desc);

} // namespace tenon::onednn
