// matmul, conv, deconv, einsum.
#include "backends/common/window.h"
#include "backends/cuda/device_text.h"
#include "backends/cuda/op_table.h"

#include <map>

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
    const Call& call = n.call;
    Dims a = call.in(0).dims;
    Dims b = call.in(1).dims;
    if (a.empty() || b.empty()) {
        invalid("matmul of a scalar");
    }
    const bool vectorA = a.size() == 1;
    const bool vectorB = b.size() == 1;
    const bool transA = call.intOr("trans_a", 0) != 0 && !vectorA;
    const bool transB = call.intOr("trans_b", 0) != 0 && !vectorB;
    if (vectorA) {
        a.insert(a.begin(), 1);
    }
    if (vectorB) {
        b.push_back(1);
    }
    const int64_t aRows = a[a.size() - 2];
    const int64_t aColumns = a.back();
    const int64_t bRows = b[b.size() - 2];
    const int64_t bColumns = b.back();
    MatmulArgs args{};
    args.operands = n.operands;
    args.rows = transA ? aColumns : aRows;
    args.depth = transA ? aRows : aColumns;
    args.columns = transB ? bRows : bColumns;
    if (args.depth != (transB ? bColumns : bRows)) {
        invalid("matmul of ", shapeText(call.in(0).dims), " and ", shapeText(call.in(1).dims),
                ": the inner extents differ");
    }
    args.aRow = transA ? 1 : aColumns;
    args.aColumn = transA ? aColumns : 1;
    args.bRow = transB ? 1 : bColumns;
    args.bColumn = transB ? bColumns : 1;
    Dims batch = call.out().dims;
    batch.resize(batch.size() - (vectorA ? 0 : 1) - (vectorB ? 0 : 1));
    Dims batchA = broadcastStrides(Dims(a.begin(), a.end() - 2), batch);
    Dims batchB = broadcastStrides(Dims(b.begin(), b.end() - 2), batch);
    for (size_t d = 0; d < batch.size(); ++d) {
        batchA[d] *= aRows * aColumns;
        batchB[d] *= bRows * bColumns;
    }
    args.batchRank = static_cast<int>(batch.size());
    fill(args.batchDims, batch, kTensorDims);
    fill(args.batchA, batchA, kTensorDims);
    fill(args.batchB, batchB, kTensorDims);
    const int64_t tiles = ((args.rows + kTile - 1) / kTile) * ((args.columns + kTile - 1) / kTile);
    const int64_t batches = product(batch);
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

// Batch, channel and spatial strides of a tensor in its format.
void splitStrides(const Shape& shape, I64& batch, I64& channel, I64* spatial) {
    Dims strides(shape.dims.size(), 0);
    module::stridesOf(shape.format, shape.dims.data(), strides.data());
    batch = strides[0];
    channel = strides[1];
    fill(spatial, Dims(strides.begin() + 2, strides.end()), kSpatialDims);
}

