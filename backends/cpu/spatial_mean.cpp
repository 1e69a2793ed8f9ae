#include "backends/cpu/spatial_mean.h"

#include "backends/common/parallel.h"
#include "backends/cpu/image_layout.h"
#include "backends/cpu/simd/channel_sums.h"

#include <algorithm>

namespace tenon::cpu {

bool isSpatialMean(const module::GraphView& body) {
    if (body.nodeCount() != 1 || body.node(0).op() != "reduce.mean" || body.inputs().size() != 1) {
        return false;
    }
    const module::NodeView node = body.node(0);
    if (node.input(0).rank() != 4 || node.input(0).dtype() != TN_F32 || !node.input(0).isStatic(1)) {
        return false;
    }
    std::vector<int64_t> axes = node.intsOr("axes", 0, 0);
    for (int64_t& axis : axes) {
        axis += axis < 0 ? 4 : 0;
    }
    std::sort(axes.begin(), axes.end());
    return axes == std::vector<int64_t>{2, 3};
}

void checkSpatialMean(const Task& task) {
    if (!isSpatialMean(task.body)) {
        refuse("no mean over the pixels of images");
    }
    const TnFormat& image = task.inputs[0].format;
    const TnFormat& result = task.outputs[0].format;
    const int64_t channels = task.body.node(0).input(0).dim(1).opt;
    const int64_t block = channelBlock(image);
    const bool isLast = module::equal(image, module::channelsLastFormat(4));
    const bool isBlocked =
        block > 0 && channels % block == 0 &&
        module::equal(image, module::blockedFormat(4, {{1, static_cast<int32_t>(block)}}, image.tail_zero != 0));
    if ((!isLast && !isBlocked) || (!module::isLinear(result) && !module::equal(result, image))) {
        refuse("a mean over pixels from ", module::describe(image), " to ", module::describe(result));
    }
}

TaskPlan planSpatialMean(const Task& task, const PortShapes& shapes) {
    const Dims& dims = shapes.inputs[0].dims;
    const ImageLayout image{channelBlock(task.inputs[0].format), dims[1], dims[2], dims[3]};
    const int64_t width = image.block == 0 ? std::min(channelSumsWidth(), std::max<int64_t>(image.channels, 1))
                                           : image.block; // channels of an item
    const int64_t groups = (image.channels + width - 1) / width;
    const int64_t pixels = image.height * image.width;
    const int64_t team = teamFor(shapes.threads, dims[0] * groups, pixels * width / 8 + 1);
    TaskPlan plan;
    plan.inputPorts = {0};
    plan.outputPorts = {0};
    plan.plan.run = [image, width, groups, pixels, team, images = dims[0]](const Buffers& b) {
        const float factor = 1.0F / static_cast<float>(pixels);
        parallelTeam(team, images * groups, [&](int64_t, int64_t begin, int64_t end) {
            for (int64_t item = begin; item < end; ++item) {
                const int64_t channel = item % groups * width;
                const int64_t n = item / groups;
                channelSums(b.in<float>(0) + n * image.image() + image.at(channel), image.pixel(), pixels,
                            std::min(width, image.channels - channel), factor,
                            b.out<float>() + n * image.channels + channel);
            }
        });
        return Code::kOk;
    };
    return plan;
}

} // namespace tenon::cpu
