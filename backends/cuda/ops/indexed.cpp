// gather*, scatter*, and ops whose elements follow from positions: range, fill, one_hot, eye_like, trilu, shape, size.
#include "backends/cuda/device_text.h"
#include "backends/cuda/op_table.h"

#include <cstring>

namespace tenon::cuda {

namespace {

constexpr TypeMask kIndexTypes = maskOf(TN_I32) | maskOf(TN_I64);

std::string printIndexed(const NodeTypes& types, std::string_view kernel, std::string_view element) {
    return Source(types.wideIndex)
        .define(kernel)
        .type("Element", element)
        .type("Indices", cudaName(types.in(1)))
        .text({kIndexedText});
}
std::string printGather(const NodeTypes& types) {
    return printIndexed(types, "KERNEL_GATHER", cudaBytesName(types.in(0)));
}
std::string printGatherElements(const NodeTypes& types) {
    return printIndexed(types, "KERNEL_GATHER_ELEMENTS", cudaBytesName(types.in(0)));
}
std::string printGatherNd(const NodeTypes& types) {
    return printIndexed(types, "KERNEL_GATHER_ND", cudaBytesName(types.in(0)));
}

void planGather(NodePlan& n) {
    const Dims& data = n.call.in(0).dims;
    const auto axis = static_cast<size_t>(n.call.axis("axis", 0, data.size()));
    GatherArgs args{};
    args.operands = n.operands;
    args.count = n.call.out().elements;
    args.extent = data[axis];
    args.block = product(data, axis + 1, data.size());
    args.indices = n.call.in(1).elements;
    if (product(data, 0, axis) * args.indices * args.block != args.count) {
        invalid("gather from ", shapeText(data), " by ", shapeText(n.call.in(1).dims), " does not give ",
                shapeText(n.call.out().dims));
    }
    // In larger pieces where every block is whole ones.
    const int64_t many = 16 / static_cast<int64_t>(bytesOf(n.call.in(0).dtype));
    const bool pieces = args.block > 0 && args.block % many == 0;
    if (pieces) {
        args.block /= many;
        args.count /= many;
    }
    n.plan.launch(pieces ? "gather_16" : "gather", args.count, args);
}

void planGatherElements(NodePlan& n) {
    const Dims& data = n.call.in(0).dims;
    const Dims& out = n.call.out().dims;
    const auto axis = static_cast<size_t>(n.call.axis("axis", 0, data.size()));
    if (out != n.call.in(1).dims || out.size() != data.size()) {
        invalid("gather_elements from ", shapeText(data), " by ", shapeText(n.call.in(1).dims));
    }
    Dims strides = rowMajorStrides(data);
    GatherArgs args{};
    args.operands = n.operands;
    args.count = n.call.out().elements;
    args.extent = data[axis];
    args.step = strides[axis];
    strides[axis] = 0;
    args.rank = static_cast<int>(data.size());
    fill(args.dims, out, kTensorDims);
    fill(args.strides, strides, kTensorDims);
    n.plan.launch("gather_elements", args.count, args);
}

void planGatherNd(NodePlan& n) {
    const Dims& data = n.call.in(0).dims;
    const Dims& indices = n.call.in(1).dims;
    const auto batchDims = static_cast<size_t>(n.call.intOr("batch_dims", 0));
    if (indices.empty() || batchDims >= indices.size() ||
        batchDims + static_cast<size_t>(indices.back()) > data.size()) {
        invalid("gather_nd from ", shapeText(data), " by ", shapeText(indices), " with ", batchDims,
                " batch dimensions");
    }
    const auto width = static_cast<size_t>(indices.back());
    const Dims strides = rowMajorStrides(data);
    GatherArgs args{};
    args.operands = n.operands;
    args.count = n.call.out().elements;
    args.width = static_cast<int>(width);
    args.batches = product(data, 0, batchDims);
    args.perBatch = product(data, batchDims, data.size());
    args.rows = product(indices, batchDims, indices.size() - 1);
    args.block = product(data, batchDims + width, data.size());
    if (args.batches * args.rows * args.block != args.count || product(indices, 0, batchDims) != args.batches) {
        invalid("gather_nd from ", shapeText(data), " by ", shapeText(indices), " does not give ",
                shapeText(n.call.out().dims));
    }
    for (size_t w = 0; w < width; ++w) {
        args.dims[w] = data[batchDims + w];
        args.strides[w] = strides[batchDims + w];
    }
    n.plan.launch("gather_nd", args.count, args);
}
void checkIndices(const module::NodeView& node) { requireType(node, 1, kIndexTypes); }

// --- Scatter ----------------------------------------------------------------------------------------------------------------------------------

int howOf(std::string_view name) {
    constexpr std::string_view kNames[] = {"none", "add", "mul", "max", "min"};
    for (size_t i = 0; i < std::size(kNames); ++i) {
        if (name == kNames[i]) {
            return static_cast<int>(i);
        }
    }
    refuse("scatter with the reduction '", name, "'; supported are none, add, mul, max, min");
}

std::string printScatterElements(const NodeTypes& types) {
    return printIndexed(types, "KERNEL_SCATTER_ELEMENTS", cudaName(types.in(0)));
}
std::string printScatterNd(const NodeTypes& types) {
    return printIndexed(types, "KERNEL_SCATTER_ND", cudaName(types.in(0)));
}

void planScatterElements(NodePlan& n) {
    const Dims& data = n.call.in(0).dims;
    const Dims& updates = n.call.in(2).dims;
    if (n.call.in(1).dims != updates || updates.size() != data.size() || data.empty()) {
        invalid("scatter_elements into ", shapeText(data), " of ", shapeText(updates), " by ",
                shapeText(n.call.in(1).dims));
    }
    const auto axis = static_cast<size_t>(n.call.axis("axis", 0, data.size()));
    const Dims strides = rowMajorStrides(data);
    const Dims updateStrides = rowMajorStrides(updates);
    ScatterArgs args{};
    args.operands = n.operands;
    args.how = howOf(n.call.stringOr("reduction", "none"));
    args.length = updates[axis];
    args.extent = data[axis];
    args.step = strides[axis];
    args.updateStep = updateStrides[axis];
    args.lines = 1;
    for (size_t d = 0; d < data.size(); ++d) {
        if (d == axis) {
            continue;
        }
        if (updates[d] > data[d]) {
            invalid("scatter_elements into ", shapeText(data), " of ", shapeText(updates));
        }
        const auto at = static_cast<size_t>(args.rank++);
        args.dims[at] = updates[d];
        args.strides[at] = strides[d];
        args.updateStrides[at] = updateStrides[d];
        args.lines *= updates[d];
    }
    n.plan.copyBytes(n.operands.in[0], n.operands.out[0], n.call.out().bytes);
    n.plan.launch("scatter_elements", args.lines, args);
}

void planScatterNd(NodePlan& n) {
    const Dims& data = n.call.in(0).dims;
    const Dims& indices = n.call.in(1).dims;
    if (indices.empty() || static_cast<size_t>(indices.back()) > data.size()) {
        invalid("scatter_nd into ", shapeText(data), " by ", shapeText(indices));
    }
    const auto width = static_cast<size_t>(indices.back());
    const Dims strides = rowMajorStrides(data);
    ScatterArgs args{};
    args.operands = n.operands;
    args.how = howOf(n.call.stringOr("reduction", "none"));
    args.width = static_cast<int>(width);
    args.length = product(indices, 0, indices.size() - 1);
    args.block = product(data, width, data.size());
    if (args.length * args.block != n.call.in(2).elements) {
        invalid("scatter_nd into ", shapeText(data), " of ", shapeText(n.call.in(2).dims), " by ", shapeText(indices));
    }
    for (size_t w = 0; w < width; ++w) {
        args.dims[w] = data[w];
        args.strides[w] = strides[w];
    }
    n.plan.copyBytes(n.operands.in[0], n.operands.out[0], n.call.out().bytes);
    n.plan.launch("scatter_nd", args.block, args);
}

void checkScatter(const module::NodeView& node) {
    requireType(node, 1, kIndexTypes);
    if (node.input(2).dtype() != node.input(0).dtype()) {
        refuse(node.op(), " of ", nameOf(node.input(2).dtype()), " into ", nameOf(node.input(0).dtype()));
    }
    howOf(node.stringOr("reduction", "none"));
}

// --- Positions --------------------------------------------------------------------------------------------------------------------------------

std::string printGenerated(const NodeTypes& types, std::string_view kernel, std::string_view element) {
    return Source(types.wideIndex).define(kernel).type("Element", element).text({kIndexedText});
}
std::string printFill(const NodeTypes& types) {
    return printGenerated(types, "KERNEL_FILL", cudaBytesName(types.out()));
}
std::string printValues(const NodeTypes& types) { return printGenerated(types, "KERNEL_VALUES", "I64"); }
std::string printRange(const NodeTypes& types) { return printGenerated(types, "KERNEL_RANGE", cudaName(types.out())); }
std::string printEyeLike(const NodeTypes& types) {
    return printGenerated(types, "KERNEL_EYE_LIKE", cudaBytesName(types.out()));
}
std::string printTrilu(const NodeTypes& types) {
    return printGenerated(types, "KERNEL_TRILU", cudaBytesName(types.out()));
}
std::string printOneHot(const NodeTypes& types) {
    return Source(types.wideIndex)
        .define("KERNEL_ONE_HOT")
        .type("Element", cudaBytesName(types.out()))
        .type("Indices", cudaName(types.in(0)))
        .text({kIndexedText});
}

GenerateArgs generate(const NodePlan& n) {
    GenerateArgs args{};
    args.operands = n.operands;
    args.count = n.call.out().elements;
    return args;
}

void planFill(NodePlan& n) {
    GenerateArgs args = generate(n);
    const module::ValueView value = n.call.node().tensor("value");
    const auto size = static_cast<size_t>(bytesOf(n.call.out().dtype));
    if (value && value.bytes().size() >= size) {
        std::memcpy(&args.value, value.bytes().data(), size);
    }
    n.plan.launch("fill", args.count, args);
}
void checkFill(const module::NodeView& node) {
    if (!contains(kWholeBytes, node.output(0).dtype())) {
        refuse("fill of ", nameOf(node.output(0).dtype()), "; supported are ", namesOf(kWholeBytes));
    }
    const module::ValueView value = node.tensor("value");
    if (value && value.dtype() != node.output(0).dtype()) {
        refuse("fill of ", nameOf(node.output(0).dtype()), " with a value of ", nameOf(value.dtype()));
    }
}

void planShape(NodePlan& n) {
    GenerateArgs args = generate(n);
    const Dims& dims = n.call.in(0).dims;
    const auto rank = static_cast<int64_t>(dims.size());
    const auto clamp = [&](int64_t at) { return std::min(std::max<int64_t>(at < 0 ? at + rank : at, 0), rank); };
    const int64_t start = clamp(n.call.intOr("start", 0));
    const int64_t end = std::max(start, clamp(n.call.intOr("end", INT64_MAX)));
    if (end - start != args.count) {
        invalid("shape of a tensor of rank ", rank, " from ", start, " to ", end, " does not give ", args.count,
                " extents");
    }
    fill(args.values, Dims(dims.begin() + start, dims.begin() + end), kTensorDims);
    n.plan.launch("values", args.count, args);
}
void planSize(NodePlan& n) {
    GenerateArgs args = generate(n);
    args.values[0] = n.call.in(0).elements;
    n.plan.launch("values", 1, args);
}

void planRange(NodePlan& n) {
    const GenerateArgs args = generate(n);
    n.plan.launch("range", args.count, args);
}

void planOneHot(NodePlan& n) {
    const Dims& out = n.call.out().dims;
    const auto axis = static_cast<size_t>(n.call.axis("axis", -1, out.size()));
    GenerateArgs args = generate(n);
    args.depth = out[axis];
    args.inner = product(out, axis + 1, out.size());
    if (n.call.in(0).elements * args.depth != args.count || n.call.in(2).elements != 2) {
        invalid("one_hot of ", shapeText(n.call.in(0).dims), " to ", shapeText(out));
    }
    n.plan.launch("one_hot", args.count, args);
}
void checkOneHot(const module::NodeView& node) {
    requireType(node, 2, kWholeBytes);
    if (!node.hasInput(2) || node.output(0).dtype() != node.input(2).dtype()) {
        refuse("one_hot whose output is not of the type of its values");
    }
}

void planEyeLike(NodePlan& n) {
    const Dims& dims = n.call.out().dims;
    if (dims.size() != 2) {
        invalid("eye_like of shape ", shapeText(dims), "; the tensor must have rank 2");
    }
    GenerateArgs args = generate(n);
    args.columns = dims[1];
    args.shift = n.call.intOr("k", 0);
    const TnDataType type = n.call.out().dtype;
    args.value = 1;
    if (contains(kFloats, type)) {
        dispatchFloat(type, [&](auto tag) {
            typename decltype(tag)::Type one{};
            narrow(1.0, one);
            args.value = 0;
            std::memcpy(&args.value, &one, sizeof one);
        });
    }
    n.plan.launch("eye_like", args.count, args);
}
void checkEyeLike(const module::NodeView& node) {
    if (!contains(kNumeric | kBool, node.output(0).dtype())) {
        refuse("eye_like of ", nameOf(node.output(0).dtype()), "; supported are ", namesOf(kNumeric | kBool));
    }
}

void planTrilu(NodePlan& n) {
    const Dims& dims = n.call.in(0).dims;
    if (dims.size() < 2) {
        invalid("trilu of shape ", shapeText(dims), "; the tensor must have rank 2 or more");
    }
    GenerateArgs args = generate(n);
    args.rows = dims[dims.size() - 2];
    args.columns = dims.back();
    args.shift = n.call.intOr("k", 0);
    args.upper = n.call.intOr("upper", 1) != 0 ? 1 : 0;
    n.plan.launch("trilu", args.count, args);
}

} // namespace

void addIndexed(OpTable& table) {
    const auto gather = [&](std::string_view op, std::string (*print)(const NodeTypes&), void (*plan)(NodePlan&)) {
        table.add({{.op = op, .minInputs = 2, .maxInputs = 2, .types = kWholeBytes, .check = checkIndices},
                   print,
                   plan,
                   true});
    };
    gather("gather", printGather, planGather);
    gather("gather_elements", printGatherElements, planGatherElements);
    gather("gather_nd", printGatherNd, planGatherNd);
    const auto scatter = [&](std::string_view op, std::string (*print)(const NodeTypes&), void (*plan)(NodePlan&)) {
        table.add({{.op = op, .minInputs = 3, .maxInputs = 3, .types = kNumeric | kBool, .check = checkScatter},
                   print,
                   plan,
                   true});
    };
    scatter("scatter_elements", printScatterElements, planScatterElements);
    scatter("scatter_nd", printScatterNd, planScatterNd);
    table.add({{.op = "range", .minInputs = 3, .maxInputs = 3, .types = kNumeric, .check = requireSameTypes},
               printRange,
               planRange});
    table.add({{.op = "fill", .minInputs = 0, .maxInputs = 1, .output = OutputRule::kAny, .check = checkFill},
               printFill,
               planFill});
    table.add({{.op = "one_hot", .maxInputs = 3, .types = kNumeric, .output = OutputRule::kAny, .check = checkOneHot},
               printOneHot,
               planOneHot});
    table.add({{.op = "eye_like", .types = kWholeBytes, .output = OutputRule::kAny, .check = checkEyeLike},
               printEyeLike,
               planEyeLike});
    table.add({{.op = "trilu", .maxInputs = 2, .types = kWholeBytes}, printTrilu, planTrilu, true});
    table.add({{.op = "shape", .types = kWholeBytes, .output = OutputRule::kIndex}, printValues, planShape});
    table.add({{.op = "size", .types = kWholeBytes, .output = OutputRule::kIndex}, printValues, planSize});
}

} // namespace tenon::cuda
