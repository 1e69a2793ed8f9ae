#include "backends/cpu/plane_convolution.h"

#include "backends/common/parallel.h"
#include "backends/common/ports.h"
#include "backends/common/window.h"
#include "backends/cpu/followers.h"
#include "backends/cpu/image_layout.h"
#include "backends/cpu/packed_product.h"
#include "backends/cpu/region_layouts.h"
#include "backends/cpu/simd/packed_tile.h"
#include "backends/cpu/simd/plane_tile.h"

#include <algorithm>
#include <array>
#include <optional>
#include <utility>

namespace tenon::cpu {

namespace {

// Operands of the kernel; the bias and what follows come behind.
constexpr size_t kX = 0;
constexpr size_t kWeights = 1;

// More planes are better multiplied with their channels side by side.
constexpr int64_t kMostPlanes = 4;
// Blocks that others have are of as many channels.
constexpr int64_t kLeastBlock = 8;
// Lines of all planes that a window meets, for tiles of common windows.
constexpr size_t kMostLines = 32;
// Half of a first-level cache.
constexpr int64_t kBandBytes = 16 << 10;

Chain chainOf(const module::GraphView& body) {
    const module::NodeView node = body.node(0);
    const module::ValueView weights = node.input(1);
    const PackedTiles& tiles = packedTiles();
    const int64_t columns = weights.dim(0).opt;
    if (!tiles.writesParts && columns % tiles.thin.columns != 0) {
        refuse("a convolution to ", columns, " channels, which parts of vectors would have to be written for");
    }
    Chain chain = readWindowChain(body, "a convolution of planes");
    if (addsImage(chain)) {
        refuse("a convolution of planes to which its own image is added, in another layout");
    }
    return chain;
}

struct PlaneConvolution {
    Chain chain;
    std::optional<Cut> cut;
    Window window;
    ImageLayout output;
    const PackedTiles& tiles = packedTiles();
    PlaneTile tile;   // of common windows
    int64_t band = 1; // lines of windows at once
    int64_t batches = 0;
    int64_t planes = 0;
    int64_t columns = 0;
    int threads = 1;

    int64_t rows() const { return batches * window.output[0]; }
    int64_t depth() const { return planes * window.taps(); }
    // Columns of the image with its padding that the windows of a line meet.
    int64_t reach() const { return std::max<int64_t>(0, window.output[1] - 1) * window.strides[1] + window.kernel[1]; }
    // Lines of the image with its padding that so many lines of windows meet.
    int64_t linesOf(int64_t rows) const { return (rows - 1) * window.strides[0] + window.kernel[0]; }
    int64_t team() const { return teamFor(threads, rows(), window.output[1] * columns * depth() / 16 + 1); }

    int64_t padded() const { return wholePanels(tiles, columns); }
    size_t lineCount() const { return static_cast<size_t>(planes * window.kernel[0]); }
    int64_t ownFloats() const { return planes * linesOf(band) * reach(); }
    // The bias filled up to whole panels, then for each thread what a band of lines of windows meets.
    int64_t workspace() const { return (padded() + threads * ownFloats()) * static_cast<int64_t>(sizeof(float)); }

    // Neighbouring lines of windows meet the same lines of the image: as many of them at once as leave room for weights and sums in the cache.
    void chooseBand() {
        band = 1;
        while (hasTile() && band < window.output[0] &&
               planes * linesOf(band + 1) * reach() * static_cast<int64_t>(sizeof(float)) <= kBandBytes) {
            ++band;
        }
    }

    void run(const Buffers& b) const {
        auto* const starts = static_cast<float*>(b.workspace);
        if (chain.bias >= 0) {
            const float* const bias = b.in<float>(static_cast<size_t>(chain.bias));
            std::copy(bias, bias + columns, starts);
            std::fill(starts + columns, starts + padded(), 0.0F);
        }
        parallelTeam(team(), rows(), [&](int64_t member, int64_t begin, int64_t end) {
            float* const own = starts + padded() + member * ownFloats();
            for (int64_t row = begin; row < end;) {
                const int64_t inImage = row % window.output[0];
                const int64_t count = std::min({band, end - row, window.output[0] - inImage});
                gather(b, row / window.output[0], inImage, count, own);
                for (int64_t i = 0; i < count; ++i, ++row) {
                    runRow(b, own + i * window.strides[0] * reach(), linesOf(count) * reach(), row);
                }
            }
        });
    }

