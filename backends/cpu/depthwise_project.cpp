#include "backends/cpu/depthwise_project.h"

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

// Operands of the kernel, then the biases and what follows.
constexpr size_t kX = 0;
constexpr size_t kWeights = 1;
constexpr size_t kProjectWeights = 2;

// Results of the depthwise convolution that are made before the product takes them: so many, or as many lines as it makes at once.
constexpr int64_t kWideFloats = 8 * 1024;
// Of lines so short that a product of one is not worth its beginning, several.
constexpr int64_t kFewestPixels = 12;
constexpr int64_t kLeastLines = kDepthwiseRows;
// Weights of the product that stay in the second-level cache: they are read again for each few lines.
constexpr int64_t kMostWeights = 128 * 1024;

// Where the product is among the body's nodes; 0: the body is no such chain.
size_t projectionNode(const module::GraphView& body) {
    const bool isChain = body.nodeCount() >= 2 && body.outputs().size() == 1 && isDepthwise(body.node(0));
    return isChain ? behindFunctions(body, isWeightedOneByOne) : 0;
}

struct Projection {
    size_t node = 0; // the product
    Chain chain;     // behind it; its ports are those of the whole region
    Chain wide;      // between the two: functions, and the bias
    int64_t depth = 0;
    int64_t columns = 0;
};

Projection projectionOf(const module::GraphView& body) {
    Projection found;
    found.node = projectionNode(body);
    if (found.node == 0) {
        refuse("a region that is no depthwise convolution with a product behind it");
    }
    const module::NodeView depthwise = body.node(0);
    const module::NodeView project = body.node(found.node);
    found.depth = project.input(1).dim(1).opt;
    found.columns = project.input(1).dim(0).opt;
    const PackedTiles& tiles = packedTiles();
    if (depthwise.input(1).dim(0).opt != found.depth || found.depth < depthwiseLanes() ||
        found.depth * wholePanels(tiles, found.columns) > kMostWeights ||
        (!tiles.writesParts && found.columns % tiles.thin.columns != 0)) {
        refuse("a depthwise convolution of ", found.depth, " channels with a product of ", found.columns, " behind it");
    }
    std::vector<int32_t> ports;
    const auto add = [&](const module::NodeView& node, int32_t input) {
        ports.push_back(kernels::portOf(body.inputs(), node.inputIndex(input)));
        if (ports.back() < 0) {
            refuse("a depthwise convolution or product with an operand from inside the region");
        }
        return static_cast<int32_t>(ports.size()) - 1;
    };
    add(depthwise, 0);
    add(depthwise, 1);
    add(project, 1);
    found.wide.bias = depthwise.hasInput(2) ? add(depthwise, 2) : -1;
    const int32_t bias = project.hasInput(2) ? add(project, 2) : -1;
    if (std::count(ports.begin(), ports.end(), ports[kX]) != 1) {
        refuse("a convolution with itself");
    }
    found.chain = readChain(body, std::move(ports), bias, 1, found.columns, found.node);
    found.wide.followers = functionsUntil(body, found.node);
    for (const Follower& follower : found.chain.followers) {
        if (follower.kind != Follower::Kind::kFunction && follower.kind != Follower::Kind::kTensor) {
            refuse("a product behind a depthwise convolution, followed by more than functions and sums of tensors");
        }
    }
    return found;
}

class DepthwiseProject {
public:
    DepthwiseProject(Projection how, Window window, int64_t batches, int threads)
        : mHow(std::move(how)), mWindow(std::move(window)), mTiles(packedTiles()), mBatches(batches),
          mThreads(threads) {
        mWideCut = cutOf(mHow.wide);
        mCut = cutOf(mHow.chain);
        const int64_t width = std::max<int64_t>(1, mWindow.output[1]);
        mLines = std::max({(kFewestPixels + width - 1) / width, kWideFloats / (width * mHow.depth), kLeastLines});
        mLines = std::clamp<int64_t>(mLines, 1, std::max<int64_t>(1, mWindow.output[0]));
        mTeam = teamFor(mThreads, mBatches * mWindow.output[0],
                        width * mHow.depth * (mWindow.taps() + mHow.columns) / 16 + 1);
    }

