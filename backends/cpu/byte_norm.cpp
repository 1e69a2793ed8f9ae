#include "backends/cpu/byte_norm.h"

#include "backends/common/parallel.h"
#include "backends/common/ports.h"
#include "backends/cpu/byte_scale.h"
#include "backends/cpu/ops.h"
#include "backends/cpu/simd/rows.h"

#include <cmath>

namespace tenon::cpu {

namespace {

enum class Kind : uint8_t { kSoftmax, kLayerNorm, kRmsNorm };

// The nodes of such a body, and the ports of what they read; -1: none.
struct Region {
    Kind kind = Kind::kSoftmax;
    module::NodeView root;
    std::optional<ByteScale> from;
    std::optional<ByteScale> to;
    int32_t x = -1;
    int32_t scale = -1;
    int32_t bias = -1;
};

std::optional<Kind> kindOf(std::string_view op) {
    return op == "softmax"      ? std::optional(Kind::kSoftmax)
           : op == "layer_norm" ? std::optional(Kind::kLayerNorm)
           : op == "rms_norm"   ? std::optional(Kind::kRmsNorm)
                                : std::nullopt;
}

std::optional<Region> readRegion(const module::GraphView& body) {
    const size_t count = body.nodeCount();
    if (count < 2 || count > 3 || body.outputs().size() != 1) {
        return std::nullopt;
    }
    const bool opens = body.node(0).op() == "dequantize";
    const bool ends = body.node(count - 1).op() == "quantize";
    if (count != 1 + (opens ? size_t{1} : 0) + (ends ? size_t{1} : 0)) {
        return std::nullopt;
    }
    const module::NodeView root = body.node(opens ? 1 : 0);
    const auto kind = kindOf(root.op());
    if (!kind || root.input(0).dtype() != TN_F32 || root.outputCount() != 1) {
        return std::nullopt;
    }
    Region region{*kind, root, {}, {}, portOf(body.inputs(), root.inputIndex(0)), -1, -1};
    if (opens) {
        const module::NodeView first = body.node(0);
        region.from = byteScaleOf(first, first.input(0).dtype());
        region.x = portOf(body.inputs(), first.inputIndex(0));
        if (!region.from || root.inputIndex(0) != first.outputIndex(0)) {
            return std::nullopt;
        }
    }
    if (ends) {
        const module::NodeView last = body.node(count - 1);
        region.to = byteScaleOf(last, last.output(0).dtype());
        if (!region.to || last.inputIndex(0) != root.outputIndex(0)) {
            return std::nullopt;
        }
    }
    const auto operand = [&](int32_t i) {
        return root.inputCount() > i && root.hasInput(i) ? portOf(body.inputs(), root.inputIndex(i)) : -1;
    };
    region.scale = operand(1);
    region.bias = operand(2);
    return region.x < 0 ? std::nullopt : std::optional(region);
}

struct Kernel {
    Kind kind;
    std::optional<ByteScale> from;
    std::optional<ByteScale> to;
    int64_t rows;
    int64_t length;
    float epsilon;
    int64_t team;

    // Of bytes the mean and the variance come from whole numbers: where all are equal, nothing is left to divide by epsilon.
    float varianceOf(const uint8_t* bytes, float* mean) const {
        int64_t sum = 0;
        int64_t squares = 0;
        byteRows().moments(bytes, from->isSigned, length, &sum, &squares);
        const auto count = static_cast<double>(length);
        const double offset = static_cast<double>(sum) / count;
        const double first = from->isSigned ? static_cast<int8_t>(bytes[0]) : bytes[0];
        *mean = (static_cast<float>(first + offset) - from->zero) * from->scale; // as dequantize has it
        const double scale = from->scale;
        return static_cast<float>((static_cast<double>(squares) / count - offset * offset) * scale * scale);
    }

    // What the numbers that come out still have to be divided by: the sum of softmax.
    float normalize(const uint8_t* bytes, const float* x, float top, const float* scale, const float* bias,
                    float* result) const {
        const RowTable& table = rowTable();
        if (kind == Kind::kSoftmax) {
            return table.expMinus(x, top, result, length);
        }
        float mean = 0;
        const float variance = kind != Kind::kLayerNorm ? table.sumOfSquares(x, 0, length) / static_cast<float>(length)
                               : bytes != nullptr       ? varianceOf(bytes, &mean)
                                                        : table.variance(x, length, &mean);
        const float factor = 1.0F / std::sqrt(variance + epsilon);
        table.normalize(x, mean, factor, scale, bias, result, length);
        return 1;
    }

