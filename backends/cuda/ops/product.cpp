// matmul, conv, deconv, einsum.
#include "backends/common/contraction.h"
#include "backends/cuda/device_text.h"
#include "backends/cuda/op_table.h"
#include "backends/cuda/window_args.h"

namespace tenon::cuda {

namespace {

constexpr int64_t kTile = 64; // as in product.cuh

std::string printMatmul(const NodeTypes& types) {
    return Source(types.wideIndex)
        .define("KERNEL_MATMUL")
        .type("Element", cudaName(types.in(0)))
        .type("Second", cudaName(types.in(1)))
        .type("Result", cudaName(types.out()))
        .text({kProductText});
}

void planMatmul(NodePlan& n) {
    const kernels::MatrixProduct m = kernels::matrixProductOf(n.call);
    MatmulArgs args{};
    args.operands = n.operands;
    args.rows = m.rows;
    args.depth = m.depth;
    args.columns = m.columns;
    args.aRow = m.aRow;
    args.aColumn = m.aColumn;
    args.bRow = m.bRow;
    args.bColumn = m.bColumn;
    args.batchRank = static_cast<int>(m.batch.size());
    fill(args.batchDims, m.batch, kTensorDims);
    fill(args.batchA, m.batchA, kTensorDims);
    fill(args.batchB, m.batchB, kTensorDims);
    const int64_t tiles = ((args.rows + kTile - 1) / kTile) * ((args.columns + kTile - 1) / kTile);
    const int64_t batches = product(m.batch);
    if (tiles > int64_t{1} << 30) {
        refuse("matmul of ", tiles, " tiles");
    }
    if (Launch* launch = n.plan.launch("matmul", batches > 0 ? tiles * kBlock : 0, args)) {
        launch->grid[1] = static_cast<uint32_t>(std::min<int64_t>(batches, 65535));
    }
}

// --- Convolution ------------------------------------------------------------------------------------------------------------------------------

std::string printWindow(const NodeTypes& types, std::initializer_list<std::string_view> kernels) {
    Source source(types.wideIndex);
    for (const std::string_view kernel : kernels) {
        source.define(kernel);
    }
    source.define("SPATIAL", std::to_string(types.node.input(0).rank() - 2));
    source.type("Element", cudaName(types.in(0)))
        .type("Second", cudaName(types.in(1)))
        .type("Third", cudaName(types.in(2) >= 0 ? types.in(2) : types.in(0)))
        .type("Result", cudaName(types.out()));
    return source.text({kProductText});
}
std::string printConv(const NodeTypes& types) {
    return printWindow(types, {"KERNEL_CONV_TILED", "KERNEL_CONV_DIRECT"});
}
std::string printDeconv(const NodeTypes& types) { return printWindow(types, {"KERNEL_DECONV"}); }

WindowArgs convolutionArgs(const NodePlan& n, const Window& window) {
    WindowArgs args = windowArgs(n, window);
    args.hasBias = n.call.has(2) ? 1 : 0;
    if (args.hasBias != 0 && n.call.in(2).elements != args.outputs) {
        invalid(n.call.op(), " with a bias of ", n.call.in(2).elements, " elements for ", args.outputs, " outputs");
    }
    return args;
}

void checkRanks(const NodePlan& n) {
    const Dims& x = n.call.in(0).dims;
    const Dims& w = n.call.in(1).dims;
    if (w.size() < 3 || x.size() != w.size() || n.call.out().dims.size() != x.size()) {
        invalid(n.call.op(), " of shape ", shapeText(x), " with weights ", shapeText(w));
    }
}

void planConv(NodePlan& n) {
    checkRanks(n);
    const Dims& w = n.call.in(1).dims;
    const Window window = windowOf(n.call, Dims(w.begin() + 2, w.end()));
    WindowArgs args = convolutionArgs(n, window);
    args.groups = n.call.intOr("group", 1);
    if (args.groups < 1 || args.channels % args.groups != 0 || args.outputs % args.groups != 0 ||
        w[0] != args.outputs || w[1] != args.channels / args.groups) {
        invalid("conv of shape ", shapeText(n.call.in(0).dims), " with weights ", shapeText(w), " in ", args.groups,
                " groups");
    }
    args.groupChannels = args.channels / args.groups;
    args.groupOutputs = args.outputs / args.groups;
    splitStrides(n.call.in(1), args.wOutput, args.wChannel, args.w);
    const int64_t columns = args.batch * args.outputSize;
    if (args.groupOutputs < 8 || args.groups > 65535) {
        n.plan.launch("conv_direct", columns * args.outputs, args);
        return;
    }
    const int64_t tiles = ((args.groupOutputs + kTile - 1) / kTile) * ((columns + kTile - 1) / kTile);
    if (Launch* launch = n.plan.launch("conv_tiled", tiles * kBlock, args)) {
        launch->grid[1] = static_cast<uint32_t>(args.groups);
    }
}

void planDeconv(NodePlan& n) {
    checkRanks(n);
    const Dims& w = n.call.in(1).dims;
    const Window window = deconvWindowOf(n.call, Dims(w.begin() + 2, w.end()));
    WindowArgs args = convolutionArgs(n, window);
    args.groups = n.call.intOr("group", 1);
    if (args.groups < 1 || w[0] != args.channels || args.channels % args.groups != 0 ||
        args.outputs != w[1] * args.groups) {
        invalid("deconv of shape ", shapeText(n.call.in(0).dims), " with weights ", shapeText(w), " in ", args.groups,
                " groups");
    }
    args.groupChannels = args.channels / args.groups;
    args.groupOutputs = w[1];
    splitStrides(n.call.in(1), args.wChannel, args.wOutput, args.w);
    n.plan.launch("deconv", args.batch * args.outputs * args.outputSize, args);
}

void checkConv(const module::NodeView& node) {
    requireSameTypes(node);
    const int32_t rank = node.input(0).rank();
    if (rank < 3 || rank - 2 > kSpatialDims || node.input(1).rank() != rank) {
        refuse(node.op(), " of rank ", rank, " with weights of rank ", node.input(1).rank());
    }
}

// --- Einsum -------------------------------------------------------------------------------------------------------------------------------------

std::string printEinsum(const NodeTypes& types) {
    return Source(types.wideIndex)
        .define("KERNEL_EINSUM")
        .define("INPUTS", std::to_string(types.inputs.size()))
        .type("Element", cudaName(types.in(0)))
        .type("Result", cudaName(types.out()))
        .text({kProductText});
}

void planEinsum(NodePlan& n) {
    const kernels::Contraction loop = kernels::contractionOf(n.call);
    EinsumArgs args{};
    args.operands = n.operands;
    args.outputs = n.call.out().elements;
    args.summed = loop.summed();
    args.outputRank = static_cast<int>(loop.outputRank);
    args.rank = static_cast<int>(loop.dims.size());
    fill(args.dims, loop.dims, kLoopDims);
    for (size_t i = 0; i < loop.strides.size(); ++i) {
        fill(args.strides[i], loop.strides[i], kLoopDims);
    }
    n.plan.launch("einsum", args.outputs, args);
}

} // namespace

void addProducts(OpTable& table) {
    table.add({{.op = "matmul", .minInputs = 2, .maxInputs = 2, .types = kNumeric, .check = requireSameTypes},
               printMatmul,
               planMatmul,
               true});
    table.add({{.op = "conv", .minInputs = 2, .maxInputs = 3, .types = kFloats, .check = checkConv},
               printConv,
               planConv,
               true,
               true});
    table.add({{.op = "deconv", .minInputs = 2, .maxInputs = 3, .types = kFloats, .check = checkConv},
               printDeconv,
               planDeconv,
               true,
               true});
    table.add({{.op = "einsum", .maxInputs = kEinsumInputs, .types = kNumeric, .check = requireSameTypes},
               printEinsum,
               planEinsum,
               true});
}

} // namespace tenon::cuda
