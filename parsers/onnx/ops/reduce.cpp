// Reductions, arg-reductions, TopK, CumSum.
#include "parsers/onnx/importer_registry.h"
#include "parsers/onnx/text.h"

#include <string>

namespace tenon::onnx {

namespace {

struct Reduction {
    const char* onnx;
    const char* op;
    int64_t axesAsInput; // opset from which axes are an input
};

constexpr Reduction kReductions[] = {
    {"ReduceSum", "reduce.sum", 13},
    {"ReduceMean", "reduce.mean", 18},
    {"ReduceMax", "reduce.max", 18},
    {"ReduceMin", "reduce.min", 18},
    {"ReduceProd", "reduce.prod", 18},
    {"ReduceL1", "reduce.l1", 18},
    {"ReduceL2", "reduce.l2", 18},
    {"ReduceLogSum", "reduce.log_sum", 18},
    {"ReduceLogSumExp", "reduce.log_sum_exp", 18},
    {"ReduceSumSquare", "reduce.sum_square", 18},
};

bool reduce(NodeImport& node) {
    for (const Reduction& entry : kReductions) {
        if (node.op() != entry.onnx) {
            continue;
        }
        Attributes attributes;
        attributes.with("keep_dims", node.integer("keepdims", 1));
        if (node.opset() < entry.axesAsInput) {
            if (node.has("axes")) {
                attributes.with("axes", node.integers("axes"));
            }
            return node.output(0, node.add(entry.op, {node.input(0)}, attributes));
        }
        attributes.with("noop_with_empty_axes", node.integer("noop_with_empty_axes", 0));
        return node.output(0, node.add(entry.op, {node.input(0), node.optionalInput(1)}, attributes));
    }
    return false;
}

bool argReduce(NodeImport& node) {
    return node.output(0, node.add(node.op() == "ArgMax" ? "arg.max" : "arg.min", {node.input(0)},
                                   Attributes()
                                       .with("axis", node.integer("axis", 0))
                                       .with("keep_dims", node.integer("keepdims", 1))
                                       .with("select_last", node.integer("select_last_index", 0))));
}

bool topK(NodeImport& node) {
    Attributes attributes;
    attributes.with("axis", node.integer("axis", -1))
        .with("largest", node.integer("largest", 1))
        .with("sorted", node.integer("sorted", 1));
    ITensor* k = nullptr;
    if (node.opset() < 10) {
        k = node.integersOf({node.integer("k", 0)});
    } else {
        k = node.input(1);
    }
    std::vector<ITensor*> outputs = node.addMany("topk", {node.input(0), k}, attributes, 2);
    return outputs.size() == 2 && node.output(0, outputs[0]) && node.output(1, outputs[1]);
}

bool cumSum(NodeImport& node) {
    return node.output(
        0,
        node.add(
            "cumsum", {node.input(0), node.input(1)},
            Attributes().with("exclusive", node.integer("exclusive", 0)).with("reverse", node.integer("reverse", 0))));
}

} // namespace

void addReduceImporters(ImporterTable& table) {
    for (const Reduction& entry : kReductions) {
        table.add(entry.onnx, 1, reduce);
    }
    table.add("ArgMax", 1, argReduce);
    table.add("ArgMin", 1, argReduce);
    table.add("TopK", 1, topK);
    table.add("CumSum", 11, cumSum);
}

} // namespace tenon::onnx
