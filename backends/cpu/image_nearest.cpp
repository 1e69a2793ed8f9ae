#include "backends/cpu/image_nearest.h"

#include "backends/common/parallel.h"
#include "backends/common/resample.h"
#include "backends/cpu/image_layout.h"
#include "backends/cpu/ops.h"

#include <cstring>

namespace tenon::cpu {

namespace {

// Pixels of one size: the compiler copies these in registers.
template <size_t kBytes>
void copyPixels(const char* from, const Dims& columns, size_t, char* to) {
    for (const int64_t column : columns) {
        std::memcpy(to, from + column * static_cast<int64_t>(kBytes), kBytes);
        to += kBytes;
    }
}
void copyAny(const char* from, const Dims& columns, size_t bytes, char* to) {
    for (const int64_t column : columns) {
        std::memcpy(to, from + column * static_cast<int64_t>(bytes), bytes);
        to += bytes;
    }
}

using CopyPixels = void (*)(const char* from, const Dims& columns, size_t bytes, char* to);
CopyPixels copyOf(size_t bytes) {
    switch (bytes) {
    case 16:
        return copyPixels<16>;
    case 32:
        return copyPixels<32>;
    case 64:
        return copyPixels<64>;
    case 128:
        return copyPixels<128>;
    default:
        return copyAny;
    }
}

struct Kernel {
    Dims lines;   // source of each line of the result
    Dims columns; // and of each of its pixels
    int64_t images, inputLines, inputColumns;
    size_t pixel; // bytes
    int64_t team;

    void run(const Buffers& b) const {
        const auto height = static_cast<int64_t>(lines.size());
        const size_t from = static_cast<size_t>(inputColumns) * pixel;
        const size_t to = columns.size() * pixel;
        const CopyPixels copy = copyOf(pixel);
        parallelTeam(team, images * height, [&](int64_t, int64_t begin, int64_t end) {
            int64_t before = -1;
            for (int64_t item = begin; item < end; ++item) {
                const int64_t source = item / height * inputLines + lines[static_cast<size_t>(item % height)];
                char* const line = b.bytesOut() + static_cast<size_t>(item) * to;
                if (source == before) {
                    std::memcpy(line, line - to, to);
                } else {
                    copy(b.bytesIn(0) + static_cast<size_t>(source) * from, columns, pixel, line);
                }
                before = source;
            }
        });
    }
};

} // namespace

bool isImageNearest(const module::GraphView& body) {
    return body.nodeCount() == 1 && body.node(0).op() == "resize" && body.node(0).input(0).rank() == 4 &&
           body.node(0).stringOr("mode", "nearest") == "nearest";
}

void checkImageNearest(const Task& task) {
    const module::NodeView node = task.body.node(0);
    checkResizedBehind(node, 2);
    const TnFormat& format = task.outputs[0].format;
    const module::ValueView image = node.input(0);
    const int64_t block = channelBlock(format);
    const bool isLast = module::equal(format, module::channelsLastFormat(4));
    const bool isBlocked =
        block > 0 && image.isStatic(1) && image.dim(1).opt % block == 0 &&
        module::equal(format, module::blockedFormat(4, {{1, static_cast<int32_t>(block)}}, format.tail_zero != 0));
    if ((!isLast && !isBlocked) || !module::equal(task.inputs[0].format, format) ||
        task.inputs[0].dtype != task.outputs[0].dtype || bitsOf(task.outputs[0].dtype) % 8 != 0 ||
        node.stringOr("coordinate", "half_pixel") == "tf_crop_and_resize") {
        refuse("nearest pixels from ", module::describe(task.inputs[0].format), " to ", module::describe(format));
    }
}

TaskPlan planImageNearest(const Task& task, const PortShapes& shapes) {
    const module::NodeView node = task.body.node(0);
    const Dims& dims = shapes.inputs[0].dims;
    const Call call(node, shapes.scalars, shapes.inputs, shapes.outputs, shapes.threads);
    Sources sources = sourcesOfNearest(call, mapsOfResize(call));
    const int64_t block = channelBlock(task.outputs[0].format);
    const int64_t pixel = (block > 0 ? block : dims[1]) * bitsOf(task.outputs[0].dtype) / 8;
    Kernel kernel{std::move(sources[2]),
                  std::move(sources[3]),
                  dims[0] * (block > 0 ? dims[1] / block : 1),
                  dims[2],
                  dims[3],
                  static_cast<size_t>(pixel),
                  1};
    const Dims& result = shapes.outputs[0].dims;
    kernel.team = teamFor(shapes.threads, kernel.images * result[2], result[3] * (1 + pixel / 64));
    TaskPlan plan;
    plan.inputPorts = {0};
    plan.outputPorts = {0};
    plan.plan = planOf(std::move(kernel), 0, shapes.outputs[0].elements);
    return plan;
}

} // namespace tenon::cpu
