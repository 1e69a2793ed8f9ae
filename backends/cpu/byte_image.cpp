#include "backends/cpu/byte_image.h"

#include "backends/common/parallel.h"
#include "backends/cpu/byte_scale.h"

#include <algorithm>

namespace tenon::cpu {

namespace {

constexpr int64_t kChannels = 3;
// Pixels that are quantized plane by plane before they are dealt out: they stay in the first-level cache.
constexpr int64_t kPixels = 1024;

struct Kernel {
    ByteScale to;
    int64_t images;
    int64_t pixels;
    int64_t team;

    void run(const Buffers& b) const {
        const int64_t parts = (pixels + kPixels - 1) / kPixels;
        parallelTeam(team, images * parts, [&](int64_t, int64_t begin, int64_t end) {
            uint8_t planes[kChannels][kPixels];
            for (int64_t item = begin; item < end; ++item) {
                const int64_t first = item % parts * kPixels;
                const int64_t count = std::min(kPixels, pixels - first);
                const int64_t image = item / parts * kChannels * pixels;
                for (int64_t c = 0; c < kChannels; ++c) {
                    byteRows().quantize(b.in<float>(0) + image + c * pixels + first, count, to, &planes[c][0]);
                }
                byteRows().interleave(&planes[0][0], &planes[1][0], &planes[2][0], count,
                                      b.out<uint8_t>() + image + first * kChannels);
            }
        });
    }
};

} // namespace

bool isByteImage(const module::GraphView& body) {
    if (body.nodeCount() != 1 || body.node(0).op() != "quantize") {
        return false;
    }
    const module::NodeView node = body.node(0);
    const module::ValueView x = node.input(0);
    return x.dtype() == TN_F32 && x.rank() == 4 && x.isStatic(1) && x.dim(1).opt == kChannels &&
           byteScaleOf(node, node.output(0).dtype()).has_value();
}

void checkByteImage(const Task& task) {
    const TnFormat& result = task.outputs[0].format;
    if (!isByteImage(task.body) || task.body.inputs()[0] != task.body.node(0).inputIndex(0) ||
        !module::isLinear(task.inputs[0].format) || !module::equal(result, module::channelsLastFormat(4))) {
        refuse("an image quantized from ", module::describe(task.inputs[0].format), " to ", module::describe(result));
    }
}

TaskPlan planByteImage(const Task& task, const PortShapes& shapes) {
    const module::NodeView node = task.body.node(0);
    const Dims& dims = shapes.inputs[0].dims;
    Kernel kernel{*byteScaleOf(node, node.output(0).dtype()), dims[0], dims[2] * dims[3], 1};
    kernel.team = teamFor(shapes.threads, dims[0] * ((kernel.pixels + kPixels - 1) / kPixels), kChannels * kPixels * 3);
    TaskPlan result;
    result.inputPorts = {0};
    result.outputPorts = {0};
    result.plan = planOf(kernel, 0, shapes.outputs[0].elements);
    return result;
}

} // namespace tenon::cpu
