#include "core/ops/small_tensor.h"

#include <algorithm>

namespace tenon::ops {

using ir::DimExpr;

bool countsExactly(ir::DataType type) {
    return type == ir::DataType::kI32 || type == ir::DataType::kI64 || type == ir::DataType::kF32 ||
           type == ir::DataType::kF64 || type == ir::DataType::kBool;
}

std::optional<std::vector<int64_t>> smallDims(const ExtentMath& math, const std::vector<DimExpr>& dims) {
    std::vector<int64_t> values;
    int64_t count = 1;
    for (const DimExpr e : dims) {
        const auto known = math.value(e);
        if (!known || *known < 0 || *known > InferContext::kMaxContents) {
            return std::nullopt;
        }
        values.push_back(*known);
        count *= *known; // at most kMaxContents squared before the check
        if (count > InferContext::kMaxContents) {
            return std::nullopt;
        }
    }
    return values;
}

std::optional<SmallTensor> smallTensor(const InferContext& context, size_t input) {
    auto contents = context.contentsOf(input);
    if (!contents || !context.input(input).type.ranked) {
        return std::nullopt;
    }
    auto dims = smallDims(ExtentMath(context.pool()), context.input(input).type.dims);
    if (!dims) {
        return std::nullopt;
    }
    size_t count = 1;
    for (const int64_t extent : *dims) {
        count *= static_cast<size_t>(extent);
    }
    const bool complete = std::all_of(contents->begin(), contents->end(), [](DimExpr e) { return e.valid(); });
    if (count != contents->size() || !complete) {
        return std::nullopt;
    }
    return SmallTensor{std::move(*dims), std::move(*contents)};
}

std::optional<SmallTensor> generate(std::vector<int64_t> dims,
                                    const std::function<DimExpr(const std::vector<int64_t>&)>& at) {
    size_t count = 1;
    for (const int64_t extent : dims) {
        count *= static_cast<size_t>(extent);
    }
    SmallTensor result{std::move(dims), {}};
    std::vector<int64_t> coordinate(result.dims.size(), 0);
    for (size_t i = 0; i < count; ++i) {
        const DimExpr element = at(coordinate);
        if (!element.valid()) {
            return std::nullopt;
        }
        result.elements.push_back(element);
        for (size_t d = coordinate.size(); d-- > 0;) {
            if (++coordinate[d] < result.dims[d]) {
                break;
            }
            coordinate[d] = 0;
        }
    }
    return result;
}

DimExpr elementAt(const SmallTensor& tensor, const std::vector<int64_t>& coordinate) {
    size_t index = 0;
    for (size_t d = 0; d < coordinate.size(); ++d) {
        index = index * static_cast<size_t>(tensor.dims[d]) + static_cast<size_t>(coordinate[d]);
    }
    return tensor.elements[index];
}

std::optional<SmallTensor> mapBroadcast(const std::vector<SmallTensor>& operands,
                                        const std::function<DimExpr(const std::vector<DimExpr>&)>& at) {
    size_t rank = 0;
    for (const SmallTensor& operand : operands) {
        rank = std::max(rank, operand.dims.size());
    }
    std::vector<int64_t> dims(rank, 1);
    int64_t count = 1;
    for (size_t d = 0; d < rank; ++d) {
        for (const SmallTensor& operand : operands) {
            const size_t missing = rank - operand.dims.size();
            if (d >= missing && operand.dims[d - missing] != 1) {
                dims[d] = operand.dims[d - missing];
            }
        }
        count *= dims[d];
        if (count > InferContext::kMaxContents) {
            return std::nullopt;
        }
    }
    return generate(std::move(dims), [&](const std::vector<int64_t>& coordinate) {
        std::vector<DimExpr> elements;
        for (const SmallTensor& operand : operands) {
            std::vector<int64_t> own(coordinate.end() - static_cast<std::ptrdiff_t>(operand.dims.size()),
                                     coordinate.end());
            for (size_t d = 0; d < own.size(); ++d) {
                own[d] = operand.dims[d] == 1 ? 0 : own[d];
            }
            elements.push_back(elementAt(operand, own));
        }
        return at(elements);
    });
}

void setContents(InferContext& context, size_t output, const std::optional<SmallTensor>& tensor) {
    if (tensor) {
        context.setContents(output, tensor->elements);
    }
}

} // namespace tenon::ops
