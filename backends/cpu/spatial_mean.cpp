#include "backends/cpu/spatial_mean.h"

#include "backends/common/parallel.h"
#include "backends/cpu/image_layout.h"
#include "backends/cpu/simd/channel_sums.h"

#include <algorithm>

namespace tenon::cpu {

bool isOverPixels(const module::NodeView& node) {
    if (node.op() != "reduce.mean" || node.input(0).rank() != 4) {
        return false;
    }
    std::vector<int64_t> axes = node.intsOr("axes", 0, 0);
    for (int64_t& axis : axes) {
        axis += axis < 0 ? 4 : 0;
    }
    std::sort(axes.begin(), axes.end());
    return axes == std::vector<int64_t>{2, 3};
}

bool isSpatialMean(const module::GraphView& body) {
    return body.nodeCount() == 1 && body.inputs().size() == 1 && isOverPixels(body.node(0)) &&
           body.node(0).input(0).dtype() == TN_F32 && body.node(0).input(0).isStatic(1);
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

namespace {

// A channel block is summed by one thread, since it lies together.
Plan planBlocks(const ImageLayout& image, int64_t images, int threads) {
    const int64_t groups = image.channels / image.block;
    const int64_t pixels = image.height * image.width;
    const int64_t team = teamFor(threads, images * groups, pixels * image.block / 8 + 1);
    return {[=](const Buffers& b) {
                const float factor = 1.0F / static_cast<float>(pixels);
                parallelTeam(team, images * groups, [&](int64_t, int64_t begin, int64_t end) {
                    for (int64_t item = begin; item < end; ++item) {
                        channelSums(b.in<float>(0) + item * pixels * image.block, image.block, pixels, image.block,
                                    factor, b.out<float>() + item * image.block);
                    }
                });
                return Code::kOk;
            },
            0};
}

// Pixels are shared out as those who wrote them share them, so that each thread finds its own in its cache; then the parts are summed.
Plan planLast(const ImageLayout& image, int64_t images, int threads) {
    const int64_t pixels = image.height * image.width;
    const int64_t parts = pixelParts(pixels, image.channels);
    const int64_t channels = image.channels;
    const int64_t team = teamFor(threads, images * parts, pixels / parts * channels / 8 + 1);
    return {[=](const Buffers& b) {
                auto* const sums = static_cast<float*>(b.workspace);
                parallelTeam(team, images * parts, [&](int64_t, int64_t begin, int64_t end) {
                    for (int64_t item = begin; item < end; ++item) {
                        const int64_t first = pixels * (item % parts) / parts;
                        const int64_t count = pixels * (item % parts + 1) / parts - first;
                        channelSums(b.in<float>(0) + item / parts * image.image() + first * channels, channels, count,
                                    channels, 1, sums + item * channels);
                    }
                });
                for (int64_t n = 0; n < images; ++n) {
                    channelSums(sums + n * parts * channels, channels, parts, channels,
                                1.0F / static_cast<float>(pixels), b.out<float>() + n * channels);
                }
                return Code::kOk;
            },
            images * kMostPixelParts * channels * static_cast<int64_t>(sizeof(float))};
}

} // namespace

TaskPlan planSpatialMean(const Task& task, const PortShapes& shapes) {
    const Dims& dims = shapes.inputs[0].dims;
    const ImageLayout image{channelBlock(task.inputs[0].format), dims[1], dims[2], dims[3]};
    TaskPlan plan;
    plan.inputPorts = {0};
    plan.outputPorts = {0};
    plan.plan =
        image.block == 0 ? planLast(image, dims[0], shapes.threads) : planBlocks(image, dims[0], shapes.threads);
    return plan;
}

} // namespace tenon::cpu
