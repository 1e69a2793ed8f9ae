#include "tests/golden/interpreter_einsum.h"

#include "core/ops/einsum_equation.h"

#include <algorithm>
#include <map>

namespace tenon::golden {

namespace {

constexpr char kEllipsis = ops::EinsumEquation::kEllipsis;

// A label for each dimension: the letter, or minus the place from the last that an ellipsis gives it.
std::vector<int> labelsOf(const std::string& term, size_t rank) {
    std::vector<int> labels;
    for (const char c : term) {
        for (size_t d = rank + 1 - term.size(); c == kEllipsis && d > 0; --d) {
            labels.push_back(-static_cast<int>(d));
        }
        if (c != kEllipsis) {
            labels.push_back(c);
        }
    }
    return labels;
}

} // namespace

Tensor einsum(const ir::Node& node, const std::vector<const Tensor*>& inputs, const Dims& dims) {
    const ops::EinsumEquation equation = *ops::parseEinsum(node.attributes().stringOr("equation", ""));
    std::map<int, size_t> places; // of a label in a coordinate of the loop: first the result's, then what is summed
    Dims loop = dims;
    for (const int label : labelsOf(equation.output, dims.size())) {
        places.emplace(label, places.size());
    }
    std::vector<std::vector<int>> terms;
    for (size_t i = 0; i < inputs.size(); ++i) {
        terms.push_back(labelsOf(equation.terms[i], inputs[i]->dims.size()));
        for (size_t d = 0; d < terms[i].size(); ++d) {
            if (places.emplace(terms[i][d], places.size()).second) {
                loop.push_back(inputs[i]->dims[d]);
            }
            int64_t& extent = loop[places.at(terms[i][d])];
            extent = std::max(extent, inputs[i]->dims[d]);
        }
    }
    Tensor result = generate(dims, [](const Dims&) { return 0.0; });
    for (int64_t step = 0; step < countOf(loop); ++step) {
        const Dims at = coordinateOf(step, loop);
        double product = 1;
        for (size_t i = 0; i < inputs.size(); ++i) {
            Dims from;
            for (size_t d = 0; d < terms[i].size(); ++d) {
                from.push_back(inputs[i]->dims[d] == 1 ? 0 : at[places.at(terms[i][d])]);
            }
            product *= inputs[i]->values[static_cast<size_t>(indexOf(from, inputs[i]->dims))];
        }
        const Dims to(at.begin(), at.begin() + static_cast<std::ptrdiff_t>(dims.size()));
        result.values[static_cast<size_t>(indexOf(to, dims))] += product;
    }
    return result;
}

} // namespace tenon::golden
