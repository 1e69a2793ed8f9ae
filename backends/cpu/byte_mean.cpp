#include "backends/cpu/byte_mean.h"

#include "backends/common/parallel.h"
#include "backends/common/ports.h"
#include "backends/cpu/byte_scale.h"
#include "backends/cpu/spatial_mean.h"

#include <algorithm>

namespace tenon::cpu {

namespace {

struct Region {
    ByteScale from;
    std::optional<ByteScale> to;
    int32_t x = -1;
};

std::optional<Region> readRegion(const module::GraphView& body) {
    const size_t count = body.nodeCount();
    if (count < 2 || count > 3 || body.outputs().size() != 1 || body.node(0).op() != "dequantize" ||
        !isOverPixels(body.node(1)) || body.node(1).inputIndex(0) != body.node(0).outputIndex(0)) {
        return std::nullopt;
    }
    const module::NodeView first = body.node(0);
    const auto from = byteScaleOf(first, first.input(0).dtype());
    Region region{from.value_or(ByteScale{}), {}, portOf(body.inputs(), first.inputIndex(0))};
    if (!from || region.x < 0) {
        return std::nullopt;
    }
    if (count == 3) {
        const module::NodeView last = body.node(2);
        region.to = last.op() == "quantize" && last.inputIndex(0) == body.node(1).outputIndex(0)
                        ? byteScaleOf(last, last.output(0).dtype())
                        : std::nullopt;
        if (!region.to) {
            return std::nullopt;
        }
    }
    return region;
}

// One thread sums a cache line of channels over all pixels.
constexpr int64_t kChannels = 64;
// As many bytes as 32 bits hold the sum of.
constexpr int64_t kRun = int64_t{1} << 22;

struct Kernel {
    ByteScale from;
    std::optional<ByteScale> to;
    int64_t images, pixels, channels;
    int64_t team;

    void run(const Buffers& b) const {
        const int64_t groups = (channels + kChannels - 1) / kChannels;
        parallelTeam(team, images * groups, [&](int64_t, int64_t begin, int64_t end) {
            for (int64_t item = begin; item < end; ++item) {
                const int64_t channel = item % groups * kChannels;
                const int64_t count = std::min(kChannels, channels - channel);
                const int64_t image = item / groups;
                double sums[kChannels] = {};
                const uint8_t* x = b.in<uint8_t>(0) + image * pixels * channels + channel;
                for (int64_t first = 0; first < pixels; first += kRun) {
                    int32_t run[kChannels] = {};
                    const int64_t last = std::min(pixels, first + kRun);
                    for (int64_t p = first; p < last; ++p, x += channels) {
                        byteRows().addInto(x, from.isSigned, count, &run[0]);
                    }
                    for (int64_t c = 0; c < count; ++c) {
                        sums[c] += run[c];
                    }
                }
                float means[kChannels];
                float* const result = to ? &means[0] : b.out<float>() + image * channels + channel;
                const double factor = static_cast<double>(from.scale) / static_cast<double>(pixels);
                const double zeros = static_cast<double>(from.zero) * static_cast<double>(pixels);
                for (int64_t c = 0; c < count; ++c) {
                    result[c] = static_cast<float>((sums[c] - zeros) * factor);
                }
                if (to) {
                    byteRows().quantize(&means[0], count, *to, b.out<uint8_t>() + image * channels + channel);
                }
            }
        });
    }
};

} // namespace

bool isByteMean(const module::GraphView& body) { return readRegion(body).has_value(); }

void checkByteMean(const Task& task) {
    const auto region = readRegion(task.body);
    if (!region) {
        refuse("no mean over the pixels of a quantized image");
    }
    const TnFormat& image = task.inputs[static_cast<size_t>(region->x)].format;
    const TnFormat& result = task.outputs[0].format;
    if (!module::equal(image, module::channelsLastFormat(4)) ||
        (!module::isLinear(result) && !module::equal(result, image))) {
        refuse("a mean over pixels of bytes from ", module::describe(image), " to ", module::describe(result));
    }
}

TaskPlan planByteMean(const Task& task, const PortShapes& shapes) {
    const Region region = *readRegion(task.body);
    const Dims& dims = shapes.inputs[static_cast<size_t>(region.x)].dims;
    const int64_t pixels = dims[2] * dims[3];
    Kernel kernel{region.from, region.to, dims[0], pixels, dims[1], 1};
    kernel.team = teamFor(shapes.threads, dims[0] * ((dims[1] + kChannels - 1) / kChannels), pixels * kChannels / 4);
    TaskPlan result;
    result.inputPorts = {region.x};
    result.outputPorts = {0};
    result.plan = planOf(kernel, 0, shapes.outputs[0].elements);
    return result;
}

} // namespace tenon::cpu
