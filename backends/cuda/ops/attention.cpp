// attention: on tensor cores where elements have 16 bits, else a warp for each row.
#include "backends/common/attention.h"
#include "backends/cuda/device_text.h"
#include "backends/cuda/op_table.h"

namespace tenon::cuda {

namespace {

// Registers of a lane hold a 32nd of a row.
constexpr int64_t kMostElements = 1024;
// On tensor cores: rows of a block, and elements of a row that registers hold.
constexpr int64_t kTile = 16;
constexpr int64_t kMostTileElements = 128;
constexpr int64_t kMostTiles = int64_t{1} << 30;
// With as many warps a device is busy: more of them to a block would only have more to put together.
constexpr int64_t kEnoughWarps = 1024;

int64_t elementsOf(const module::NodeView& node, int32_t input) {
    const module::ValueView value = node.input(input);
    if (!value.hasRank() || value.rank() < 3) {
        refuse("attention of unknown rank");
    }
    const TnDim dim = value.dim(-1);
    if (!module::isStatic(dim) || dim.min < 1 || dim.min > kMostElements) {
        refuse("attention needs a known number of elements per head, ", kMostElements, " at most");
    }
    return dim.min;
}

void checkDeviceAttention(const module::NodeView& node) {
    checkAttention(node);
    elementsOf(node, 0);
    elementsOf(node, 2);
}

// Threads of the tensor cores' kernel read eight elements at once.
bool isTiled(TnDataType type, int64_t depth, int64_t width, bool keysSwapped) {
    return (type == TN_F16 || type == TN_BF16) && depth % 8 == 0 && width % 8 == 0 && depth <= kMostTileElements &&
           width <= kMostTileElements && !keysSwapped;
}

std::string printAttention(const NodeTypes& types) {
    const TnDataType mask = types.in(3);
    const int64_t depth = elementsOf(types.node, 0);
    const int64_t width = elementsOf(types.node, 2);
    std::string kernel(kAttentionText);
    if (isTiled(types.in(0), depth, width, types.node.intOr("k_transposed", 0) != 0)) {
        // Both may be launched with the same blocks.
        kernel = module::text("#if __CUDA_ARCH__ >= 800\n", kAttentionTilesText, "#else\n", kAttentionText, "#endif\n");
    }
    return Source(types.wideIndex)
        .define("DEPTH", std::to_string(depth))
        .define("WIDTH", std::to_string(width))
        .define("HAS_MASK", mask >= 0 ? "1" : "0")
        .define("MASK_IS_BOOL", mask == TN_BOOL ? "1" : "0")
        .type("Element", cudaName(types.in(0)))
        .type("Mask", cudaName(mask >= 0 ? mask : types.in(0)))
        .type("Result", cudaName(types.out()))
        .text({kernel});
}

void planAttention(NodePlan& n) {
    const AttentionShape shape = attentionShapeOf(n.call);
    AttentionArgs args{};
    args.operands = n.operands;
    args.count = shape.batches * shape.heads * shape.rows;
    args.batches = shape.batches;
    args.heads = shape.heads;
    args.group = shape.group();
    args.queries = shape.rows;
    args.keys = shape.keys;
    args.scale = shape.scale;
    args.fill = shape.fill;
    args.causal = shape.causal ? 1 : 0;
    args.maskKeeps = shape.maskKeeps ? 1 : 0;
    args.nanToZero = shape.nanToZero ? 1 : 0;
    const auto lay = [](I64(&to)[4], const AttentionStrides& from) {
        to[0] = from.batch;
        to[1] = from.head;
        to[2] = from.row;
        to[3] = from.element;
    };
    lay(args.q, shape.q);
    lay(args.k, shape.k);
    lay(args.v, shape.v);
    lay(args.y, shape.y);
    lay(args.mask, shape.mask);
    if (!isTiled(shape.type, shape.depth, shape.width, n.call.intOr("k_transposed", 0) != 0)) {
        n.plan.launch("attention", shape.width > 0 ? args.count * 32 : 0, args);
        return;
    }
    const int64_t tiles = shape.batches * shape.heads * ((shape.rows + kTile - 1) / kTile);
    if (tiles > kMostTiles) {
        refuse("attention of ", tiles, " times ", kTile, " rows");
    }
    const int64_t keys = shape.depth + shape.width <= kShortRows ? kKeysOfShortRows : kKeysOfShortRows / 2;
    int64_t warps = kColumnsOfWarps / ((shape.width + 63) / 64 * 64);
    while (warps > 1 && ((warps - 1) * keys >= shape.keys || tiles * warps > kEnoughWarps)) {
        warps /= 2;
    }
    n.plan.launch("attention", tiles * warps * 32, args, warps * 32);
}

} // namespace

void addAttention(OpTable& table) {
    table.add({{.op = "attention", .minInputs = 3, .maxInputs = 4, .types = kFloats, .check = checkDeviceAttention},
               printAttention,
               planAttention,
               true});
}

} // namespace tenon::cuda
