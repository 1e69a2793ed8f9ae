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

// How one copy is done.
struct PlannedCopy {
    std::string kernel;
    CopyArgs args{};
    int64_t threads = 0;

    // By kernels that do several at once.
    bool isPlain() const { return kernel.starts_with("copy"); }
};

// Where output and input have their neighbours along different dimensions, by tiles.
PlannedCopy plannedCopy(const NodePlan& n, const CopySpec& copy) {
    PlannedCopy planned;
    CopyArgs& args = planned.args;
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
    planned.kernel = kernel;
    planned.threads = args.count;
    if (tiles) {
        planned.kernel = "transposed";
        planned.threads = args.count > 0 ? blocks * kBlock : 0;
    } else if (kernel == "copy" && rank > 1 && args.count > 0 && loop.dims.back() <= 8 &&
               loop.strides[1][rank - 1] != 1 && loop.strides[1][rank - 2] == 1) {
        planned.kernel = "interleaved";
        planned.threads = args.count / loop.dims.back();
    }
    return planned;
}

// The parts of a concatenation or a split that are copied alike in one launch.
void planCopies(NodePlan& n, const Copies& copies) {
    std::vector<PlannedCopy> left;
    for (const CopySpec& copy : copies) {
        if (PlannedCopy planned = plannedCopy(n, copy); planned.threads > 0) {
            left.push_back(std::move(planned));
        }
    }
    while (!left.empty()) {
        const PlannedCopy first = left.front();
        const auto isAlike = [&](const PlannedCopy& each) { return first.isPlain() && each.kernel == first.kernel; };
        CopiesArgs args{};
        int64_t most = 0;
        uint32_t count = 0;
        std::vector<PlannedCopy> others;
        for (size_t i = 0; i < left.size(); ++i) {
            if (i > 0 && (!isAlike(left[i]) || count == kMostCopies)) {
                others.push_back(left[i]);
                continue;
            }
            args.each[count++] = left[i].args;
            most = std::max(most, left[i].threads);
        }
        if (count == 1) {
            n.plan.launch(first.kernel, first.threads, first.args);
        } else {
            n.plan.launch("copies" + first.kernel.substr(4), most, args)->grid[1] = count;
        }
        left = std::move(others);
    }
}

// `dims` from the outermost to the innermost in memory.
Dims inOrder(const Dims& dims, const TnFormat& format) {
    Dims ordered;
    for (size_t d = 0; d < dims.size(); ++d) {
        ordered.push_back(dims[static_cast<size_t>(format.order[d])]);
    }
    return ordered;
}

// One side of a copy from or to a row-major tensor, where the tensor lies otherwise.
void putInLayout(Side& side, const Shape& tensor) {
    if (module::isLinear(tensor.format)) {
        return;
    }
    const Dims rowMajor = rowMajorStrides(tensor.dims);
    Dims own(tensor.rank());
    module::stridesOf(tensor.format, tensor.dims.data(), own.data());
    int64_t rest = side.first;
    side.first = 0;
    for (size_t d = 0; d < own.size(); ++d) {
        side.first += rest / rowMajor[d] * own[d];
        rest %= rowMajor[d];
        side.strides[d] = side.strides[d] / rowMajor[d] * own[d];
    }
}

// Copies between row-major tensors, as the layouts of the node's tensors have them.
Copies inLayouts(const NodePlan& n, Copies copies) {
    for (CopySpec& copy : copies) {
        if (product(copy.dims) > 0) {
            const TnFormat& format = n.call.out(copy.output).format;
            putInLayout(copy.from, n.call.in(copy.input));
            putInLayout(copy.to, n.call.out(copy.output));
            for (Dims* each : {&copy.dims, &copy.from.strides, &copy.to.strides}) {
                *each = inOrder(*each, format);
            }
        }
    }
    return copies;
}

// The layout of a node that has its input and output in one.
const TnFormat& commonLayout(const NodePlan& n) {
    const TnFormat& format = n.call.out().format;
    if (!module::equal(n.call.in(0).format, format)) {
        refuse(n.call.op(), " from one layout to another");
    }
    return format;
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
    const TnFormat& format = commonLayout(n);
    const Dims in = inOrder(n.call.in(0).dims, format);
    const Dims out = inOrder(n.call.out().dims, format);
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
    fill(args.begin, inOrder(folding.begin, format), kTensorDims);
    fill(args.step, inOrder(folding.step, format), kTensorDims);
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
        planCopies(n, inLayouts(n, *copies));
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
    const TnFormat& format = commonLayout(n);
    const Dims in = inOrder(call.in(0).dims, format);
    const Dims out = inOrder(call.out().dims, format);
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
        const auto* const at = std::find(&format.order[0], &format.order[in.size()], static_cast<int32_t>(axis.axis));
        const auto d = static_cast<size_t>(at - &format.order[0]);
        args.mapped[d] = 1;
        args.scale[d] = axis.scale;
        args.roiBegin[d] = axis.roiBegin;
        args.roiEnd[d] = axis.roiEnd;
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
        planCopies(n, {copy});
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
    copies("expand", 2, [](NodePlan& n) { planCopies(n, copiesOfExpand(n.call)); });
    copies("tile", 2, [](NodePlan& n) { planCopies(n, copiesOfTile(n.call)); });
    const auto inAnyOrder = [&](std::string_view op, int32_t most, std::string (*print)(const NodeTypes&),
                                void (*plan)(NodePlan&), void (*check)(const module::NodeView&) = nullptr) {
        table.add({{.op = op, .maxInputs = most, .types = kWholeBytes, .check = check}, print, plan, true, true});
    };
    inAnyOrder(
        "concat", kMostInputs, printCopy, [](NodePlan& n) { planCopies(n, inLayouts(n, copiesOfConcat(n.call))); },
        requireSameTypes);
    inAnyOrder("split", 2, printCopy, [](NodePlan& n) { planCopies(n, inLayouts(n, copiesOfSplit(n.call))); });
    inAnyOrder("slice", 7, printCopyAndMove, planSlice);
    inAnyOrder("pad", 4, printCopyAndMove, planPad, checkPad);
    inAnyOrder("resize", 3, printResize, planResize, checkResize);
    table.add({{.op = "convert", .types = kWholeBytes, .output = OutputRule::kAny}, printConvert, planConvert});
}

} // namespace tenon::cuda
