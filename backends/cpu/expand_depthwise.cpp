#include "backends/cpu/expand_depthwise.h"

#include "backends/common/parallel.h"
#include "backends/common/ports.h"
#include "backends/common/window.h"
#include "backends/cpu/depthwise.h"
#include "backends/cpu/followers.h"
#include "backends/cpu/packed_product.h"
#include "backends/cpu/product_head.h"
#include "backends/cpu/readers.h"
#include "backends/cpu/region_layouts.h"
#include "backends/cpu/simd/depthwise_rows.h"
#include "backends/cpu/simd/packed_tile.h"

#include <algorithm>
#include <optional>

namespace tenon::cpu {

namespace {

// Operands of the kernel, then the biases.
constexpr size_t kX = 0;
constexpr size_t kExpandWeights = 1;
constexpr size_t kWeights = 2;

// Rows of the wide image that stay in the second-level cache beside what else is there.
constexpr int64_t kBandFloats = 32 * 1024;
// Pixels of it that functions are applied to while they are in the first-level cache.
constexpr int64_t kPixels = 48;

// Where the depthwise convolution is among the body's nodes; 0: the body is no such chain.
size_t depthwiseNode(const module::GraphView& body) {
    const bool isChain = body.nodeCount() >= 2 && body.outputs().size() == 1 && isWeightedOneByOne(body.node(0));
    return isChain ? behindFunctions(body, isDepthwise) : 0;
}

struct Expansion {
    size_t node = 0; // the depthwise convolution
    Chain chain;     // behind it; its ports are those of the whole region
    Chain wide;      // between the two: functions, and the bias
    int64_t depth = 0;
    int64_t channels = 0;
};

Expansion expansionOf(const module::GraphView& body) {
    Expansion found;
    found.node = depthwiseNode(body);
    if (found.node == 0) {
        refuse("a region that is no widening convolution with a depthwise one");
    }
    const module::NodeView expand = body.node(0);
    const module::NodeView depthwise = body.node(found.node);
    found.depth = expand.input(1).dim(1).opt;
    found.channels = expand.input(1).dim(0).opt;
    const int64_t left = found.channels % packedTiles().wide.columns;
    if (depthwise.input(1).dim(0).opt != found.channels || found.depth < 1 || (left != 0 && left < depthwiseLanes())) {
        refuse("a depthwise convolution of ", found.channels, " channels behind a widening one");
    }
    std::vector<int32_t> ports;
    const auto add = [&](const module::NodeView& node, int32_t input) {
        ports.push_back(kernels::portOf(body.inputs(), node.inputIndex(input)));
        if (ports.back() < 0) {
            refuse("a widening convolution with an operand from inside the region");
        }
        return static_cast<int32_t>(ports.size()) - 1;
    };
    add(expand, 0);
    add(expand, 1);
    add(depthwise, 1);
    found.wide.bias = expand.hasInput(2) ? add(expand, 2) : -1;
    const int32_t bias = depthwise.hasInput(2) ? add(depthwise, 2) : -1;
    if (std::count(ports.begin(), ports.end(), ports[kX]) != 1) {
        refuse("a convolution with itself");
    }
    found.chain = readChain(body, std::move(ports), bias, 1, found.channels, found.node);
    found.wide.followers = functionsUntil(body, found.node);
    for (const Follower& follower : found.chain.followers) {
        if (follower.kind != Follower::Kind::kFunction) {
            refuse("a depthwise convolution behind a widening one, followed by more than functions");
        }
    }
    return found;
}

class ExpandDepthwise {
public:
    ExpandDepthwise(Expansion how, Window window, int64_t batches, int threads)
        : mHow(std::move(how)), mWindow(std::move(window)), mTiles(packedTiles()), mBatches(batches),
          mThreads(threads) {
        mWideCut = cutOf(mHow.wide);
        mCut = cutOf(mHow.chain);
        mReach = (mWindow.kernel[0] - 1) * mWindow.dilations[0] + 1;
        mStrips = (mHow.channels + mTiles.wide.columns - 1) / mTiles.wide.columns;
        const int64_t cost = mWindow.input[1] * mHow.channels * (mHow.depth + mWindow.taps()) / 16 + 1;
        mTeam = std::max<int64_t>(1, teamFor(mThreads, mBatches * mWindow.input[0], cost));
        // Strips differ in width: few of them do not divide evenly. Bands of rows do, at the price of the rows that two of them need.
        mParts = mBatches * mStrips >= 4 * mTeam ? 1 : std::min(mTeam, mWindow.output[0]);
    }

