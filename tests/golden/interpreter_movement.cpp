#include "tests/golden/interpreter_movement.h"

#include <algorithm>

namespace tenon::golden {

using ir::Node;
using support::Result;

namespace {

// The elements of x at starts, starts + steps, ...; zero where that is outside.
Tensor cutOut(const Tensor& x, const Dims& starts, const Dims& steps, const Dims& dims) {
    return generate(dims, [&](Dims at) {
        for (size_t i = 0; i < at.size(); ++i) {
            at[i] = starts[i] + at[i] * steps[i];
            if (at[i] < 0 || at[i] >= x.dims[i]) {
                return 0.0;
            }
        }
        return x.values[static_cast<size_t>(indexOf(at, x.dims))];
    });
}

} // namespace

std::vector<Tensor> split(const Node& node, const Tensor& x, const std::vector<int64_t>& symbols) {
    int64_t axis = node.attributes().intOr("axis", 0);
    axis += axis < 0 ? static_cast<int64_t>(x.dims.size()) : 0;
    std::vector<Tensor> parts;
    Dims starts(x.dims.size(), 0);
    for (const ir::Value* output : node.outputs()) {
        parts.push_back(
            cutOut(x, starts, Dims(x.dims.size(), 1), extentsOf(node.graph()->pool(), output->type(), symbols)));
        starts[static_cast<size_t>(axis)] += parts.back().dims[static_cast<size_t>(axis)];
    }
    return parts;
}

Result<Tensor> slice(const Node& node, const Tensor& x, const Dims& dims, const std::vector<int64_t>& symbols) {
    const auto* const starts = node.attributes().get<ir::DimList>("starts");
    Dims axes = node.attributes().intsOr("axes", {});
    if (starts == nullptr) {
        return support::unsupported("the interpreter does not know slices whose starts are an operand");
    }
    const Dims steps = node.attributes().intsOr("steps", Dims(starts->dims.size(), 1));
    for (size_t i = axes.size(); i < starts->dims.size(); ++i) {
        axes.push_back(static_cast<int64_t>(i));
    }
    // Where elements outside are filled, starts are what they say.
    const bool fills = node.attributes().stringOr("mode", "strict") == "fill";
    Dims from(x.dims.size(), 0);
    Dims by(x.dims.size(), 1);
    for (size_t i = 0; i < axes.size(); ++i) {
        const auto axis = static_cast<size_t>(axes[i] < 0 ? axes[i] + static_cast<int64_t>(x.dims.size()) : axes[i]);
        const int64_t start = node.graph()->pool().evaluate(starts->dims[i], symbols);
        by[axis] = steps[i];
        from[axis] = fills ? start
                           : std::clamp<int64_t>(start < 0 ? start + x.dims[axis] : start, 0,
                                                 x.dims[axis] - (steps[i] < 0 ? 1 : 0));
    }
    return cutOut(x, from, by, dims);
}

Tensor oneHot(const Node& node, const Tensor& indices, const Tensor& values, const Dims& dims) {
    int64_t axis = node.attributes().intOr("axis", -1);
    axis += axis < 0 ? static_cast<int64_t>(dims.size()) : 0;
    return generate(dims, [&](const Dims& at) {
        Dims from = at;
        from.erase(from.begin() + axis);
        const double depth = static_cast<double>(dims[static_cast<size_t>(axis)]);
        const double index = indices.values[static_cast<size_t>(indexOf(from, indices.dims))];
        const bool isOn = (index < 0 ? index + depth : index) == static_cast<double>(at[static_cast<size_t>(axis)]);
        return values.values[isOn ? 1 : 0];
    });
}

Tensor averagePool(const Node& node, const Tensor& x, const Dims& dims) {
    Dims window = node.attributes().intsOr("kernel", {});
    window.insert(window.begin(), {1, 1});
    return generate(dims, [&](const Dims& at) {
        double sum = 0;
        for (int64_t i = 0; i < countOf(window); ++i) {
            Dims from = coordinateOf(i, window);
            std::transform(from.begin(), from.end(), at.begin(), from.begin(), std::plus<>());
            sum += x.values[static_cast<size_t>(indexOf(from, x.dims))];
        }
        return sum / static_cast<double>(countOf(window));
    });
}

Tensor gather(const Node& node, const Tensor& x, const Tensor& indices, const Dims& dims) {
    int64_t axis = node.attributes().intOr("axis", 0);
    axis += axis < 0 ? static_cast<int64_t>(x.dims.size()) : 0;
    return generate(dims, [&](const Dims& at) {
        const auto begin = at.begin() + axis;
        const auto end = begin + static_cast<std::ptrdiff_t>(indices.dims.size());
        const double index = indices.values[static_cast<size_t>(indexOf(Dims(begin, end), indices.dims))];
        Dims from(at.begin(), begin);
        from.push_back(static_cast<int64_t>(index) + (index < 0 ? x.dims[static_cast<size_t>(axis)] : 0));
        from.insert(from.end(), end, at.end());
        return x.values[static_cast<size_t>(indexOf(from, x.dims))];
    });
}

} // namespace tenon::golden
