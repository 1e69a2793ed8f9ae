// Reductions, over any axes.
#include "backends/common/strided.h"
#include "backends/cuda/device_text.h"
#include "backends/cuda/op_table.h"

#include <algorithm>

namespace tenon::cuda {

namespace {

// What a reduction is made of, as device code. Sums of 32-bit floats are taken in double.
struct Fold {
    std::string_view wide;
    std::string start;
    std::string step;
    std::string merge;
    std::string finish = "value";
};

Fold foldOf(std::string_view op, TnDataType type) {
    const bool isReal = contains(kFloats, type);
    const bool isU64 = type == TN_U64;
    const std::string own(cudaName(type));
    if (op == "reduce.max" || op == "reduce.min") {
        const bool wantsMax = op == "reduce.max";
        const std::string better = wantsMax ? "x > value" : "x < value";
        std::string start;
        if (isReal) {
            start = wantsMax ? "-infinity64()" : "infinity64()";
        } else if (type == TN_BOOL) {
            start = wantsMax ? "0" : "1";
        } else {
            start = module::text("Limits<", own, ">::", wantsMax ? "low" : "high");
        }
        const std::string pick = module::text(better, " || x != x ? x : value");
        return {isReal ? "double" : isU64 ? "U64" : "I64", start, pick, pick};
    }
    const bool ownArithmetic = op == "reduce.sum" || op == "reduce.prod" || op == "reduce.mean";
    Fold fold{isReal || !ownArithmetic ? "double" : "U64", "0", "value + (Wide)x", "value + x", "value"};
    if (op == "reduce.prod") {
        fold.start = "1";
        fold.step = "value * (Wide)x";
        fold.merge = "value * x";
    } else if (op == "reduce.mean") {
        fold.finish = isReal  ? "value / (double)count"
                      : isU64 ? "count == 0 ? 0 : value / (U64)count"
                              : "count == 0 ? 0 : (U64)((I64)value / count)";
    } else if (op == "reduce.l1") {
        fold.step = "value + fabs((double)x)";
    } else if (op == "reduce.l2" || op == "reduce.sum_square") {
        fold.step = "value + (double)x * (double)x";
        fold.finish = op == "reduce.l2" ? "sqrt(value)" : "value";
    } else if (op == "reduce.log_sum") {
        fold.finish = "log(value)";
    }
    return fold;
}

std::string printReduce(const NodeTypes& types) {
    Source source(types.wideIndex);
    source.define("KERNEL_REDUCE");
    const TnDataType type = types.in(0);
    source.type("Element", cudaName(type));
    if (types.node.op() == "reduce.log_sum_exp") {
        source.define("LOG_SUM_EXP");
        source.type("Wide", "double");
        source.declare("__device__ inline Wide merge(Wide value, Wide x) { return value + x; }");
    } else {
        const Fold fold = foldOf(types.node.op(), type);
        source.type("Wide", fold.wide);
        const bool isSum = types.node.op() == "reduce.sum" || types.node.op() == "reduce.mean";
        if (isSum && (type == TN_F16 || type == TN_BF16)) {
            source.define("SHORT_SUMS");
        }
        source.declare(module::text("__device__ inline Wide start() { return (Wide)", fold.start, "; }"));
        source.declare(module::text("template <class X>\n__device__ inline Wide step(Wide value, X x) { return ",
                                    fold.step, "; }"));
        source.declare(module::text("__device__ inline Wide merge(Wide value, Wide x) { return ", fold.merge, "; }"));
        source.declare(
            module::text("__device__ inline Wide finish(Wide value, I64 count) { return ", fold.finish, "; }"));
    }
    source.type("Result", cudaName(types.out()));
    // Integers through double are cut; what does not fit is the lowest 64-bit number, whose low bits are kept.
    source.declare("template <class W>\n__device__ inline Result store(W value) {\n"
                   "    if constexpr (isReal<W> && !isReal<Of<Result>::Wide>) {\n"
                   "        return narrowed<Result>(value >= -9223372036854775808.0 && value < 9223372036854775808.0 ? "
                   "(I64)value : "
                   "-0x7fffffffffffffffLL - 1);\n"
                   "    } else {\n        return narrowed<Result>(value);\n    }\n}");
    return source.text({kFunctionsText, kLinesText});
}

// Neighbouring lines that a block reduces together.
constexpr int64_t kBlockColumns = 16;
// So many elements of a line one thread takes alone, where there are so many threads.
constexpr int64_t kMostAlone = 1024;
constexpr int64_t kEnoughThreads = 1 << 14;

// Lines that lie side by side, in fours.
bool inColumns(std::string_view op, const StridedLoop& kept, const StridedLoop& reduced) {
    const auto inFours = [](const Dims& strides, size_t count) {
        return std::all_of(strides.begin(), strides.begin() + static_cast<std::ptrdiff_t>(count),
                           [](int64_t stride) { return stride % 4 == 0; });
    };
    const Dims& strides = kept.strides[0];
    return op != "reduce.log_sum_exp" && !strides.empty() && strides.back() == 1 && kept.dims.back() % 4 == 0 &&
           inFours(strides, strides.size() - 1) && inFours(reduced.strides[0], reduced.strides[0].size()) &&
           !reduced.dims.empty();
}

void planReduce(NodePlan& n) {
    const Dims& dims = n.call.in(0).dims;
    const Dims axes = n.call.dims("axes");
    std::vector<bool> isReduced(dims.size(), axes.empty() && n.call.intOr("noop_with_empty_axes", 0) == 0);
    for (const int64_t axis : axes) {
        isReduced[static_cast<size_t>(normalizeAxis(axis, dims.size()))] = true;
    }
    // In the order of memory, which is that of the results too.
    const TnFormat& format = n.call.in(0).format;
    const TnFormat& result = n.call.out().format;
    if (!(module::isLinear(format) && module::isLinear(result)) &&
        !(format.rank == result.rank && std::equal(&format.order[0], &format.order[format.rank], &result.order[0]))) {
        refuse(n.call.op(), " from the layout ", module::describe(format), " to ", module::describe(result),
               "; both must lie in the same order");
    }
    int64_t strides[TN_MAX_DIMS] = {};
    module::stridesOf(format, dims.data(), &strides[0]);
    Dims kept;
    Dims keptStrides;
    Dims reduced;
    Dims reducedStrides;
    for (int32_t i = 0; i < format.rank; ++i) {
        const auto d = static_cast<size_t>(format.order[i]);
        (isReduced[d] ? reduced : kept).push_back(dims[d]);
        (isReduced[d] ? reducedStrides : keptStrides).push_back(strides[d]);
    }
    ReduceArgs args{};
    args.operands = n.operands;
    args.outputs = product(kept);
    args.count = product(reduced);
    if (args.outputs != n.call.out().elements) {
        invalid(n.call.op(), " of shape ", shapeText(dims), " gives ", args.outputs, " elements, its output has ",
                n.call.out().elements);
    }
    const StridedLoop keptLoop = collapse(kept, {keptStrides});
    const StridedLoop reducedLoop = collapse(reduced, {reducedStrides});
    args.keptRank = static_cast<int>(keptLoop.dims.size());
    args.reducedRank = static_cast<int>(reducedLoop.dims.size());
    fill(args.keptDims, keptLoop.dims, kTensorDims);
    fill(args.keptStrides, keptLoop.strides[0], kTensorDims);
    fill(args.reducedDims, reducedLoop.dims, kTensorDims);
    fill(args.reducedStrides, reducedLoop.strides[0], kTensorDims);
    if (args.outputs > 0 && inColumns(n.call.op(), keptLoop, reducedLoop)) {
        if (args.outputs / 4 >= kEnoughThreads && args.count <= kMostAlone) {
            n.plan.launch("reduce_fours", args.outputs / 4, args);
            return;
        }
        const int64_t columns = keptLoop.dims.back();
        const int64_t blocks = args.outputs / columns * ((columns + kBlockColumns - 1) / kBlockColumns);
        Launch* const launch = n.plan.launch("reduce_columns", args.outputs, args);
        // Rows of four lanes each, for about four rounds.
        launch->block = 32;
        while (launch->block < 1024 && launch->block < args.count) {
            launch->block *= 2;
        }
        launch->grid[0] = static_cast<uint32_t>(std::min<int64_t>(blocks, int64_t{1} << 30));
        return;
    }
    const bool sideBySide = !keptLoop.strides[0].empty() && keptLoop.strides[0].back() == 1 && keptLoop.dims.back() > 1;
    const int team = teamOf(args.outputs, args.count, sideBySide);
    n.plan.launch(withTeam("reduce", team), args.outputs * team, args);
}

} // namespace

void addReductions(OpTable& table) {
    for (const std::string_view op : {"reduce.sum", "reduce.prod", "reduce.mean", "reduce.l1", "reduce.l2",
                                      "reduce.sum_square", "reduce.log_sum"}) {
        table.add({{.op = op, .types = kNumeric}, printReduce, planReduce, true, true});
    }
    table.add({{.op = "reduce.max", .types = kNumeric | kBool}, printReduce, planReduce, true, true});
    table.add({{.op = "reduce.min", .types = kNumeric | kBool}, printReduce, planReduce, true, true});
    table.add({{.op = "reduce.log_sum_exp", .types = kFloats}, printReduce, planReduce, true, true});
}

} // namespace tenon::cuda
