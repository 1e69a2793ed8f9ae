// Ops along lines: softmax, normalisation, order.
#include "backends/common/ports.h"
#include "backends/common/strided.h"
#include "backends/cuda/device_text.h"
#include "backends/cuda/norm_region.h"
#include "backends/cuda/op_table.h"

#include <algorithm>
#include <span>

namespace tenon::cuda {

namespace {

// How threads share a line whose length has a bound, so that it stays in registers; without `team` it is read again in each pass. The team is
// that of the longest line, however short one is.
struct Rows {
    int team = 0;
    int vector = 1;    // neighbours that move at once; more than one where the length is known
    int64_t packs = 0; // of so many neighbours, that one thread keeps

    bool inRegisters() const { return team > 0; }
};

// The product of extents [begin, end) of an input by its bounds; 0: no bound.
int64_t longestOf(const module::ValueView& value, size_t begin, size_t end) {
    int64_t longest = 1;
    for (size_t d = begin; d < end; ++d) {
        if (__builtin_mul_overflow(longest, value.dim(static_cast<int32_t>(d)).max, &longest)) {
            return 0;
        }
    }
    return longest;
}

// Lines over dimensions from `axis` to the last. With few lines, all of a block works on each; `packs`: neighbours may move at once.
Rows rowsOf(const module::ValueView& x, size_t axis, bool few, bool packs) {
    constexpr int64_t kWarp = 32;
    constexpr int64_t kMostKept = 32; // elements of a thread
    constexpr int64_t kLongest = 8192;
    const auto rank = static_cast<size_t>(x.rank());
    const int64_t longest = longestOf(x, axis, rank);
    if (longest <= 0 || longest > kLongest) {
        return {};
    }
    for (size_t d = axis; d < rank; ++d) {
        packs = packs && x.isStatic(static_cast<int32_t>(d));
    }
    Rows rows;
    for (int vector = 8; packs && rows.vector == 1 && vector > 1; vector /= 2) {
        rows.vector = longest % vector == 0 && longest / vector >= kWarp ? vector : 1;
    }
    const int64_t reads = longest / rows.vector;
    const int64_t block = std::min((reads + kWarp - 1) / kWarp * kWarp, kBlock);
    rows.team = static_cast<int>(few && longest >= kBlock ? block : teamOf(1, longest, false));
    rows.packs = (reads + rows.team - 1) / rows.team;
    return rows.packs * rows.vector <= kMostKept ? rows : Rows();
}

// Of softmax: the axis is the innermost or what follows it is of extent 1.
Rows softmaxRows(const module::NodeView& node) {
    const module::ValueView x = node.input(0);
    const auto rank = static_cast<size_t>(x.rank());
    if (rank == 0) {
        return {};
    }
    const auto axis = static_cast<size_t>(normalizeAxis(node.intOr("axis", -1), rank));
    return longestOf(x, axis + 1, rank) == 1 ? rowsOf(x, axis, false, true) : Rows();
}

// `value` has the extents of the last `dims` dimensions of `x`, and nothing in front of them.
bool isOneLine(const module::ValueView& value, const module::ValueView& x, int32_t dims) {
    bool same = value.isStatic() && value.rank() >= dims;
    for (int32_t d = 1; same && d <= value.rank(); ++d) {
        same = value.dim(-d).opt == (d <= dims ? x.dim(-d).opt : 1);
    }
    return same;
}

// Of layer and rms norm; the others work on blocks of unlike size.
Rows normRows(const module::NodeView& node) {
    constexpr int64_t kFewLines = 4096;
    const module::ValueView x = node.input(0);
    const auto rank = static_cast<size_t>(x.rank());
    if (rank == 0 || (node.op() != "layer_norm" && node.op() != "rms_norm")) {
        return {};
    }
    const auto axis = static_cast<size_t>(normalizeAxis(node.intOr("axis", -1), rank));
    const int64_t length = std::max<int64_t>(longestOf(x, axis, rank), 1);
    // Packs of scale and bias lie as those of the line do only where these have its extents, and not one element per line.
    bool plain = true;
    for (int32_t i = 1; i < node.inputCount(); ++i) {
        plain = plain && (!node.hasInput(i) || isOneLine(node.input(i), x, static_cast<int32_t>(rank - axis)));
    }
    return rowsOf(x, axis, x.optElements() / length < kFewLines, plain);
}

void defineRows(Source& source, const Rows& rows) {
    if (rows.inRegisters()) {
        source.define("ROW", std::to_string(rows.packs)).define("VECTOR", std::to_string(rows.vector));
        source.define("ONLY_TEAM", std::to_string(rows.team));
    }
}

// `otherwise`: the team of lines that are not kept in registers.
template <class Args>
void launchRows(NodePlan& n, std::string_view kernel, const Rows& rows, int otherwise, int64_t lines,
                const Args& args) {
    const int team = rows.inRegisters() ? rows.team : otherwise;
    n.plan.launch(withTeam(kernel, team), lines * team, args, team > 32 ? team : kBlock);
}

// --- Lines along an axis ----------------------------------------------------------------------------------------------------------------------

AxisArgs axisOf(const NodePlan& n, int64_t fallback) {
    const Dims& dims = n.call.in(0).dims;
    AxisArgs args{};
    args.operands = n.operands;
    args.slices = 1;
    args.length = 1;
    args.inner = 1;
    if (!dims.empty()) {
        const auto at = static_cast<size_t>(n.call.axis("axis", fallback, dims.size()));
        args.length = dims[at];
        args.inner = product(dims, at + 1, dims.size());
        args.slices = product(dims, 0, at) * args.inner;
    }
    return args;
}

std::string printLine(const NodeTypes& types, std::string_view kernel, std::string_view option = {},
                      const Rows& rows = {}) {
    Source source(types.wideIndex);
    source.define(kernel);
    defineRows(source, rows);
    if (!option.empty()) {
        source.define(option);
    }
    source.type("Element", cudaName(types.in(0)));
    source.type("Result", cudaName(types.out() >= 0 ? types.out() : types.in(0)));
    return source.text({kLinesText});
}

void planTeams(NodePlan& n, std::string_view kernel, const AxisArgs& args) {
    if (args.length > 0) {
        const int team = teamOf(args.slices, args.length, args.inner > 1);
        n.plan.launch(withTeam(kernel, team), args.slices * team, args);
    }
}

std::string printSoftmax(const NodeTypes& types) {
    return printLine(types, "KERNEL_SOFTMAX", types.node.op() == "log_softmax" ? "LOGARITHM" : "",
                     softmaxRows(types.node));
}
void planSoftmax(NodePlan& n) {
    const AxisArgs args = axisOf(n, -1);
    launchRows(n, "softmax", softmaxRows(n.call.node()), teamOf(args.slices, args.length, args.inner > 1),
               args.length > 0 ? args.slices : 0, args);
}

std::string printLpNorm(const NodeTypes& types) { return printLine(types, "KERNEL_LP_NORM"); }
void planLpNorm(NodePlan& n) {
    if (n.call.in(0).dims.empty()) {
        invalid("lp_norm of a scalar");
    }
    AxisArgs args = axisOf(n, -1);
    args.p = static_cast<int>(n.call.intOr("p", 2));
    planTeams(n, "lp_norm", args);
}

std::string printArg(const NodeTypes& types) { return printLine(types, "KERNEL_ARG"); }
void planArg(NodePlan& n) {
    AxisArgs args = axisOf(n, 0);
    if (args.length == 0 && args.slices > 0) {
        invalid(n.call.op(), " along an axis without elements");
    }
    args.largest = n.call.op() == "arg.max" ? 1 : 0;
    args.selectLast = static_cast<int>(n.call.intOr("select_last", 0));
    planTeams(n, "arg", args);
}

std::string printCumsum(const NodeTypes& types) { return printLine(types, "KERNEL_CUMSUM"); }
void planCumsum(NodePlan& n) {
    AxisArgs args = axisOf(n, 0);
    args.exclusive = static_cast<int>(n.call.intOr("exclusive", 0));
    args.reverse = static_cast<int>(n.call.intOr("reverse", 0));
    n.plan.launch("cumsum", args.length > 0 ? args.slices : 0, args);
}

std::string printTopk(const NodeTypes& types) { return printLine(types, "KERNEL_TOPK"); }
void planTopk(NodePlan& n) {
    AxisArgs args = axisOf(n, -1);
    const Dims& out = n.call.out(n.call.wants(0) ? 0 : 1).dims; // either may be unread
    args.k = out.empty() ? 1 : out[static_cast<size_t>(n.call.axis("axis", -1, out.size()))];
    args.largest = n.call.intOr("largest", 1) != 0 ? 1 : 0;
    if (args.k > args.length || args.k < 0) {
        invalid("topk: k is ", args.k, " along an axis of ", args.length);
    }
    n.plan.launch("topk", args.k > 0 ? args.slices * args.length : 0, args);
}
void checkTopk(const module::NodeView& node) {
    if (node.outputCount() > 1 && node.outputIndex(1) >= 0 && node.output(1).dtype() != TN_I64) {
        refuse("topk with indices of ", nameOf(node.output(1).dtype()), "; supported is i64");
    }
}

// --- Normalisation ------------------------------------------------------------------------------------------------------------------------------

std::string printNorm(const NodeTypes& types, bool hasAddend) {
    Source source(types.wideIndex);
    source.define("KERNEL_NORM");
    defineRows(source, normRows(types.node));
    if (hasAddend) {
        source.define("HAS_ADDEND", "1");
    }
    source.define("HAS_SCALE", types.in(1) >= 0 ? "1" : "0");
    source.define("HAS_BIAS", types.in(2) >= 0 ? "1" : "0");
    source.type("Element", cudaName(types.in(0))).type("Result", cudaName(types.out()));
    if (types.in(1) >= 0) {
        source.type("Scale", cudaName(types.in(1)));
    }
    if (types.in(2) >= 0) {
        source.type("Bias", cudaName(types.in(2)));
    }
    return source.text({kLinesText});
}
std::string printNorm(const NodeTypes& types) { return printNorm(types, false); }

// `dims` is the input seen in the way that scale and bias broadcast to; `blockRank` of its last dimensions make a block.
void planBlocks(NodePlan& n, const Dims& dims, size_t blockRank, bool center, const Dims& scale, const Dims& bias) {
    const Dims none(dims.size(), 0);
    const StridedLoop loop = collapse(dims, {scale.empty() ? none : scale, bias.empty() ? none : bias});
    NormArgs args{};
    args.operands = n.operands;
    args.outer = product(dims, 0, dims.size() - blockRank);
    args.length = product(dims, dims.size() - blockRank, dims.size());
    args.epsilon = n.call.floatOr("epsilon", 1e-5);
    args.center = center ? 1 : 0;
    args.rank = static_cast<int>(loop.dims.size());
    fill(args.dims, loop.dims, kTensorDims);
    fill(args.scale, loop.strides[0], kTensorDims);
    fill(args.bias, loop.strides[1], kTensorDims);
    launchRows(n, "norm", normRows(n.call.node()), teamOf(args.outer, args.length, false),
               args.length > 0 ? args.outer : 0, args);
}

void planTrailing(NodePlan& n, bool center) {
    const Dims& dims = n.call.in(0).dims;
    if (dims.empty()) {
        invalid(n.call.op(), " of a scalar");
    }
    const auto axis = static_cast<size_t>(n.call.axis("axis", -1, dims.size()));
    planBlocks(n, dims, dims.size() - axis, center, n.call.has(1) ? broadcastStrides(n.call.in(1).dims, dims) : Dims(),
               n.call.has(2) ? broadcastStrides(n.call.in(2).dims, dims) : Dims());
}
void planLayer(NodePlan& n) { planTrailing(n, true); }
void planRms(NodePlan& n) { planTrailing(n, false); }

// Scale and bias come per channel, or (op set 18 of ONNX) per group.
void planGroups(NodePlan& n, int64_t groups) {
    const Dims& dims = n.call.in(0).dims;
    if (dims.size() < 2 || groups < 1 || dims[1] % groups != 0) {
        invalid(n.call.op(), " of shape ", shapeText(dims), " in ", groups, " groups");
    }
    const int64_t perGroup = dims[1] / groups;
    const auto strides = [&](size_t input) -> Dims {
        const int64_t elements = n.call.in(input).elements;
        if (elements == dims[1]) {
            return {0, perGroup, 1, 0};
        }
        if (elements != groups) {
            invalid(n.call.op(), ": input ", input, " has ", elements, " elements for ", dims[1], " channels in ",
                    groups, " groups");
        }
        return {0, 1, 0, 0};
    };
    planBlocks(n, {dims[0], groups, perGroup, product(dims, 2, dims.size())}, 2, true, strides(1), strides(2));
}
void planGroup(NodePlan& n) { planGroups(n, n.call.intOr("groups", 1)); }
void planInstance(NodePlan& n) { planGroups(n, n.call.in(0).dims.size() < 2 ? 1 : n.call.in(0).dims[1]); }

std::string printLrn(const NodeTypes& types) { return printLine(types, "KERNEL_LRN"); }
void planLrn(NodePlan& n) {
    const Dims& dims = n.call.in(0).dims;
    LrnArgs args{};
    args.operands = n.operands;
    args.size = n.call.intOr("size", 1);
    if (dims.size() < 2 || args.size < 1) {
        invalid("lrn of shape ", shapeText(dims), " over ", args.size, " channels");
    }
    args.count = n.call.in(0).elements;
    args.channels = dims[1];
    args.inner = product(dims, 2, dims.size());
    args.alpha = n.call.floatOr("alpha", 1e-4);
    args.beta = n.call.floatOr("beta", 0.75);
    args.bias = n.call.floatOr("bias", 1);
    n.plan.launch("lrn", args.count, args);
}

void checkFloats(const module::NodeView& node) {
    for (int32_t i = 1; i < node.inputCount(); ++i) {
        requireType(node, i, kFloats);
    }
}

// --- A sum and its norm -----------------------------------------------------------------------------------------------------------------------

// Of the two nodes of a region: which ports they read and write.
struct NormRegion {
    module::NodeView norm;
    int32_t addends[2] = {-1, -1};
    int32_t scale = -1;
    int32_t bias = -1;
    int32_t result = -1;
    int32_t sum = -1;
};

NormRegion readNormRegion(const module::GraphView& body) {
    NormRegion region;
    const module::NodeView add = body.node(0);
    region.norm = body.node(1);
    const auto input = [&](const module::NodeView& node, int32_t i) {
        return node.hasInput(i) ? kernels::portOf(body.inputs(), node.inputIndex(i)) : -1;
    };
    region.addends[0] = input(add, 0);
    region.addends[1] = input(add, 1);
    region.scale = input(region.norm, 1);
    region.bias = input(region.norm, 2);
    region.result = kernels::portOf(body.outputs(), region.norm.outputIndex(0));
    region.sum = kernels::portOf(body.outputs(), add.outputIndex(0));
    return region;
}

} // namespace

bool isNormRegion(const module::GraphView& body) {
    return body.nodeCount() == 2 && body.node(0).op() == "binary.add" &&
           (body.node(1).op() == "layer_norm" || body.node(1).op() == "rms_norm") &&
           body.node(1).inputIndex(0) == body.node(0).outputIndex(0);
}

void checkNormRegion(const Task& task) {
    const NormRegion region = readNormRegion(task.body);
    const auto sameShape = [](const module::ValueView& a, const module::ValueView& b) {
        bool same = a.hasRank() && a.rank() == b.rank() && a.dtype() == b.dtype();
        for (int32_t d = 0; same && d < a.rank(); ++d) {
            const TnDim& x = a.dim(d);
            const TnDim& y = b.dim(d);
            same = (x.expr >= 0 && x.expr == y.expr) || (x.min == x.max && y.min == y.max && x.min == y.min);
        }
        return same;
    };
    const module::ValueView sum = task.body.node(0).output(0);
    for (const int32_t port : region.addends) {
        if (port < 0 || !sameShape(task.body.value(task.body.inputs()[static_cast<size_t>(port)]), sum)) {
            refuse("a sum in front of a norm is of two inputs of its own shape");
        }
    }
    if (region.result < 0 || (region.norm.hasInput(1) && region.scale < 0) ||
        (region.norm.hasInput(2) && region.bias < 0)) {
        refuse("a norm whose result nobody reads, or whose parameters are made in the region");
    }
    const auto type = [&](int32_t port) { return task.inputs[static_cast<size_t>(port)].dtype; };
    if (type(region.addends[0]) != type(region.addends[1]) ||
        (region.sum >= 0 && task.outputs[static_cast<size_t>(region.sum)].dtype !=
                                task.outputs[static_cast<size_t>(region.result)].dtype)) {
        refuse("a sum of two element types");
    }
}

std::string printNormRegion(const Task& task, bool wideIndex) {
    const NormRegion region = readNormRegion(task.body);
    const auto type = [&](int32_t port) {
        return port < 0 ? TnDataType{-1} : task.inputs[static_cast<size_t>(port)].dtype;
    };
    NodeTypes types;
    types.node = region.norm;
    types.wideIndex = wideIndex;
    types.inputs = {type(region.addends[0]), type(region.scale), type(region.bias)};
    types.outputs = {task.outputs[static_cast<size_t>(region.result)].dtype};
    return printNorm(types, true);
}

void planNormRegion(const Task& task, const PortShapes& shapes, DevicePlan& plan) {
    const NormRegion region = readNormRegion(task.body);
    const auto shapeAt = [&](int32_t port) { return port < 0 ? Shape() : shapes.inputs[static_cast<size_t>(port)]; };
    const Shape x = shapeAt(region.addends[0]);
    const Shape result = shapes.outputs[static_cast<size_t>(region.result)];
    if (shapeAt(region.addends[1]).dims != x.dims || result.dims != x.dims) {
        invalid("a sum of shapes ", shapeText(x.dims), " and ", shapeText(shapeAt(region.addends[1]).dims));
    }
    Operands operands{};
    std::fill(std::begin(operands.in), std::end(operands.in), static_cast<signed char>(-1));
    std::fill(std::begin(operands.out), std::end(operands.out), static_cast<signed char>(-1));
    operands.in[0] = static_cast<signed char>(region.addends[0]);
    operands.in[1] = static_cast<signed char>(region.scale);
    operands.in[2] = static_cast<signed char>(region.bias);
    operands.in[3] = static_cast<signed char>(region.addends[1]);
    operands.out[0] = static_cast<signed char>(region.result);
    operands.out[1] = static_cast<signed char>(region.sum);
    const Call call(region.norm, shapes.scalars, {x, shapeAt(region.scale), shapeAt(region.bias)}, {result}, 1);
    NodePlan node{call, operands, plan};
    planTrailing(node, region.norm.op() == "layer_norm");
}

void addLines(OpTable& table) {
    table.add({{.op = "softmax", .types = kFloats}, printSoftmax, planSoftmax, true});
    table.add({{.op = "log_softmax", .types = kFloats}, printSoftmax, planSoftmax, true});
    const auto norm = [&](std::string_view op, int32_t least, int32_t most, void (*plan)(NodePlan&)) {
        table.add({{.op = op, .minInputs = least, .maxInputs = most, .types = kFloats, .check = checkFloats},
                   printNorm,
                   plan,
                   true});
    };
    norm("layer_norm", 1, 3, planLayer);
    norm("rms_norm", 1, 2, planRms);
    norm("instance_norm", 3, 3, planInstance);
    norm("group_norm", 3, 3, planGroup);
    table.add({{.op = "lrn", .types = kFloats}, printLrn, planLrn, true});
    table.add({{.op = "lp_norm", .types = kFloats}, printLpNorm, planLpNorm, true});
    table.add({{.op = "arg.max", .types = kNumeric, .output = OutputRule::kIndex}, printArg, planArg});
    table.add({{.op = "arg.min", .types = kNumeric, .output = OutputRule::kIndex}, printArg, planArg});
    table.add({{.op = "topk", .maxInputs = 2, .types = kNumeric, .check = checkTopk}, printTopk, planTopk});
    table.add({{.op = "cumsum", .maxInputs = 2, .types = kNumeric}, printCumsum, planCumsum});
}

} // namespace tenon::cuda