    // To be there when the next band is gathered.
    static void fetch(const float* from, int64_t count) {
        constexpr int64_t kLine = 16; // of the cache, in elements
        for (int64_t at = 0; at < count; at += kLine) {
            __builtin_prefetch(from + at, 0, 2);
        }
    }

    // The lines of each plane that a band of windows meets, one behind the other, with zeros for what is outside.
    void gather(const Buffers& b, int64_t image, int64_t first, int64_t count, float* to) const {
        const int64_t height = window.input[0];
        const int64_t width = window.input[1];
        const int64_t left = std::min(window.padBegin[1], reach());
        const int64_t inside = std::clamp<int64_t>(reach() - left, 0, width);
        const int64_t ahead = count * window.strides[0];
        for (int64_t plane = 0; plane < planes; ++plane) {
            for (int64_t k = 0; k < linesOf(count); ++k, to += reach()) {
                const int64_t line = first * window.strides[0] - window.padBegin[0] + k;
                if (line < 0 || line >= height) {
                    std::fill(to, to + reach(), 0.0F);
                    continue;
                }
                const float* const x = b.in<float>(kX) + ((image * planes + plane) * height + line) * width;
                std::fill(to, to + left, 0.0F);
                std::copy(x, x + inside, to + left);
                if (line + ahead < height) {
                    fetch(x + ahead * width, width);
                }
                std::fill(to + left + inside, to + reach(), 0.0F);
            }
        }
    }

    // `lines`: the first that the windows of this row meet, `planeStep` from one plane to the next.
    void runRow(const Buffers& b, const float* lines, int64_t planeStep, int64_t row) const {
        const int64_t at = row / output.height * output.image() + row % output.height * output.line();
        float* const y = b.out<float>() + at;
        if (hasTile()) {
            multiplyByTile(b, lines, planeStep, y);
        } else {
            multiply(b, lines, y);
        }
        if (!cut) {
            for (int64_t column = 0; column < columns; column += output.pixel()) {
                const int64_t behind = output.at(column);
                applyFollowers(chain, b, nullptr, 0, y + behind, output.line(), at + behind, 0);
            }
        }
    }

    bool hasTile() const { return tile.run != nullptr && window.output[1] >= tile.pixels && lineCount() <= kMostLines; }

    const float* startOf(const Buffers& b) const {
        return chain.bias >= 0 ? static_cast<const float*>(b.workspace) : nullptr;
    }

    void multiplyByTile(const Buffers& b, const float* first, int64_t planeStep, float* y) const {
        std::array<const float*, kMostLines> lines{};
        for (size_t i = 0; i < lineCount(); ++i) {
            const auto at = static_cast<int64_t>(i);
            lines[i] = first + at / window.kernel[0] * planeStep + at % window.kernel[0] * reach();
        }
        tile.run({.lines = lines.data(),
                  .lineCount = static_cast<int64_t>(lineCount()),
                  .weights = b.in<float>(kWeights),
                  .start = startOf(b),
                  .to = y,
                  .pixelStep = output.pixel(),
                  .vectorStep = output.at(tiles.lanes),
                  .pixels = window.output[1],
                  .columns = columns,
                  .isCut = cut.has_value(),
                  .low = cut ? cut->low : 0,
                  .high = cut ? cut->high : 0});
    }