    // The bias filled up to whole panels, then for each thread lines of the wide image.
    int64_t workspace() const { return (padded() + mThreads * ownFloats()) * static_cast<int64_t>(sizeof(float)); }

    void run(const Buffers& b) const {
        auto* const starts = static_cast<float*>(b.workspace);
        fillPanels(mTiles, biasOf(mHow.chain, b), mHow.columns, starts);
        parallelTeam(mTeam, mBatches * mWindow.output[0], [&](int64_t member, int64_t begin, int64_t end) {
            float* const wide = starts + padded() + member * ownFloats();
            while (begin < end) {
                const int64_t image = begin / mWindow.output[0];
                const int64_t last = std::min({end, begin + mLines, (image + 1) * mWindow.output[0]});
                const int64_t first = begin - image * mWindow.output[0];
                gather(b, image, first, first + last - begin, wide);
                project(b, wide, begin * mWindow.output[1], (last - begin) * mWindow.output[1]);
                begin = last;
            }
        });
    }

private:
    int64_t padded() const { return wholePanels(mTiles, mHow.columns); }
    // Bounded by what does not fall when an extent rises.
    int64_t ownFloats() const {
        return std::max(kWideFloats, (kFewestPixels + kLeastLines * mWindow.output[1]) * mHow.depth);
    }

    // Rows [row, end) of the depthwise convolution's results.
    void gather(const Buffers& b, int64_t image, int64_t row, int64_t end, float* to) const {
        const int64_t line = mWindow.output[1] * mHow.depth;
        for (int64_t some = 0; row < end; row += some, to += some * line) {
            some = depthwiseRowsTogether(mWindow, row, end, mWindow.input[0]);
            gatherSome(b, image, row, some, to);
            if (!mWideCut) {
                applyFollowers(mHow.wide, b, nullptr, 0, to, some * line, 0, 0);
            }
        }
    }

    void gatherSome(const Buffers& b, int64_t image, int64_t outputRow, int64_t rows, float* to) const {
        const int64_t line = mWindow.input[1] * mHow.depth;
        DepthwiseRows row =
            depthwiseRowsOf(mWindow, outputRow, rows, mWindow.input[0], b.in<float>(kWeights), mHow.depth);
        row.x = b.in<float>(kX) + image * mWindow.input[0] * line;
        row.xLine = line;
        row.xPixel = mHow.depth;
        row.start = biasOf(mHow.wide, b);
        row.y = to;
        row.yPixel = mHow.depth;
        row.channels = mHow.depth;
        if (mWideCut) {
            row.low = mWideCut->low;
            row.high = mWideCut->high;
        }
        depthwiseRows(row);
    }

    // `count` pixels of the result from `pixel` on, counted through the batch.
    void project(const Buffers& b, const float* wide, int64_t pixel, int64_t count) const {
        float* const y = b.out<float>() + pixel * mHow.columns;
        for (int64_t column = 0; column < mHow.columns;) {
            const int64_t left = mHow.columns - column;
            const PackedTile& tile = plainTileFor(mTiles, left);
            const int64_t width = std::min(left, tile.columns);
            const int64_t within = column % mTiles.wide.columns;
            PackedProduct product{.a = wide,
                                  .aRow = mHow.depth,
                                  .b = b.in<float>(kProjectWeights) + (column - within) * mHow.depth + within,
                                  .bRow = mTiles.wide.columns,
                                  .depth = mHow.depth,
                                  .c = y + column,
                                  .cRow = mHow.columns,
                                  .start =
                                      mHow.chain.bias >= 0 ? static_cast<const float*>(b.workspace) + column : nullptr};
            product.columns = width < tile.columns ? width : 0;
            if (mCut) {
                product.isCut = true;
                product.low = mCut->low;
                product.high = mCut->high;
            }
            tile.runAll(count, product);
            column += width;
        }
        if (!mCut) {
            applyFollowers(mHow.chain, b, nullptr, 0, y, count * mHow.columns, pixel * mHow.columns, 0);
        }
    }

