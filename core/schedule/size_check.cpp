#include "core/schedule/size_check.h"

#include "core/support/checked.h"
#include "core/support/text.h"

#include <algorithm>
#include <optional>
#include <vector>

#include <unistd.h>

namespace tenon::schedule {

namespace {

constexpr int64_t kMostBytes = int64_t{1} << 56;

std::optional<int64_t> bytesOf(ir::DataType dtype, const std::vector<int64_t>& dims) {
    std::optional<int64_t> elements = 1;
    for (const int64_t dim : dims) {
        elements = elements && dim >= 0 ? support::checkedMul(*elements, dim) : std::nullopt;
    }
    const std::optional<int64_t> bits = elements ? support::checkedMul(*elements, ir::bitsOf(dtype)) : std::nullopt;
    return bits ? std::optional<int64_t>(*bits / 8) : std::nullopt;
}

int64_t memoryBytes() {
    const int64_t pages = ::sysconf(_SC_PHYS_PAGES);
    const int64_t page = ::sysconf(_SC_PAGE_SIZE);
    return pages > 0 && page > 0 ? pages * page : kMostBytes;
}

support::Status check(const ir::Value& value, const char* which, const std::vector<int64_t>& dims, int64_t most) {
    const std::optional<int64_t> bytes = bytesOf(value.type().dtype, dims);
    if (bytes && *bytes <= most) {
        return {};
    }
    return support::invalidArgument(
        "tensor '", value.name(), "' would have the extents [", support::join(dims, ","), "] at the ", which,
        " shapes, ", bytes ? support::cat(*bytes, " bytes") : std::string("more bytes than can be counted"), "; there ",
        most == kMostBytes ? support::cat("may be ", most) : support::cat("are ", most, " bytes of memory"),
        ". Give smaller shapes in the profile");
}

} // namespace

support::Status checkSizes(const ir::Graph& graph, const ir::SymbolBox& box) {
    const ir::ExprPool& pool = graph.pool();
    const int64_t memory = memoryBytes();
    for (const ir::Value* input : graph.inputs()) {
        std::vector<int64_t> largest;
        for (const ir::DimExpr dim : input->type().dims) {
            largest.push_back(pool.bounds(dim, box).max);
        }
        TN_RETURN_IF_ERROR(check(*input, "largest", largest, kMostBytes));
    }
    const auto checkOptimal = [&](const ir::Value& value) {
        std::vector<int64_t> dims;
        for (const ir::DimExpr dim : value.type().dims) {
            dims.push_back(std::max<int64_t>(pool.evaluate(dim, box.opt), 0));
        }
        return check(value, "optimal", dims, memory);
    };
    for (const ir::Value* input : graph.inputs()) {
        TN_RETURN_IF_ERROR(checkOptimal(*input));
    }
    for (const ir::Node* node : graph.nodes()) {
        for (const ir::Value* output : node->outputs()) {
            TN_RETURN_IF_ERROR(checkOptimal(*output));
        }
    }
    return {};
}

} // namespace tenon::schedule