    // With the lines of all planes one behind the other.
    void multiply(const Buffers& b, const float* lines, float* y) const {
        for (int64_t column = 0; column < columns;) {
            const PackedTile& piece = tileFor(tiles, columns - column);
            const int64_t width = std::min(columns - column, piece.columns);
            const int64_t within = column % tiles.wide.columns;
            PackedProduct product{.a = lines,
                                  .aRow = window.strides[1],
                                  .b = b.in<float>(kWeights) + (column - within) * depth() + within,
                                  .bRow = tiles.wide.columns,
                                  .depth = depth(),
                                  .c = y + output.at(column),
                                  .cRow = output.pixel(),
                                  .start = startOf(b) != nullptr ? startOf(b) + column : nullptr,
                                  .aDepth = window.kernel[1],
                                  .aBlock = reach(),
                                  .cVector = output.at(tiles.lanes)};
            product.columns = width < piece.columns ? width : 0;
            if (cut) {
                product.isCut = true;
                product.low = cut->low;
                product.high = cut->high;
            }
            piece.runAll(window.output[1], product);
            column += width;
        }
    }
};

} // namespace

bool isPlaneConvolution(const module::GraphView& body) {
    if (body.nodeCount() == 0 || body.outputs().size() != 1 || body.node(0).op() != "conv" ||
        !body.node(0).hasInput(1)) {
        return false;
    }
    const module::NodeView node = body.node(0);
    const module::ValueView weights = node.input(1);
    const std::vector<int64_t> dilations = node.intsOr("dilations", 2, 1);
    return weights.isConstant() && weights.isStatic() && weights.rank() == 4 && weights.dim(1).opt >= 1 &&
           weights.dim(1).opt <= kMostPlanes && node.intOr("group", 1) == 1 &&
           std::all_of(dilations.begin(), dilations.end(), [](int64_t each) { return each == 1; });
}

int64_t planeConvolutionBlock(const module::GraphView& body) {
    const int64_t lanes = packedTiles().lanes;
    return lanes >= kLeastBlock && body.node(0).input(1).dim(0).opt % lanes == 0 ? lanes : 0;
}

std::vector<TnFormat> planeConvolutionLayouts(const module::GraphView& body, int64_t block) {
    const Chain chain = chainOf(body);
    const TnFormat image =
        block == 0 ? module::channelsLastFormat(4) : module::blockedFormat(4, {{1, static_cast<int32_t>(block)}});
    std::vector<TnFormat> layouts;
    for (const int32_t value : body.inputs()) {
        layouts.push_back(module::linearFormat(body.value(value).rank()));
    }
    for (size_t i = 0; i < chain.ports.size(); ++i) {
        if (chain.isTensor[i]) {
            layouts[static_cast<size_t>(chain.ports[i])] = image;
        }
    }
    layouts[static_cast<size_t>(chain.ports[kWeights])] = packedWeights(body.node(0));
    layouts.push_back(image);
    return layouts;
}

void checkPlaneConvolution(const Task& task) {
    const int64_t block = channelBlock(task.outputs[0].format);
    checkLayouts(task, planeConvolutionLayouts(task.body, block == planeConvolutionBlock(task.body) ? block : 0),
                 "a convolution of planes");
}

TaskPlan planPlaneConvolution(const Task& task, const PortShapes& shapes) {
    PlaneConvolution kernel;
    kernel.chain = chainOf(task.body);
    kernel.cut = cutOf(kernel.chain);
    const Shape& x = shapes.inputs[static_cast<size_t>(kernel.chain.ports[kX])];
    const Shape& weights = shapes.inputs[static_cast<size_t>(kernel.chain.ports[kWeights])];
    const Call call(task.body.node(0), shapes.scalars, {x, weights}, {shapes.outputs[0]}, shapes.threads);
    kernel.window = windowOf(call, {weights.dims[2], weights.dims[3]});
    kernel.batches = x.dims[0];
    kernel.planes = weights.dims[1];
    kernel.columns = weights.dims[0];
    kernel.output = {channelBlock(task.outputs[0].format), kernel.columns, kernel.window.output[0],
                     kernel.window.output[1]};
    kernel.tile = planeTile(kernel.window.kernel[1], kernel.window.strides[1], kernel.columns);
    kernel.chooseBand();
    kernel.threads = shapes.threads;
    TaskPlan result;
    result.inputPorts = kernel.chain.ports;
    result.outputPorts = {0};
    result.plan = kernels::planOf(kernel, kernel.workspace(), shapes.outputs[0].elements);
    return result;
}

} // namespace tenon::cpu
