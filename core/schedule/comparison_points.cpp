#include "core/schedule/comparison_points.h"

#include "core/schedule/infer_at.h"
#include "core/schedule/kernel_runner.h"
#include "core/support/checked.h"
#include "core/support/text.h"

#include <algorithm>
#include <functional>
#include <set>

namespace tenon::schedule {

namespace {

// Of a tensor that the task computes: the reference takes about a second for it.
constexpr int64_t kMostComputed = int64_t{1} << 22;
// Of all tensors of the task together at an end of its profile: a comparison holds several copies of them.
constexpr int64_t kMostElements = int64_t{1} << 23;

// What a task's extents are at a point.
struct Extents {
    std::vector<int64_t> numbers; // every extent, and what kernels are told besides
    std::string text;
    std::string impossible; // a tensor with no elements, or less
    int64_t elements = 0;
    int64_t computed = 0; // by the largest tensor that the task computes
};

int64_t saturated(std::optional<int64_t> count) { return count.value_or(INT64_MAX); }

std::string countText(int64_t elements) {
    return elements == INT64_MAX ? std::string("more elements than can be counted")
                                 : support::cat(elements, " elements");
}

Extents extentsAt(const Task& task, const std::vector<int64_t>& symbolValues) {
    const ir::ExprPool& pool = task.body().pool();
    Extents at;
    const auto add = [&](const ir::Value& value) {
        const std::vector<int64_t> dims = evaluateDims(pool, value.type(), symbolValues);
        at.numbers.insert(at.numbers.end(), dims.begin(), dims.end());
        if (std::any_of(dims.begin(), dims.end(), [](int64_t dim) { return dim <= 0; })) {
            at.impossible = support::cat("a tensor would have the extents [", support::join(dims, ","), "]");
            return int64_t{0};
        }
        const int64_t elements = saturated(support::checkedProduct(dims));
        at.elements = saturated(support::checkedAdd(at.elements, elements));
        return elements;
    };
    std::vector<const ir::Value*> named;
    for (size_t i = 0; i < task.inputCount(); ++i) {
        if (!task.constants()[i]) {
            named.push_back(task.body().inputs()[i]);
            static_cast<void>(add(*named.back()));
        }
    }
    if (named.empty()) {
        named.assign(task.body().outputs().begin(), task.body().outputs().end());
    }
    for (const ir::Value* value : named) {
        at.text += support::cat(at.text.empty() ? "[" : " [",
                                support::join(evaluateDims(pool, value->type(), symbolValues), ","), "]");
    }
    const std::function<void(const ir::Graph&)> addNodes = [&](const ir::Graph& graph) {
        for (const ir::Node* node : graph.nodes()) {
            for (const ir::Value* output : node->op() == "const" ? std::vector<ir::Value*>{} : node->outputs()) {
                at.computed = std::max(at.computed, add(*output));
            }
            for (const std::unique_ptr<ir::Graph>& region : node->regions()) {
                addNodes(*region);
            }
        }
    };
    addNodes(task.body());
    for (const ir::DimExpr scalar : task.scalars()) {
        at.numbers.push_back(pool.evaluate(scalar, symbolValues));
    }
    return at;
}

// The values of all symbols at an end of the box. Nothing is compared on empty tensors: an extent that may be 0 is 1 at least, if it may be that.
std::vector<int64_t> endOf(const Task& task, int64_t ir::Interval::*end) {
    const std::vector<ir::Symbol>& symbols = task.body().pool().symbols();
    std::vector<int64_t> values = task.box().opt;
    for (size_t s = 0; s < values.size() && s < symbols.size(); ++s) {
        switch (symbols[s].source) {
        case ir::SymbolSource::kInputDim:
            values[s] = std::max(task.box().bounds[s].*end, std::min<int64_t>(task.box().bounds[s].max, 1));
            break;
        case ir::SymbolSource::kInputElement:
            values[s] = task.box().bounds[s].*end;
            break;
        case ir::SymbolSource::kUnbacked: // no profile says what the data will
            break;
        }
    }
    return values;
}

} // namespace

std::vector<ComparisonPoint> comparisonPoints(const Task& task) {
    const Extents optimum = extentsAt(task, task.box().opt);
    std::vector<ComparisonPoint> points;
    const auto add = [&](const char* name, std::vector<int64_t> symbolValues, const Extents& at) {
        const bool isLeast = std::none_of(points.begin(), points.end(),
                                          [](const ComparisonPoint& each) { return each.obstacle.empty(); });
        ComparisonPoint& point = points.emplace_back();
        point.name = name;
        point.symbolValues = std::move(symbolValues);
        point.extents = at.text;
        point.elements = at.elements;
        if (&at != &optimum && !at.impossible.empty()) {
            point.obstacle = at.impossible;
        } else if (!isLeast && at.computed > kMostComputed) {
            point.obstacle =
                support::cat("its result has ", countText(at.computed), ", at most ", kMostComputed, " are compared");
        } else if (!isLeast && &at != &optimum && at.elements > kMostElements) {
            point.obstacle =
                support::cat("its tensors have ", countText(at.elements), ", at most ", kMostElements, " are compared");
        }
    };
    const auto addEnd = [&](const char* name, int64_t ir::Interval::*end) {
        std::vector<int64_t> symbolValues = endOf(task, end);
        const Extents at = extentsAt(task, symbolValues);
        if (at.numbers != optimum.numbers) {
            add(name, std::move(symbolValues), at);
        }
    };
    addEnd("minimum", &ir::Interval::min);
    add("optimum", task.box().opt, optimum);
    addEnd("maximum", &ir::Interval::max);
    if (points.size() == 1) {
        points[0].extents.clear();
    }
    return points;
}

namespace {

std::string misfitOf(const ir::Graph& graph, const ops::OpRegistry& ops, const std::vector<int64_t>& symbolValues) {
    for (const ir::Node* node : graph.nodes()) {
        for (const std::unique_ptr<ir::Graph>& region : node->regions()) {
            if (std::string misfit = misfitOf(*region, ops, symbolValues); !misfit.empty()) {
                return misfit;
            }
        }
        const ops::OpDef* def = ops.find(node->op());
        if (def == nullptr || !def->infer) {
            continue;
        }
        ir::ExprPool numbers;
        const support::Result<std::vector<ops::InferOutput>> outputs = inferAt(*node, *def, symbolValues, numbers);
        if (!outputs.ok()) {
            return outputs.status().message();
        }
        for (size_t o = 0; o < outputs->size() && o < node->outputs().size(); ++o) {
            const std::vector<int64_t> wanted = evaluateDims(graph.pool(), node->output(o)->type(), symbolValues);
            const std::vector<ir::DimExpr>& found = (*outputs)[o].type.dims;
            for (size_t d = 0; d < found.size() && d < wanted.size(); ++d) {
                if (found[d].valid() && numbers.isConstant(found[d]) && numbers.constantValue(found[d]) != wanted[d]) {
                    return support::cat(node->op(), " makes an extent of ", numbers.constantValue(found[d]),
                                        " where there should be ", wanted[d]);
                }
            }
        }
    }
    return {};
}

} // namespace

std::string misfitAt(const Task& task, const ops::OpRegistry& ops, const ComparisonPoint& point) {
    const std::string misfit = misfitOf(task.body(), ops, point.symbolValues);
    return misfit.empty() ? std::string() : support::cat("the operands do not fit each other: ", misfit);
}

} // namespace tenon::schedule
