// attention: for every type and mask; cudnn has the fast ones.
#include "backends/common/attention.h"
#include "backends/cuda/device_text.h"
#include "backends/cuda/op_table.h"

namespace tenon::cuda {

namespace {

// Registers of a lane hold a 32nd of a row.
constexpr int64_t kMostElements = 1024;

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

std::string printAttention(const NodeTypes& types) {
    const TnDataType mask = types.in(3);
    return Source(types.wideIndex)
        .define("DEPTH", std::to_string(elementsOf(types.node, 0)))
        .define("WIDTH", std::to_string(elementsOf(types.node, 2)))
        .define("HAS_MASK", mask >= 0 ? "1" : "0")
        .define("MASK_IS_BOOL", mask == TN_BOOL ? "1" : "0")
        .type("Element", cudaName(types.in(0)))
        .type("Mask", cudaName(mask >= 0 ? mask : types.in(0)))
        .type("Result", cudaName(types.out()))
        .text({kAttentionText});
}

void planAttention(NodePlan& n) {
    const AttentionShape shape = attentionShapeOf(n.call);
    AttentionArgs args{};
    args.operands = n.operands;
    args.count = shape.batches * shape.heads * shape.rows;
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
    n.plan.launch("attention", shape.width > 0 ? args.count * 32 : 0, args);
}

} // namespace

void addAttention(OpTable& table) {
    table.add({{.op = "attention", .minInputs = 3, .maxInputs = 4, .types = kFloats, .check = checkDeviceAttention},
               printAttention,
               planAttention,
               true});
}

} // namespace tenon::cuda
