// Part of the interpreter: tensors by coordinate, and the ops that pick elements of one.
#pragma once

#include "tests/golden/interpreter.h"

#include <functional>
#include <numeric>

namespace tenon::golden {

using Dims = std::vector<int64_t>;

inline int64_t countOf(const Dims& dims) {
    return std::accumulate(dims.begin(), dims.end(), int64_t{1}, std::multiplies<>());
}

inline Dims coordinateOf(int64_t index, const Dims& dims) {
    Dims at(dims.size());
    for (size_t i = dims.size(); i-- > 0;) {
        at[i] = index % dims[i];
        index /= dims[i];
    }
    return at;
}

inline int64_t indexOf(const Dims& at, const Dims& dims) {
    int64_t index = 0;
    for (size_t i = 0; i < dims.size(); ++i) {
        index = index * dims[i] + at[i];
    }
    return index;
}

inline Tensor generate(Dims dims, const std::function<double(const Dims&)>& element) {
    Tensor result;
    const int64_t count = countOf(dims);
    for (int64_t i = 0; i < count; ++i) {
        result.values.push_back(element(coordinateOf(i, dims)));
    }
    result.dims = std::move(dims);
    return result;
}

std::vector<Tensor> split(const ir::Node& node, const Tensor& x, const std::vector<int64_t>& symbols);
// Error: the starts are an operand.
support::Result<Tensor> slice(const ir::Node& node, const Tensor& x, const Dims& dims,
                              const std::vector<int64_t>& symbols);
Tensor oneHot(const ir::Node& node, const Tensor& indices, const Tensor& values, const Dims& dims);
// Without strides and padding.
Tensor averagePool(const ir::Node& node, const Tensor& x, const Dims& dims);
Tensor gather(const ir::Node& node, const Tensor& x, const Tensor& indices, const Dims& dims);

} // namespace tenon::golden
