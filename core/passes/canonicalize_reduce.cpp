#include "core/passes/canonicalize_reduce.h"

#include <algorithm>
#include <array>
#include <numeric>

namespace tenon::passes {

using ir::Node;

bool wholeAverage(Rewriter& rewriter, Node& node) {
    if (node.op() != "pool.avg" || node.output(0)->quantization() || node.input(0)->type().rank() < 3) {
        return false;
    }
    const auto image = staticDims(rewriter.pool(),
                                  {.dims = {node.input(0)->type().dims.begin() + 2, node.input(0)->type().dims.end()}});
    const auto all = [&](const char* name, int64_t wanted) {
        const std::vector<int64_t> values = node.attributes().intsOr(name, {});
        return std::all_of(values.begin(), values.end(), [wanted](int64_t value) { return value == wanted; });
    };
    if (!image || *image != node.attributes().intsOr("kernel", {}) || !all("pads", 0) || !all("dilations", 1) ||
        node.attributes().stringOr("auto_pad", "explicit") != "explicit") {
        return false;
    }
    std::vector<int64_t> axes(image->size());
    std::iota(axes.begin(), axes.end(), 2);
    ir::AttributeMap attributes;
    attributes.set("axes", std::move(axes));
    rewriter.replace(node, rewriter.makeInstead(node, "reduce.mean", {node.input(0)}, std::move(attributes)));
    return true;
}

bool joinReductions(Rewriter& rewriter, Node& node) {
    static constexpr std::array<std::string_view, 5> kOps{"reduce.mean", "reduce.sum", "reduce.max", "reduce.min",
                                                          "reduce.prod"};
    const bool isKnown = std::find(kOps.begin(), kOps.end(), node.op()) != kOps.end();
    const Node* const inner = isKnown ? node.input(0)->producer() : nullptr;
    if (inner == nullptr || inner->op() != node.op() || !isPrivate(*node.input(0)) || node.input(0)->quantization() ||
        inner->settings().debugOutput) {
        return false;
    }
    if (node.op() == "reduce.mean" && !ir::isFloat(node.output(0)->type().dtype)) {
        return false; // each mean of integers is cut to an integer
    }
    std::vector<int64_t> axes;
    for (const Node* each : {inner, static_cast<const Node*>(&node)}) {
        const std::vector<int64_t> own = each->attributes().intsOr("axes", {});
        if (each->inputs().size() != 1 || own.empty() || each->attributes().intOr("keep_dims", 1) == 0) {
            return false;
        }
        axes.insert(axes.end(), own.begin(), own.end());
    }
    std::sort(axes.begin(), axes.end());
    if (axes.front() < 0 || std::adjacent_find(axes.begin(), axes.end()) != axes.end()) {
        return false;
    }
    rewriter.setAttribute(node, "axes", std::move(axes));
    rewriter.setInput(node, 0, inner->input(0));
    return true;
}

} // namespace tenon::passes
