#include "backends/cpu/byte_sum.h"

#include "backends/common/parallel.h"
#include "backends/common/ports.h"
#include "backends/cpu/program.h"
#include "backends/cpu/simd/bytes.h"

#include <algorithm>
#include <limits>
#include <optional>

namespace tenon::cpu {

namespace {

struct Quantization {
    float scale = 1;
    float zero = 0;
    bool isSigned = false;
};

struct Sum {
    int32_t ports[2] = {-1, -1};
    Quantization operands[2];
    Quantization result;
    // What an activation between keeps, in real numbers.
    double low = -std::numeric_limits<double>::infinity();
    double high = std::numeric_limits<double>::infinity();
};

bool isByte(TnDataType type) { return type == TN_I8 || type == TN_U8; }

std::optional<Quantization> parametersOf(const module::NodeView& node, TnDataType bytes) {
    const auto scale = node.input(1).data<float>();
    if (!isByte(bytes) || node.input(1).dtype() != TN_F32 || scale.size() != 1 || !(scale[0] > 1e-30F)) {
        return std::nullopt;
    }
    Quantization result{scale[0], 0, bytes == TN_I8};
    if (node.inputCount() > 2 && node.hasInput(2)) {
        const auto zero = node.input(2).bytes();
        if (zero.size() != 1) {
            return std::nullopt;
        }
        const auto byte = static_cast<uint8_t>(zero[0]);
        result.zero = result.isSigned ? static_cast<int8_t>(byte) : byte;
    }
    return result;
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
        const auto parameters = node.op() == "dequantize" ? parametersOf(node, node.input(0).dtype()) : std::nullopt;
        if (!parameters || node.output(0).dtype() != TN_F32 ||
            !isFullShape(node.output(0), body.value(body.outputs()[0]))) {
            return std::nullopt;
        }
        sum.operands[n] = *parameters;
        sum.ports[n] = portOf(body.inputs(), node.inputIndex(0));
        values[n] = node.outputIndex(0);
    }
    int32_t value = values[0];
    if (next == 2) {
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
    const auto result = parametersOf(last, last.output(0).dtype());
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
    if (!is(sum->ports[0]) || (sum->ports[1] >= 0 && !is(sum->ports[1])) || module::isOpaque(format) ||
        format.block_count != 0 || format.outer_pitch != 0) {
        refuse("a sum of quantized tensors in several layouts, or in blocks");
    }
}

TaskPlan planByteSum(const Task& task, const PortShapes& shapes) {
    const Sum sum = *readSum(task.body);
    const auto [a, b] = std::pair(sum.operands[0], sum.operands[1]);
    ByteSum how;
    how.factorA = a.scale / sum.result.scale;
    how.factorB = sum.ports[1] < 0 ? 0 : b.scale / sum.result.scale;
    how.shift = sum.result.zero - a.zero * how.factorA - b.zero * how.factorB;
    how.least = static_cast<float>(std::max(sum.low / sum.result.scale + sum.result.zero, -1e6));
    how.most = static_cast<float>(std::min(sum.high / sum.result.scale + sum.result.zero, 1e6));
    how.signedA = a.isSigned;
    how.signedB = sum.ports[1] < 0 ? a.isSigned : b.isSigned;
    how.signedResult = sum.result.isSigned;
    const auto portA = static_cast<size_t>(sum.ports[0]);
    const auto portB = static_cast<size_t>(sum.ports[1] < 0 ? sum.ports[0] : sum.ports[1]);
    const int64_t elements = shapes.outputs[0].elements;
    if (shapes.inputs[portA].elements != elements || shapes.inputs[portB].elements != elements) {
        invalid("a sum of quantized tensors that differ in shape");
    }
    TaskPlan result;
    for (size_t i = 0; i < shapes.inputs.size(); ++i) {
        result.inputPorts.push_back(static_cast<int32_t>(i));
    }
    result.outputPorts = {0};
    const int64_t team = teamFor(shapes.threads, elements, 1);
    result.plan.run = [=](const Buffers& buffers) {
        const auto* x = buffers.in<uint8_t>(portA);
        const auto* y = buffers.in<uint8_t>(portB);
        parallelTeam(team, elements, [&](int64_t, int64_t begin, int64_t end) {
            byteRows().sum(how, x + begin, y + begin, end - begin, buffers.out<uint8_t>() + begin);
        });
        return Code::kOk;
    };
    return result;
}

} // namespace tenon::cpu
