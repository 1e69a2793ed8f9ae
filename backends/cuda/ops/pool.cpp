// pool.max, pool.avg, pool.lp.
#include "backends/cuda/device_text.h"
#include "backends/cuda/op_table.h"
#include "backends/cuda/window_args.h"

namespace tenon::cuda {

namespace {

std::string printPool(const NodeTypes& types) {
    Source source(types.wideIndex);
    if (types.node.op() == "pool.max") {
        source.define("POOL_MAX");
    } else if (types.node.op() == "pool.lp") {
        source.define("POOL_LP");
    }
    const TnDataType type = types.in(0);
    source.define("SPATIAL", std::to_string(types.node.input(0).rank() - 2));
    source.type("Element", cudaName(type)).type("Result", cudaName(types.out()));
    source.declare(
        contains(kFloats, type)
            ? std::string("__device__ inline Result lowest() { return narrowed<Result>(-infinity64()); }")
            : module::text("__device__ inline Result lowest() { return Limits<", cudaName(type), ">::low; }"));
    return source.text({kFunctionsText, kPoolText});
}

void planPool(NodePlan& n) {
    const Dims kernel = n.call.intsOr("kernel", 0, 0);
    const Dims& in = n.call.in(0).dims;
    if (kernel.empty() || kernel.size() + 2 != in.size()) {
        invalid(n.call.op(), " of shape ", shapeText(in), " with a kernel of ", kernel.size(), " dimensions");
    }
    WindowArgs args = windowArgs(n, windowOf(n.call, kernel));
    args.countPads = static_cast<int>(n.call.intOr("count_include_pad", 0));
    args.storageOrder = static_cast<int>(n.call.intOr("storage_order", 0));
    args.p = static_cast<int>(n.call.intOr("p", 2));
    const int64_t largest = std::max(n.call.in(0).elements, n.call.out().elements);
    const bool quads = kernel.size() == 2 && n.call.op() != "pool.lp" && !n.call.wants(1) && args.xChannel == 1 &&
                       args.yChannel == 1 && args.outputs % 4 == 0 && largest < int64_t{1} << 30;
    n.plan.launch(quads ? "pool_quads" : "pool", n.call.out().elements / (quads ? 4 : 1), args);
}

void checkPool(const module::NodeView& node) {
    const int32_t rank = node.input(0).rank();
    if (rank < 3 || rank - 2 > kSpatialDims) {
        refuse(node.op(), " of rank ", rank);
    }
    if (node.outputCount() > 1 && node.outputIndex(1) >= 0 && node.output(1).dtype() != TN_I64) {
        refuse(node.op(), " with indices of ", nameOf(node.output(1).dtype()), "; supported is i64");
    }
}

} // namespace

void addPooling(OpTable& table) {
    table.add({{.op = "pool.max", .types = kNumeric, .check = checkPool}, printPool, planPool, true, true});
    table.add({{.op = "pool.avg", .types = kFloats, .check = checkPool}, printPool, planPool, true, true});
    table.add({{.op = "pool.lp", .types = kFloats, .check = checkPool}, printPool, planPool, true, true});
}

} // namespace tenon::cuda
