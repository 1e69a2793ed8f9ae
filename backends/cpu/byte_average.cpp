#include "backends/cpu/byte_average.h"

#include "backends/common/parallel.h"
#include "backends/common/ports.h"
#include "backends/common/window.h"
#include "backends/cpu/byte_scale.h"
#include "backends/cpu/depthwise.h"

#include <algorithm>

namespace tenon::cpu {

namespace {

struct Region {
    ByteScale from, to;
    int32_t x = -1;
};

std::optional<Region> readRegion(const module::GraphView& body) {
    if (body.nodeCount() != 3 || body.outputs().size() != 1) {
        return std::nullopt;
    }
    const module::NodeView first = body.node(0);
    const module::NodeView pool = body.node(1);
    const module::NodeView last = body.node(2);
    if (first.op() != "dequantize" || pool.op() != "pool.avg" || last.op() != "quantize" ||
        pool.inputIndex(0) != first.outputIndex(0) || last.inputIndex(0) != pool.outputIndex(0) ||
        pool.input(0).rank() != 4 || pool.ints("kernel").size() != 2) {
        return std::nullopt;
    }
    const auto from = byteScaleOf(first, first.input(0).dtype());
    const auto to = byteScaleOf(last, last.output(0).dtype());
    const int32_t x = portOf(body.inputs(), first.inputIndex(0));
    return from && to && x >= 0 ? std::optional<Region>({*from, *to, x}) : std::nullopt;
}

// A line of results at a time: the lines of its windows are summed, then the sums of neighbouring pixels.
struct Kernel {
    ByteScale from, to;
    Window window;
    int64_t images, channels;
    std::vector<std::vector<float>> counts; // taps that count, per dimension and output index
    int64_t team;

    // Per thread: sums of a line of the image, averages of a line of results.
    int64_t scratch() const { return (window.input[1] + window.output[1]) * channels; }

    void run(const Buffers& b) const {
        const int64_t height = window.output[0];
        parallelTeam(team, images * height, [&](int64_t member, int64_t begin, int64_t end) {
            auto* const sums = static_cast<int32_t*>(b.workspace) + member * scratch();
            for (int64_t item = begin; item < end; ++item) {
                const int64_t top = item % height * window.strides[0] - window.padBegin[0];
                const WindowLines lines = linesInside(window, top);
                const int64_t line = window.input[1] * channels;
                std::fill(sums, sums + line, 0);
                for (int64_t i = lines.first; i < lines.last; ++i) {
                    const int64_t at = item / height * window.input[0] + top + i * window.dilations[0];
                    byteRows().addInto(b.in<uint8_t>(0) + at * line, from.isSigned, line, sums);
                }
                float* const averages = static_cast<float*>(static_cast<void*>(sums + line));
                average(sums, lines.last - lines.first, counts[0][static_cast<size_t>(item % height)], averages);
                const int64_t results = window.output[1] * channels;
                byteRows().quantize(averages, results, to, b.out<uint8_t>() + item * results);
            }
        });
    }

private:
    void average(const int32_t* sums, int64_t lines, float lineCount, float* averages) const {
        for (int64_t o = 0; o < window.output[1]; ++o, averages += channels) {
            int64_t first = o * window.strides[1] - window.padBegin[1];
            int64_t taps = window.kernel[1];
            for (; taps > 0 && first < 0; --taps) {
                first += window.dilations[1];
            }
            while (taps > 0 && first + (taps - 1) * window.dilations[1] >= window.input[1]) {
                --taps;
            }
            // Padding is the number zero, so that only what lies in the image has the zero point in it.
            const float zeros = from.zero * static_cast<float>(taps * lines);
            const float count = lineCount * counts[1][static_cast<size_t>(o)];
            byteRows().average(taps > 0 ? sums + first * channels : sums, taps, window.dilations[1] * channels,
                               channels, zeros, count == 0 ? 0.0F : from.scale / count, averages);
        }
    }
};

} // namespace

bool isByteAverage(const module::GraphView& body) { return readRegion(body).has_value(); }

std::vector<TnFormat> byteAverageLayouts(const module::GraphView& body) {
    std::vector<TnFormat> layouts;
    for (const int32_t input : body.inputs()) {
        layouts.push_back(module::linearFormat(body.value(input).rank()));
    }
    layouts.push_back(module::channelsLastFormat(4));
    layouts[static_cast<size_t>(readRegion(body)->x)] = layouts.back();
    return layouts;
}

void checkByteAverage(const Task& task) {
    const TnFormat last = module::channelsLastFormat(4);
    const auto region = readRegion(task.body);
    if (!region || !module::equal(task.inputs[static_cast<size_t>(region->x)].format, last) ||
        !module::equal(task.outputs[0].format, last)) {
        refuse("averages of windows of bytes in other layouts than channels last");
    }
    // What a window holds fits 32 bits, and sums of it the 24 bits of a float's digits.
    int64_t taps = 1;
    for (const int64_t extent : task.body.node(1).ints("kernel")) {
        taps = extent > 0 && extent <= (int64_t{1} << 16) / taps ? taps * extent : int64_t{1} << 17;
    }
    if (taps > int64_t{1} << 16) {
        refuse("averages of windows of more than 65536 bytes");
    }
}

TaskPlan planByteAverage(const Task& task, const PortShapes& shapes) {
    const Region region = *readRegion(task.body);
    const module::NodeView pool = task.body.node(1);
    const Shape& image = shapes.inputs[static_cast<size_t>(region.x)];
    const Call call(pool, shapes.scalars, {image}, {shapes.outputs[0]}, shapes.threads);
    const Window window = windowOf(call, pool.intsOr("kernel", 0, 0));
    Kernel kernel{region.from,
                  region.to,
                  window,
                  image.dims[0],
                  image.dims[1],
                  tapCounts(window, call.intOr("count_include_pad", 0) != 0),
                  1};
    kernel.team = teamFor(shapes.threads, kernel.images * window.output[0],
                          (window.kernel[0] * window.input[1] + 4 * window.output[1]) * kernel.channels / 16 + 1);
    TaskPlan result;
    result.inputPorts = {region.x};
    result.outputPorts = {0};
    const int64_t bytes = shapes.threads * kernel.scratch() * static_cast<int64_t>(sizeof(float));
    result.plan = planOf(std::move(kernel), bytes, shapes.outputs[0].elements);
    return result;
}

} // namespace tenon::cpu