    Projection mHow;
    Window mWindow;
    const PackedTiles& mTiles;
    int64_t mBatches;
    int mThreads;
    std::optional<Cut> mWideCut;
    std::optional<Cut> mCut;
    int64_t mLines = 1; // that are made before the product takes them
    int64_t mTeam = 1;
};

} // namespace

bool isDepthwiseProject(const module::GraphView& body) { return projectionNode(body) != 0; }

std::vector<std::vector<int32_t>> projectedDepthwise(const module::GraphView& graph) {
    const Readers readers(graph);
    std::vector<std::vector<int32_t>> found;
    for (size_t n = 0; n < graph.nodeCount(); ++n) {
        if (!isDepthwise(graph.node(n))) {
            continue;
        }
        std::vector<int32_t> nodes{static_cast<int32_t>(n)};
        int32_t next = readers.onlyReader(nodes.back());
        while (next >= 0 && isFunction(graph.node(static_cast<size_t>(next)))) {
            nodes.push_back(next);
            next = readers.onlyReader(next);
        }
        if (next < 0 || !isWeightedOneByOne(graph.node(static_cast<size_t>(next))) ||
            graph.node(static_cast<size_t>(next)).inputIndex(0) !=
                graph.node(static_cast<size_t>(nodes.back())).outputIndex(0)) {
            continue;
        }
        nodes.push_back(next);
        found.push_back(nodes);
        const int32_t sum = readers.onlyReader(next);
        if (sum >= 0 && graph.node(static_cast<size_t>(sum)).op() == "binary.add") {
            nodes.push_back(sum);
            found.push_back(nodes);
        }
    }
    return found;
}

std::vector<TnFormat> depthwiseProjectLayouts(const module::GraphView& body) {
    const Projection how = projectionOf(body);
    std::vector<TnFormat> layouts;
    for (const int32_t value : body.inputs()) {
        layouts.push_back(module::linearFormat(body.value(value).rank()));
    }
    for (size_t i = 0; i < how.chain.ports.size(); ++i) {
        if (i == kX || how.chain.isTensor[i]) {
            layouts[static_cast<size_t>(how.chain.ports[i])] = module::channelsLastFormat(4);
        }
    }
    layouts[static_cast<size_t>(how.chain.ports[kWeights])] = depthwiseWeights();
    layouts[static_cast<size_t>(how.chain.ports[kProjectWeights])] = packedWeights(body.node(how.node));
    layouts.push_back(module::channelsLastFormat(4));
    return layouts;
}

void checkDepthwiseProject(const Task& task) {
    checkLayouts(task, depthwiseProjectLayouts(task.body), "a depthwise convolution and a product");
}

TaskPlan planDepthwiseProject(const Task& task, const PortShapes& shapes) {
    Projection how = projectionOf(task.body);
    const Shape& x = shapes.inputs[static_cast<size_t>(how.chain.ports[kX])];
    const Shape& weights = shapes.inputs[static_cast<size_t>(how.chain.ports[kWeights])];
    Shape wide = shapes.outputs[0];
    wide.dims[1] = how.depth;
    wide.elements = kernels::product(wide.dims);
    const Call call(task.body.node(0), shapes.scalars, {x, weights}, {wide}, shapes.threads);
    TaskPlan result;
    result.inputPorts = how.chain.ports;
    result.outputPorts = {0};
    const DepthwiseProject kernel(std::move(how), windowOf(call, {weights.dims[2], weights.dims[3]}), x.dims[0],
                                  shapes.threads);
    result.plan = kernels::planOf(kernel, kernel.workspace(), shapes.outputs[0].elements);
    return result;
}

} // namespace tenon::cpu
