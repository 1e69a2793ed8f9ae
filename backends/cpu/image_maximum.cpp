#include "backends/cpu/image_maximum.h"

#include "backends/common/parallel.h"
#include "backends/common/window.h"
#include "backends/cpu/depthwise.h"
#include "backends/cpu/simd/channel_maximum.h"

namespace tenon::cpu {

bool isImageMaximum(const module::GraphView& body) {
    if (body.nodeCount() != 1 || body.node(0).op() != "pool.max") {
        return false;
    }
    const module::NodeView node = body.node(0);
    return node.outputCount() == 1 && node.input(0).rank() == 4 && node.input(0).dtype() == TN_F32 &&
           node.ints("kernel").size() == 2;
}

void checkImageMaximum(const Task& task) {
    const TnFormat last = module::channelsLastFormat(4);
    if (!module::equal(task.inputs[0].format, last) || !module::equal(task.outputs[0].format, last) ||
        task.inputs[0].dtype != task.outputs[0].dtype) {
        refuse("a maximum in other layouts than channels last, or of different types");
    }
}

TaskPlan planImageMaximum(const Task& task, const PortShapes& shapes) {
    const module::NodeView node = task.body.node(0);
    const Call call(node, shapes.scalars, {shapes.inputs[0]}, {shapes.outputs[0]}, shapes.threads);
    const Window window = windowOf(call, node.intsOr("kernel", 0, 0));
    const Dims& x = shapes.inputs[0].dims;
    const bool isBrain = task.inputs[0].dtype == TN_BF16;
    const int64_t bytes = isBrain ? 2 : 4;
    const int64_t rows = x[0] * window.output[0];
    const int64_t fromLine = window.input[1] * x[1];
    const int64_t toLine = window.output[1] * x[1];
    const int64_t team = teamFor(shapes.threads, rows, toLine * window.taps() * bytes / 64 + 1);
    TaskPlan result;
    result.inputPorts = {0};
    result.outputPorts = {0};
    result.plan.run = [=](const Buffers& b) {
        parallelTeam(team, rows, [&](int64_t, int64_t begin, int64_t end) {
            for (int64_t row = begin; row < end; ++row) {
                const int64_t top = row % window.output[0] * window.strides[0] - window.padBegin[0];
                const WindowLines inside = linesInside(window, top);
                const int64_t line =
                    row / window.output[0] * window.input[0] + top + inside.first * window.dilations[0];
                maximumRow({.isBrain = isBrain,
                            .x = b.bytesIn(0) + line * fromLine * bytes,
                            .lines = inside.last - inside.first,
                            .line = window.dilations[0] * fromLine,
                            .width = window.input[1],
                            .channels = x[1],
                            .columns = window.kernel[1],
                            .stride = window.strides[1],
                            .dilation = window.dilations[1],
                            .pad = window.padBegin[1],
                            .y = b.bytesOut() + row * toLine * bytes,
                            .outputs = window.output[1]});
            }
        });
        return Code::kOk;
    };
    return result;
}

} // namespace tenon::cpu
