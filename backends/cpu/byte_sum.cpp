#include "backends/cpu/byte_sum.h"

#include "backends/common/parallel.h"
#include "backends/common/ports.h"
#include "backends/cpu/byte_scale.h"
#include "backends/cpu/program.h"

#include <algorithm>
#include <limits>
#include <optional>

namespace tenon::cpu {

namespace {

struct Sum {
    int32_t ports[2] = {-1, -1};
    ByteScale operands[2];
    ByteScale result;
    bool isRow = false; // the second operand is one real number, or one per column
    // What an activation between keeps, in real numbers.
    double low = -std::numeric_limits<double>::infinity();
    double high = std::numeric_limits<double>::infinity();
};

// Whether a tensor differs along the last dimension at most: one number, or one per column.
bool isRow(const module::ValueView& value, const module::ValueView& result) {
    const int32_t rank = value.rank();
    if (value.dtype() != TN_F32 || rank > result.rank() || result.rank() < 1 || !value.isStatic()) {
        return false;
    }
    const int64_t elements = value.optElements();
    const int32_t last = result.rank() - 1;
    return elements == 1 ||
           (result.isStatic(last) && elements == result.dim(last).opt && value.dim(rank - 1).opt == elements);
}

std::optional<Sum> readSum(const module::GraphView& body) {
    size_t next = 0;
    while (next < body.nodeCount() && body.node(next).op() == "dequantize") {
        ++next;
    }
    if (next < 1 || next > 2 || body.nodeCount() < 2 || body.outputs().size() != 1) {
        return std::nullopt;
    }
    Sum sum;
    int32_t values[2] = {-1, -1};
    for (size_t n = 0; n < next; ++n) {
        const module::NodeView node = body.node(n);
        const auto parameters = node.op() == "dequantize" ? byteScaleOf(node, node.input(0).dtype()) : std::nullopt;
        if (!parameters || node.output(0).dtype() != TN_F32 ||
            !isFullShape(node.output(0), body.value(body.outputs()[0]))) {
            return std::nullopt;
        }
        sum.operands[n] = *parameters;
        sum.ports[n] = portOf(body.inputs(), node.inputIndex(0));
        values[n] = node.outputIndex(0);
    }
    int32_t value = values[0];
    if (next == 1 && body.node(next).op() == "binary.add" && body.nodeCount() > 2) {
        const module::NodeView add = body.node(next++);
        const int32_t side = add.inputIndex(0) == value ? 1 : 0;
        sum.isRow = true;
        sum.ports[1] = portOf(body.inputs(), add.inputIndex(side));
        if (sum.ports[1] < 0 || add.inputIndex(1 - side) != value || !isRow(add.input(side), add.output(0))) {
            return std::nullopt;
        }
        value = add.outputIndex(0);
    } else if (next == 2) {
        const module::NodeView add = body.node(next++);
        if (next == body.nodeCount() || add.op() != "binary.add" || sum.ports[1] < 0 ||
            !((add.inputIndex(0) == values[0] && add.inputIndex(1) == values[1]) ||
              (add.inputIndex(0) == values[1] && add.inputIndex(1) == values[0]))) {
            return std::nullopt;
        }
        value = add.outputIndex(0);
    }
    const bool isClip = body.node(next).op() == "activation.clip";
    if (isClip || body.node(next).op() == "activation.relu") {
        const module::NodeView node = body.node(next++);
        sum.low = isClip ? node.floatOr("min", sum.low) : 0;
        sum.high = isClip ? node.floatOr("max", sum.high) : sum.high;
        if (node.inputIndex(0) != value || next == body.nodeCount()) {
            return std::nullopt;
        }
        value = node.outputIndex(0);
    }
    const module::NodeView last = body.node(next);
    if (sum.ports[0] < 0 || next + 1 != body.nodeCount() || last.op() != "quantize" || last.inputIndex(0) != value) {
        return std::nullopt;
    }
    const auto result = byteScaleOf(last, last.output(0).dtype());
    if (!result) {
        return std::nullopt;
    }
    sum.result = *result;
    return sum;
}

} // namespace

bool isByteSum(const module::GraphView& body) { return readSum(body).has_value(); }

void checkByteSum(const Task& task) {
    const auto sum = readSum(task.body);
    if (!sum) {
        refuse("a region that is no sum of two quantized tensors");
    }
    const TnFormat& format = task.outputs[0].format;
    const auto is = [&](int32_t port) { return module::equal(task.inputs[static_cast<size_t>(port)].format, format); };
    if (sum->isRow && !module::isLinear(format)) {
        refuse("a sum of a quantized tensor and a row in another layout than the linear one");
    }
    if (!is(sum->ports[0]) || (sum->ports[1] >= 0 && !sum->isRow && !is(sum->ports[1])) || module::isOpaque(format) ||
        format.block_count != 0 || format.outer_pitch != 0) {
        refuse("a sum of quantized tensors in several layouts, or in blocks");
    }
}

TaskPlan planByteSum(const Task& task, const PortShapes& shapes) {
    const Sum sum = *readSum(task.body);
    const auto [a, b] = std::pair(sum.operands[0], sum.operands[1]);
    ByteSum how;
    how.factorA = a.scale / sum.result.scale;
    how.factorB = sum.ports[1] < 0 ? 0 : b.scale / sum.result.scale; // of a row: its numbers are what they are
    how.shift = sum.result.zero - a.zero * how.factorA - b.zero * how.factorB;
    how.zero = sum.result.zero;
    // An activation may keep nothing that the bytes can hold: then all are the one next to what it keeps.
    const double lowest = sum.result.isSigned ? -128 : 0;
    const auto held = [&](double bound) {
        return static_cast<float>(std::clamp(bound / sum.result.scale + sum.result.zero, lowest, lowest + 255));
    };
    how.least = held(sum.low);
    how.most = held(sum.high);
    how.signedA = a.isSigned;
    how.signedB = sum.ports[1] < 0 || sum.isRow ? a.isSigned : b.isSigned;
    how.signedResult = sum.result.isSigned;
    const auto portA = static_cast<size_t>(sum.ports[0]);
    const auto portB = static_cast<size_t>(sum.ports[1] < 0 ? sum.ports[0] : sum.ports[1]);
    const int64_t elements = shapes.outputs[0].elements;
    if (shapes.inputs[portA].elements != elements || (!sum.isRow && shapes.inputs[portB].elements != elements)) {
        invalid("a sum of quantized tensors that differ in shape");
    }
    TaskPlan result;
    for (size_t i = 0; i < shapes.inputs.size(); ++i) {
        result.inputPorts.push_back(static_cast<int32_t>(i));
    }
    result.outputPorts = {0};
    constexpr int64_t kCost = 3;
    if (sum.isRow && shapes.inputs[portB].elements > 1) {
        const int64_t columns = shapes.inputs[portB].elements;
        const int64_t team = teamFor(shapes.threads, elements / columns, columns * kCost);
        result.plan.run = [=](const Buffers& buffers) {
            parallelTeam(team, elements / columns, [&](int64_t, int64_t begin, int64_t end) {
                for (int64_t at = begin * columns; at < end * columns; at += columns) {
                    byteRows().sumWithRow(how, buffers.in<uint8_t>(portA) + at, buffers.in<float>(portB), columns,
                                          buffers.out<uint8_t>() + at);
                }
            });
            return Code::kOk;
        };
        return result;
    }
    const bool isNumber = sum.isRow;
    const int64_t team = teamFor(shapes.threads, elements, kCost);
    result.plan.run = [=](const Buffers& buffers) {
        const auto* x = buffers.in<uint8_t>(portA);
        const auto* y = buffers.in<uint8_t>(isNumber ? portA : portB);
        ByteSum each = how;
        if (isNumber) {
            each.shift += *buffers.in<float>(portB) * how.factorB;
            each.factorB = 0;
        }
        parallelTeam(team, elements, [&](int64_t, int64_t begin, int64_t end) {
            byteRows().sum(each, x + begin, y + begin, end - begin, buffers.out<uint8_t>() + begin);
        });
        return Code::kOk;
    };
    return result;
}

} // namespace tenon::cpu