    void run(const Buffers& b) const {
        parallelTeam(team, rows, [&](int64_t member, int64_t begin, int64_t end) {
            float* const scratch = static_cast<float*>(b.workspace) + member * length;
            for (int64_t row = begin; row < end; ++row) {
                const int64_t at = row * length;
                const float* x = scratch;
                const uint8_t* const bytes = from ? b.in<uint8_t>(0) + at : nullptr;
                float top = 0;
                if (from) {
                    byteRows().dequantize(bytes, length, *from, scratch);
                    const auto largest = static_cast<float>(byteRows().largest(bytes, from->isSigned, length));
                    top = (largest - from->zero) * from->scale;
                } else {
                    x = b.in<float>(0) + at;
                    top = kind == Kind::kSoftmax ? rowTable().max(x, length) : 0;
                }
                float* const result = to ? scratch : b.out<float>() + at;
                const float divisor = normalize(bytes, x, top, b.in<float>(1), b.in<float>(2), result);
                if (to) {
                    const ByteScale whole{to->scale * divisor, to->zero, to->isSigned};
                    byteRows().quantize(result, length, whole, b.out<uint8_t>() + at);
                } else if (kind == Kind::kSoftmax) {
                    rowTable().scale(result, 1.0F / divisor, result, length);
                }
            }
        });
    }
};

} // namespace

bool isByteNorm(const module::GraphView& body) { return readRegion(body).has_value(); }

void checkByteNorm(const Task& task) {
    const auto region = readRegion(task.body);
    if (!region) {
        refuse("a region that is no norm or softmax of a quantized tensor");
    }
    const int32_t rank = region->root.input(0).rank();
    const int64_t axis = region->root.intOr("axis", -1);
    if (rank < 1 || (axis != -1 && axis != rank - 1)) {
        refuse(region->root.op(), " of a quantized tensor along another dimension than the last one");
    }
    for (const int32_t port : {region->scale, region->bias}) {
        const module::ValueView value =
            task.body.value(task.body.inputs()[static_cast<size_t>(port < 0 ? region->x : port)]);
        if (port >= 0 && (value.dtype() != TN_F32 || value.rank() != 1 ||
                          !(value.isStatic(0) && region->root.input(0).isStatic(rank - 1) &&
                            value.dim(0).opt == region->root.input(0).dim(rank - 1).opt))) {
            refuse("the norm of a quantized tensor whose scale or bias is no row of f32");
        }
    }
    const bool hasScale = region->root.inputCount() > 1 && region->root.hasInput(1);
    const bool hasBias = region->root.inputCount() > 2 && region->root.hasInput(2);
    if (hasScale != (region->scale >= 0) || hasBias != (region->bias >= 0)) {
        refuse("a norm whose scale or bias is computed within the region");
    }
    for (const std::vector<TnPortFormat>* ports : {&task.inputs, &task.outputs}) {
        for (const TnPortFormat& port : *ports) {
            if (!module::isLinear(port.format) || port.format.outer_pitch != 0) {
                refuse("the norm of a quantized tensor in another layout than the linear one");
            }
        }
    }
}

TaskPlan planByteNorm(const Task& task, const PortShapes& shapes) {
    const Region region = *readRegion(task.body);
    const Dims& dims = shapes.inputs[static_cast<size_t>(region.x)].dims;
    Kernel kernel{region.kind,
                  region.from,
                  region.to,
                  product(dims, 0, dims.size() - 1),
                  dims.back(),
                  static_cast<float>(region.root.floatOr("epsilon", 1e-5)),
                  1};
    kernel.team = teamFor(shapes.threads, kernel.rows, kernel.length * 8);
    TaskPlan result;
    result.inputPorts = {region.x, region.scale, region.bias};
    result.outputPorts = {0};
    result.plan = planOf(kernel, kernel.length * shapes.threads * static_cast<int64_t>(sizeof(float)),
                         shapes.outputs[0].elements);
    return result;
}

} // namespace tenon::cpu