    // The biases filled up to whole strips, then for each thread a band of the wide image and lines of results.
    int64_t workspace() const {
        return (mStrips * mTiles.wide.columns + mThreads * ownFloats()) * static_cast<int64_t>(sizeof(float));
    }

    void run(const Buffers& b) const {
        auto* const starts = static_cast<float*>(b.workspace);
        fillPanels(mTiles, biasOf(mHow.wide, b), mHow.channels, starts);
        parallelTeam(mTeam, mBatches * mParts * mStrips, [&](int64_t member, int64_t begin, int64_t end) {
            float* const own = starts + mStrips * mTiles.wide.columns + member * ownFloats();
            for (int64_t piece = begin; piece < end; ++piece) {
                const int64_t part = piece / mStrips % mParts;
                runStrip(b, own, piece / mStrips / mParts, piece % mStrips, mWindow.output[0] * part / mParts,
                         mWindow.output[0] * (part + 1) / mParts);
            }
        });
    }

private:
    int64_t ownFloats() const {
        return kBandFloats + ((mReach + mWindow.strides[0]) * mWindow.input[1] + kDepthwiseRows * mWindow.output[1]) *
                                 mTiles.wide.columns;
    }

    // One strip of channels of the output rows [row, end) of an image.
    void runStrip(const Buffers& b, float* own, int64_t batch, int64_t strip, int64_t row, int64_t end) const {
        const int64_t channel = strip * mTiles.wide.columns;
        const int64_t width = std::min(mTiles.wide.columns, mHow.channels - channel);
        const PackedTile& tile = smallestTile(mTiles, width);
        const int64_t line = mWindow.input[1] * tile.columns;
        const int64_t capacity = std::max(mReach + mWindow.strides[0], kBandFloats / std::max<int64_t>(1, line));
        float* const results = own + capacity * line;
        const auto inside = [&](int64_t at) { return std::clamp<int64_t>(at, 0, mWindow.input[0]); };
        // Input row i lies in the band at i % capacity, until the one that is capacity rows below takes its place.
        const int64_t last = inside(inputRow(end - 1) + mReach);
        int64_t next = 0; // the first row that is not there yet
        for (int64_t some = 0; row < end; row += some) {
            const int64_t first = inside(inputRow(row));
            some = depthwiseRowsTogether(mWindow, row, end, first + capacity);
            if (next < inside(inputRow(row + some - 1) + mReach)) {
                const int64_t until = std::min(last, first + capacity);
                for (next = std::max(next, first); next < until;) {
                    const int64_t at = next % capacity;
                    const int64_t rows = std::min(until - next, capacity - at);
                    expand(b, own + at * line, tile, batch * mWindow.input[0] + next, rows, channel);
                    next += rows;
                }
            }
            gather(b, own, results, tile.columns, capacity, batch, row, some, channel, width);
        }
    }

    // Of the window's first line.
    int64_t inputRow(int64_t outputRow) const { return outputRow * mWindow.strides[0] - mWindow.padBegin[0]; }

    // `rows` rows of the wide image from `from` on, counted through the batch.
    void expand(const Buffers& b, float* to, const PackedTile& tile, int64_t from, int64_t rows,
                int64_t channel) const {
        const int64_t pixels = rows * mWindow.input[1];
        const float* const x = b.in<float>(kX) + from * mWindow.input[1] * mHow.depth;
        PackedProduct product{.a = x,
                              .aRow = mHow.depth,
                              .b = b.in<float>(kExpandWeights) + channel * mHow.depth,
                              .bRow = mTiles.wide.columns,
                              .depth = mHow.depth,
                              .c = to,
                              .cRow = tile.columns,
                              .start =
                                  mHow.wide.bias >= 0 ? static_cast<const float*>(b.workspace) + channel : nullptr};
        product.isNear = true;
        if (mWideCut) {
            product.isCut = true;
            product.low = mWideCut->low;
            product.high = mWideCut->high;
        }
        const int64_t most = mWideCut || mHow.wide.followers.empty() ? pixels : kPixels;
        for (int64_t pixel = 0; pixel < pixels; pixel += most) {
            const int64_t count = std::min(most, pixels - pixel);
            product.a = x + pixel * mHow.depth;
            product.c = to + pixel * tile.columns;
            tile.runAll(count, product);
            if (!mWideCut) {
                applyFollowers(mHow.wide, b, nullptr, 0, product.c, count * tile.columns, 0, 0);
            }
        }
    }

