// Ops that move elements: reshapes, transposes, joins, cuts, padding, resize, and the conversion of layouts.
#include "backends/common/movement.h"
#include "backends/common/resample.h"
#include "backends/common/strided.h"
#include "backends/cuda/device_text.h"
#include "backends/cuda/op_table.h"

#include <cmath>
#include <cstring>

namespace tenon::cuda {

namespace {

void planSameBytes(NodePlan& n) { n.plan.copyBytes(n.operands.in[0], n.operands.out[0], n.call.out().bytes); }
std::string printNothing(const NodeTypes&) { return {}; }

// Elements as they are, or converted between float types.
Source& declareElements(Source& source, TnDataType from, TnDataType to) {
    if (from == to) {
        return source.define("SAME_BYTES").type("From", cudaBytesName(from)).type("To", cudaBytesName(from));
    }
    return source.type("From", cudaName(from)).type("To", cudaName(to));
}

std::string printCopy(const NodeTypes& types) {
    Source source(types.wideIndex);
    source.define("KERNEL_COPY");
    const TnDataType type = types.in(0);
    return declareElements(source, type, type).text({kMovementText});
}

// One copy. Where output and input have their neighbours along different dimensions, by tiles.
void planCopy(NodePlan& n, const CopySpec& copy) {
    CopyArgs args{};
    args.operands = n.operands;
    args.input = static_cast<int>(copy.input);
    args.output = static_cast<int>(copy.output);
    args.count = product(copy.dims);
    args.fromFirst = copy.from.first;
    args.toFirst = copy.to.first;
    StridedLoop loop = collapse(copy.dims, {copy.to.strides, copy.from.strides});
    constexpr int64_t kTile = 32;
    size_t inner = loop.dims.size();
    for (size_t d = 0; d + 1 < loop.dims.size(); ++d) {
        inner = loop.strides[1][d] == 1 && loop.dims[d] >= 8 ? d : inner;
    }
    const bool tiles = inner < loop.dims.size() && loop.strides[0].back() == 1 && loop.dims.back() >= 8 &&
                       loop.strides[1].back() != 1 && args.count < int64_t{1} << 31;
    int64_t blocks = 1;
    if (tiles) {
        const size_t target = loop.dims.size() - 2;
        const auto move = [&](Dims& each) {
            const int64_t kept = each[inner];
            each.erase(each.begin() + static_cast<std::ptrdiff_t>(inner));
            each.insert(each.begin() + static_cast<std::ptrdiff_t>(target), kept);
        };
        move(loop.dims);
        move(loop.strides[0]);
        move(loop.strides[1]);
        for (size_t d = 0; d < loop.dims.size(); ++d) {
            blocks *= d < target ? loop.dims[d] : (loop.dims[d] + kTile - 1) / kTile;
        }
    }
    std::string kernel = "copy";
    const auto size = static_cast<int64_t>(bytesOf(n.call.in(copy.input).dtype));
    if (!tiles && n.call.in(copy.input).dtype == n.call.out(copy.output).dtype && loop.strides[0].back() == 1 &&
        loop.strides[1].back() == 1) {
        // In larger pieces where everything is a multiple of them.
        for (const int64_t bytes : {int64_t{16}, int64_t{8}, int64_t{4}}) {
            const int64_t many = bytes / size;
            bool whole =
                many > 1 && loop.dims.back() % many == 0 && args.fromFirst % many == 0 && args.toFirst % many == 0;
            for (size_t d = 0; d + 1 < loop.dims.size(); ++d) {
                whole = whole && loop.strides[0][d] % many == 0 && loop.strides[1][d] % many == 0;
            }
            if (!whole) {
                continue;
            }
            loop.dims.back() /= many;
            for (size_t d = 0; d + 1 < loop.dims.size(); ++d) {
                loop.strides[0][d] /= many;
                loop.strides[1][d] /= many;
            }
            args.fromFirst /= many;
            args.toFirst /= many;
            args.count /= many;
            kernel += module::text("_", bytes);
            break;
        }
    }
    args.rank = static_cast<int>(loop.dims.size());
    fill(args.dims, loop.dims, kLoopDims);
    fill(args.to, loop.strides[0], kLoopDims);
    fill(args.from, loop.strides[1], kLoopDims);
    const size_t rank = loop.dims.size();
    if (tiles) {
        n.plan.launch("transposed", args.count > 0 ? blocks * kBlock : 0, args);
    } else if (kernel == "copy" && rank > 1 && args.count > 0 && loop.dims.back() <= 8 &&
               loop.strides[1][rank - 1] != 1 && loop.strides[1][rank - 2] == 1) {
        n.plan.launch("interleaved", args.count / loop.dims.back(), args);
    } else {
        n.plan.launch(kernel, args.count, args);
    }
}

void planCopies(NodePlan& n, const Copies& copies) {
    for (const CopySpec& copy : copies) {
        planCopy(n, copy);
    }
}

// Where each output element comes from, in one of the folding modes.
struct Folding {
    Dims begin;
    Dims step;
    int mode = kMoveFill;
    int fillInput = -1;
    uint64_t fill = 0;
};

void planMove(NodePlan& n, const Folding& folding) {
    const Dims& in = n.call.in(0).dims;
    const Dims& out = n.call.out().dims;
    MoveArgs args{};
    args.operands = n.operands;
    args.count = n.call.out().elements;
    args.rank = static_cast<int>(out.size());
    args.mode = folding.mode;
    args.fillInput = folding.fillInput;
    args.fill = folding.fill;
    fill(args.outDims, out, kTensorDims);
    fill(args.inDims, in, kTensorDims);
    fill(args.inStrides, rowMajorStrides(in), kTensorDims);
    fill(args.begin, folding.begin, kTensorDims);
    fill(args.step, folding.step, kTensorDims);
    n.plan.launch("move", args.count, args);
}

std::string printCopyAndMove(const NodeTypes& types) {
    Source source(types.wideIndex);
    const TnDataType type = types.in(0);
    source.define("KERNEL_COPY").define("KERNEL_MOVE").type("Element", cudaBytesName(type));
    return declareElements(source, type, type).text({kMovementText});
}

int modeOf(std::string_view name) {
    if (name == "clamp" || name == "edge") {
        return kMoveClamp;
    }
    return name == "wrap" ? kMoveWrap : name == "reflect" ? kMoveReflect : kMoveFill;
}

// The bits of a number as an element of `type`.
uint64_t elementBits(TnDataType type, double value) {
    uint64_t bits = 0;
    if (contains(kFloats, type)) {
        dispatchFloat(type, [&](auto tag) {
            typename decltype(tag)::Type stored{};
            narrow(value, stored);
            std::memcpy(&bits, &stored, sizeof stored);
        });
    } else if (type == TN_F8E4M3) {
        bits = f8E4M3Of(value, true);
    } else if (type == TN_F8E5M2) {
        bits = f8E5M2Of(value, true);
    } else if (type == TN_F8E8M0) {
        bits = f8E8M0Of(value);
    } else if (type == TN_U64) {
        bits = value <= 0 ? 0 : value >= 0x1p64 ? UINT64_MAX : static_cast<uint64_t>(value);
    } else {
        bits = static_cast<uint64_t>(static_cast<int64_t>(std::fabs(value) < 0x1p63 ? value : 0));
    }
    return bits;
}

void planSlice(NodePlan& n) {
    if (const std::optional<Copies> copies = copiesOfSlice(n.call)) {
        planCopies(n, *copies);
        return;
    }
    sourcesOfSlice(n.call); // its checks
    const size_t rank = n.call.in(0).dims.size();
    Folding folding{Dims(rank, 0), Dims(rank, 1), modeOf(n.call.stringOr("mode", "strict")), n.call.has(6) ? 6 : -1, 0};
    const Dims starts = n.call.dims("starts");
    Dims axes = n.call.dims("axes");
    const Dims steps = n.call.dims("steps");
    for (size_t i = 0; i < starts.size(); ++i) {
        const auto d = axes.empty() ? i : static_cast<size_t>(normalizeAxis(axes[i], rank));
        folding.begin[d] = starts[i];
        folding.step[d] = steps.empty() ? 1 : steps[i];
    }
    planMove(n, folding);
}

void planPad(NodePlan& n) {
    sourcesOfPad(n.call); // its checks
    const size_t rank = n.call.in(0).dims.size();
    const Dims pads = n.call.dims("pads");
    const Dims axes = n.call.dims("axes");
    Folding folding{Dims(rank, 0), Dims(rank, 1), modeOf(n.call.stringOr("mode", "constant")), n.call.has(2) ? 2 : -1,
                    elementBits(n.call.out().dtype, n.call.floatOr("value", 0))};
    const size_t count = pads.size() / 2;
    for (size_t i = 0; i < count; ++i) {
        const auto d = axes.empty() ? i : static_cast<size_t>(normalizeAxis(axes[i], rank));
        folding.begin[d] -= pads[i];
    }
    planMove(n, folding);
}
void checkPad(const module::NodeView& node) {
    if (node.hasInput(2) && node.input(2).dtype() != node.input(0).dtype()) {
        refuse("pad of ", nameOf(node.input(0).dtype()), " with a value of ", nameOf(node.input(2).dtype()));
    }
}

// --- Resize -------------------------------------------------------------------------------------------------------------------------------

int resizeMode(std::string_view mode) {
    return mode == "nearest" ? kResizeNearest : mode == "linear" ? kResizeLinear : kResizeCubic;
}

std::string printResize(const NodeTypes& types) {
    Source source(types.wideIndex);
    source.define("KERNEL_RESIZE");
    if (resizeMode(types.node.stringOr("mode", "nearest")) == kResizeNearest) {
        source.define("NEAREST");
        source.define("EXTRAPOLATION",
                      std::to_string(elementBits(types.out(), types.node.floatOr("extrapolation", 0))) + "ULL");
        source.type("Element", cudaBytesName(types.in(0)));
    } else {
        source.define("RANK", std::to_string(types.node.input(0).rank()));
        source.type("Element", cudaName(types.in(0)));
    }
    return source.text({kMovementText});
}

int coordinateOf(const std::string& name) {
    constexpr std::string_view kNames[] = {"half_pixel",         "align_corners",        "asymmetric",
                                           "tf_crop_and_resize", "tf_half_pixel_for_nn", "half_pixel_symmetric",
                                           "pytorch_half_pixel"};
    for (size_t i = 0; i < std::size(kNames); ++i) {
        if (name == kNames[i]) {
            return static_cast<int>(i);
        }
    }
    invalid("resize has no coordinate transformation '", name, "'");
}
int roundingOf(const std::string& name) {
    constexpr std::string_view kNames[] = {"round_prefer_floor", "round_prefer_ceil", "floor", "ceil"};
    for (size_t i = 0; i < std::size(kNames); ++i) {
        if (name == kNames[i]) {
            return static_cast<int>(i);
        }
    }
    invalid("resize has no rounding '", name, "'");
}

void planResize(NodePlan& n) {
    const Call& call = n.call;
    const Dims& in = call.in(0).dims;
    const Dims& out = call.out().dims;
    ResizeArgs args{};
    args.operands = n.operands;
    args.count = call.out().elements;
    args.rank = static_cast<int>(in.size());
    args.mode = resizeMode(call.stringOr("mode", "nearest"));
    args.coordinate = coordinateOf(call.stringOr("coordinate", "half_pixel"));
    args.rounding = roundingOf(call.stringOr("nearest", "round_prefer_floor"));
    args.excludeOutside = static_cast<int>(call.intOr("exclude_outside", 0));
    args.antialias = static_cast<int>(call.intOr("antialias", 0));
    args.cubicA = call.floatOr("cubic_a", -0.75);
    args.extrapolation = call.floatOr("extrapolation", 0);
    fill(args.outDims, out, kTensorDims);
    fill(args.inDims, in, kTensorDims);
    fill(args.inStrides, rowMajorStrides(in), kTensorDims);
    for (const kernels::AxisScale& axis : kernels::scalesOfResize(call)) {
        args.mapped[axis.axis] = 1;
        args.scale[axis.axis] = axis.scale;
        args.roiBegin[axis.axis] = axis.roiBegin;
        args.roiEnd[axis.axis] = axis.roiEnd;
    }
    n.plan.launch("resize", args.count, args);
}

// --- Convert --------------------------------------------------------------------------------------------------------------------------------

std::string printConvert(const NodeTypes& types) {
    Source source(types.wideIndex);
    source.define("KERNEL_COPY").define("KERNEL_CONVERT");
    return declareElements(source, types.in(0), types.out()).text({kMovementText});
}

// offset(c) as a sum of pieces: a block takes the low part of its dimension, what is left goes outwards.
LayoutArgs layoutOf(const TnFormat& format, const Dims& dims) {
    LayoutArgs layout{};
    Dims extent = dims;
    Dims divisor(dims.size(), 1);
    int64_t stride = 1;
    const auto add = [&](int32_t dim, int64_t modulus, int64_t pieceStride) {
        const auto p = static_cast<size_t>(layout.pieces++);
        layout.dim[p] = dim;
        layout.divisor[p] = divisor[static_cast<size_t>(dim)];
        layout.modulus[p] = std::max<int64_t>(modulus, 1);
        layout.stride[p] = pieceStride;
    };
    for (int32_t i = format.block_count - 1; i >= 0; --i) {
        const TnBlock& block = format.blocks[i];
        const auto d = static_cast<size_t>(block.dim);
        add(block.dim, block.size, stride);
        stride *= block.size;
        divisor[d] *= block.size;
        extent[d] = (extent[d] + block.size - 1) / block.size;
    }
    for (int32_t i = format.rank - 1; i >= 0; --i) {
        const int32_t dim = format.order[i];
        const auto d = static_cast<size_t>(dim);
        add(dim, extent[d], i == 0 && format.outer_pitch > 0 ? format.outer_pitch : stride);
        stride *= extent[d];
    }
    return layout;
}

// Row-major planes of a few channels to pixels, with all channels there are or in one block.
bool planPixels(NodePlan& n) {
    const Shape& in = n.call.in(0);
    const TnFormat& format = n.call.out().format;
    if (in.rank() < 3 || !module::isLinear(in.format)) {
        return false;
    }
    const auto block = static_cast<int32_t>(module::blockOf(format, 1));
    const auto rank = static_cast<int32_t>(in.rank());
    const bool last = module::equal(format, module::channelsLastFormat(rank));
    const bool blocked = module::equal(format, module::blockedFormat(rank, {{1, block}}, format.tail_zero != 0));
    const int64_t width = last ? in.dims[1] : block;
    if (!(last || blocked) || in.dims[1] > width || width > kMostPixelChannels) {
        return false;
    }
    PixelArgs args{};
    args.operands = n.operands;
    args.items = in.dims[0];
    args.pixels = product(in.dims, 2, in.rank());
    args.channels = static_cast<int>(in.dims[1]);
    args.width = static_cast<int>(width);
    n.plan.launch("convert_pixels", args.items * args.pixels, args);
    return true;
}

void planConvert(NodePlan& n) {
    const Shape& in = n.call.in(0);
    const Shape& out = n.call.out();
    if (in.dims != out.dims) {
        invalid("convert from shape ", shapeText(in.dims), " to shape ", shapeText(out.dims));
    }
    if (planPixels(n)) {
        return;
    }
    const TnFormat& format = out.format;
    if (format.block_count > 0 && format.outer_pitch > 0) {
        refuse("convert to a layout with both blocks and an outer pitch");
    }
    if (format.block_count == 0 && in.format.block_count == 0 && !out.dims.empty()) {
        // Strides on both sides: a copy, walked in the output's order.
        Dims from(out.dims.size(), 0);
        Dims to(out.dims.size(), 0);
        module::stridesOf(in.format, in.dims.data(), from.data());
        module::stridesOf(format, out.dims.data(), to.data());
        CopySpec copy;
        for (size_t d = 0; d < out.dims.size(); ++d) {
            const auto at = static_cast<size_t>(format.order[d]);
            copy.dims.push_back(out.dims[at]);
            copy.from.strides.push_back(from[at]);
            copy.to.strides.push_back(to[at]);
        }
        planCopy(n, copy);
        return;
    }
    ConvertArgs args{};
    args.operands = n.operands;
    args.rank = static_cast<int>(out.dims.size());
    Dims padded = out.dims;
    for (size_t d = 0; d < padded.size(); ++d) {
        const int64_t block = module::blockOf(format, static_cast<int32_t>(d));
        padded[d] = (padded[d] + block - 1) / block * block;
        args.order[d] = format.order[d];
    }
    args.count = product(padded);
    fill(args.dims, out.dims, kTensorDims);
    fill(args.padded, padded, kTensorDims);
    args.from = layoutOf(in.format, in.dims);
    args.to = layoutOf(out.format, padded);
    n.plan.launch("convert", args.count, args);
}

} // namespace

void addMovement(OpTable& table) {
    for (const std::string_view op : {"reshape", "flatten", "squeeze", "unsqueeze"}) {
        table.add({{.op = op, .maxInputs = op == "flatten" ? 1 : 2, .types = kWholeBytes},
                   printNothing,
                   planSameBytes,
                   true});
    }
    const auto copies = [&](std::string_view op, int32_t most, void (*plan)(NodePlan&),
                            void (*check)(const module::NodeView&) = nullptr) {
        table.add({{.op = op, .maxInputs = most, .types = kWholeBytes, .check = check}, printCopy, plan, true});
    };
    copies("transpose", 1, [](NodePlan& n) { planCopies(n, copiesOfTranspose(n.call)); });
    copies("depth_to_space", 1, [](NodePlan& n) { planCopies(n, copiesOfDepthToSpace(n.call)); });
    copies("space_to_depth", 1, [](NodePlan& n) { planCopies(n, copiesOfSpaceToDepth(n.call)); });
    copies(
        "concat", kMostInputs, [](NodePlan& n) { planCopies(n, copiesOfConcat(n.call)); }, requireSameTypes);
    copies("split", 2, [](NodePlan& n) { planCopies(n, copiesOfSplit(n.call)); });
    copies("expand", 2, [](NodePlan& n) { planCopies(n, copiesOfExpand(n.call)); });
    copies("tile", 2, [](NodePlan& n) { planCopies(n, copiesOfTile(n.call)); });
    table.add({{.op = "slice", .maxInputs = 7, .types = kWholeBytes}, printCopyAndMove, planSlice, true});
    table.add(
        {{.op = "pad", .maxInputs = 4, .types = kWholeBytes, .check = checkPad}, printCopyAndMove, planPad, true});
    table.add(
        {{.op = "resize", .maxInputs = 3, .types = kWholeBytes, .check = checkResize}, printResize, planResize, true});
    table.add({{.op = "convert", .types = kWholeBytes, .output = OutputRule::kAny}, printConvert, planConvert});
}

} // namespace tenon::cuda