WindowArgs windowArgs(const NodePlan& n, const Window& window) {
    WindowArgs args{};
    args.operands = n.operands;
    fill(args.input, window.input, kSpatialDims);
    fill(args.output, window.output, kSpatialDims);
    fill(args.kernel, window.kernel, kSpatialDims);
    fill(args.step, window.strides, kSpatialDims);
    fill(args.dilation, window.dilations, kSpatialDims);
    fill(args.padBegin, window.padBegin, kSpatialDims);
    fill(args.padEnd, window.padEnd, kSpatialDims);
    args.taps = window.taps();
    args.outputSize = product(window.output);
    args.batch = n.call.in(0).dims[0];
    args.channels = n.call.in(0).dims[1];
    args.outputs = n.call.out().dims[1];
    args.hasBias = n.call.has(2) ? 1 : 0;
    splitStrides(n.call.in(0), args.xBatch, args.xChannel, args.x);
    splitStrides(n.call.out(), args.yBatch, args.yChannel, args.y);
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
    WindowArgs args = windowArgs(n, window);
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
    WindowArgs args = windowArgs(n, window);
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

// Labels of one operand or of the output; dimensions that '...' stands for are numbered from the last, as they broadcast.
using Labels = std::vector<int>;
constexpr int kEllipsis = 1000;

Labels labelsOf(const std::string& term, int ellipsisRank) {
    Labels labels;
    for (size_t i = 0; i < term.size(); ++i) {
        if (term.compare(i, 3, "...") == 0) {
            for (int d = ellipsisRank; d-- > 0;) {
                labels.push_back(kEllipsis + d);
            }
            i += 2;
        } else if ((term[i] >= 'a' && term[i] <= 'z') || (term[i] >= 'A' && term[i] <= 'Z')) {
            labels.push_back(term[i]);
        } else {
            invalid("einsum: '", term[i], "' in '", term, "' is no label");
        }
    }
    return labels;
}

struct Equation {
    std::vector<Labels> inputs;
    Labels output;
};

Equation equationOf(const Call& call) {
    std::string text = call.stringOr("equation", "");
    text.erase(std::remove(text.begin(), text.end(), ' '), text.end());
    const size_t arrow = text.find("->");
    std::vector<std::string> terms(1);
    for (const char c : text.substr(0, arrow)) {
        if (c == ',') {
            terms.emplace_back();
        } else {
            terms.back().push_back(c);
        }
    }
    if (terms.size() != call.inputCount()) {
        invalid("einsum '", text, "' has ", terms.size(), " terms for ", call.inputCount(), " inputs");
    }
    Equation equation;
    int widest = 0;
    std::map<int, int> uses;
    for (size_t i = 0; i < terms.size(); ++i) {
        const auto letters =
            static_cast<int>(std::count_if(terms[i].begin(), terms[i].end(), [](char c) { return c != '.'; }));
        const int rank = terms[i].find('.') != std::string::npos ? static_cast<int>(call.in(i).rank()) - letters : 0;
        Labels labels = labelsOf(terms[i], std::max(rank, 0));
        if (labels.size() != call.in(i).rank()) {
            invalid("einsum: term '", terms[i], "' does not fit shape ", shapeText(call.in(i).dims));
        }
        widest = std::max(widest, rank);
        for (const int label : labels) {
            ++uses[label];
        }
        equation.inputs.push_back(std::move(labels));
    }
    if (arrow != std::string::npos) {
        equation.output = labelsOf(text.substr(arrow + 2), widest);
        return equation;
    }
    // Without an arrow: what '...' stands for, then every label that occurs once, sorted.
    for (int d = widest; d-- > 0;) {
        equation.output.push_back(kEllipsis + d);
    }
    for (const auto& [label, count] : uses) {
        if (label < kEllipsis && count == 1) {
            equation.output.push_back(label);
        }
    }
    return equation;
}

void planEinsum(NodePlan& n) {
    const Equation equation = equationOf(n.call);
    std::map<int, int64_t> extents;
    for (size_t i = 0; i < equation.inputs.size(); ++i) {
        for (size_t d = 0; d < equation.inputs[i].size(); ++d) {
            const int64_t extent = n.call.in(i).dims[d];
            int64_t& known = extents.try_emplace(equation.inputs[i][d], extent).first->second;
            if (known != extent && known != 1 && extent != 1) {
                invalid("einsum: a label stands for extents of ", known, " and ", extent);
            }
            known = known == 1 ? extent : known;
        }
    }
    Labels order = equation.output;
    for (const auto& entry : extents) {
        if (std::find(order.begin(), order.end(), entry.first) == order.end()) {
            order.push_back(entry.first);
        }
    }
    Dims dims;
    for (const int label : order) {
        const auto found = extents.find(label);
        if (found == extents.end()) {
            invalid("einsum: the output has a label that no input has");
        }
        dims.push_back(found->second);
    }
    const size_t outputRank = equation.output.size();
    if (Dims(dims.begin(), dims.begin() + static_cast<int64_t>(outputRank)) != n.call.out().dims) {
        invalid("einsum gives another shape than ", shapeText(n.call.out().dims));
    }
    EinsumArgs args{};
    args.operands = n.operands;
    args.outputs = n.call.out().elements;
    args.summed = product(dims, outputRank, dims.size());
    args.outputRank = static_cast<int>(outputRank);
    args.rank = static_cast<int>(dims.size());
    fill(args.dims, dims, kLoopDims);
    for (size_t i = 0; i < equation.inputs.size(); ++i) {
        const Dims own = rowMajorStrides(n.call.in(i).dims);
        for (size_t d = 0; d < own.size(); ++d) {
            // A label twice in one term walks the diagonal.
            const auto at =
                static_cast<size_t>(std::find(order.begin(), order.end(), equation.inputs[i][d]) - order.begin());
            args.strides[i][at] += n.call.in(i).dims[d] == 1 ? 0 : own[d];
        }
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