    // `rows` lines of results of a strip, from the band.
    void gather(const Buffers& b, const float* band, float* lines, int64_t pixel, int64_t capacity, int64_t batch,
                int64_t outputRow, int64_t rows, int64_t channel, int64_t width) const {
        DepthwiseRows row =
            depthwiseRowsOf(mWindow, outputRow, rows, capacity, b.in<float>(kWeights) + channel, mHow.channels);
        row.x = band;
        row.xPixel = pixel;
        row.xLine = mWindow.input[1] * pixel;
        row.start = mHow.chain.bias >= 0 ? b.in<float>(static_cast<size_t>(mHow.chain.bias)) + channel : nullptr;
        float* const y =
            b.out<float>() + (batch * mWindow.output[0] + outputRow) * mWindow.output[1] * mHow.channels + channel;
        const bool isAside = !mCut && !mHow.chain.followers.empty();
        row.y = isAside ? lines : y;
        row.yPixel = isAside ? width : mHow.channels;
        row.channels = width;
        if (mCut) {
            row.low = mCut->low;
            row.high = mCut->high;
        }
        depthwiseRows(row);
        if (!isAside) {
            return;
        }
        const int64_t pixels = rows * mWindow.output[1];
        applyFollowers(mHow.chain, b, nullptr, 0, lines, pixels * width, 0, 0);
        for (int64_t o = 0; o < pixels; ++o) {
            std::copy(lines + o * width, lines + (o + 1) * width, y + o * mHow.channels);
        }
    }

    Expansion mHow;
    std::optional<Cut> mWideCut;
    std::optional<Cut> mCut;
    Window mWindow;
    const PackedTiles& mTiles;
    int64_t mBatches;
    int mThreads;
    int64_t mStrips = 0;
    int64_t mParts = 1; // of each image's rows
    int64_t mReach = 1; // input rows that a window spans
    int64_t mTeam = 1;
};

} // namespace

bool isExpandDepthwise(const module::GraphView& body) { return depthwiseNode(body) != 0; }

std::vector<std::vector<int32_t>> expandedDepthwise(const module::GraphView& graph) {
    const Readers readers(graph);
    std::vector<std::vector<int32_t>> found;
    for (size_t n = 0; n < graph.nodeCount(); ++n) {
        if (!isWeightedOneByOne(graph.node(n))) {
            continue;
        }
        std::vector<int32_t> nodes{static_cast<int32_t>(n)};
        bool isComplete = false;
        for (int32_t next = readers.onlyReader(nodes.back()); next >= 0; next = readers.onlyReader(next)) {
            const module::NodeView node = graph.node(static_cast<size_t>(next));
            const int32_t value = graph.node(static_cast<size_t>(nodes.back())).outputIndex(0);
            if (!isComplete && isDepthwise(node) && node.inputIndex(0) == value) {
                isComplete = true;
            } else if (!isFunction(node)) {
                break;
            }
            nodes.push_back(next);
        }
        if (isComplete) {
            found.push_back(std::move(nodes));
        }
    }
    return found;
}

std::vector<TnFormat> expandDepthwiseLayouts(const module::GraphView& body) {
    const Expansion how = expansionOf(body);
    std::vector<TnFormat> layouts;
    for (const int32_t value : body.inputs()) {
        layouts.push_back(module::linearFormat(body.value(value).rank()));
    }
    layouts[static_cast<size_t>(how.chain.ports[kX])] = module::channelsLastFormat(4);
    layouts[static_cast<size_t>(how.chain.ports[kExpandWeights])] = packedWeights(body.node(0));
    layouts[static_cast<size_t>(how.chain.ports[kWeights])] = depthwiseWeights();
    layouts.push_back(module::channelsLastFormat(4));
    return layouts;
}

void checkExpandDepthwise(const Task& task) {
    checkLayouts(task, expandDepthwiseLayouts(task.body), "a widening and a depthwise convolution");
}

TaskPlan planExpandDepthwise(const Task& task, const PortShapes& shapes) {
    Expansion how = expansionOf(task.body);
    const Shape& x = shapes.inputs[static_cast<size_t>(how.chain.ports[kX])];
    const Shape& weights = shapes.inputs[static_cast<size_t>(how.chain.ports[kWeights])];
    Shape wide = x;
    wide.dims[1] = how.channels;
    wide.elements = kernels::product(wide.dims);
    const Call call(task.body.node(how.node), shapes.scalars, {wide, weights}, {shapes.outputs[0]}, shapes.threads);
    TaskPlan result;
    result.inputPorts = how.chain.ports;
    result.outputPorts = {0};
    const ExpandDepthwise kernel(std::move(how), windowOf(call, {weights.dims[2], weights.dims[3]}), x.dims[0],
                                 shapes.threads);
    result.plan = kernels::planOf(kernel, kernel.workspace(), shapes.outputs[0].elements);
    return result;
}

} // namespace tenon::cpu
