#include "backends/cpu/inverted_residual.h"

#include "backends/common/parallel.h"
#include "backends/common/ports.h"
#include "backends/common/window.h"
#include "backends/cpu/depthwise.h"
#include "backends/cpu/depthwise_project.h"
#include "backends/cpu/followers.h"
#include "backends/cpu/packed_product.h"
#include "backends/cpu/product_head.h"
#include "backends/cpu/readers.h"
#include "backends/cpu/region_layouts.h"
#include "backends/cpu/simd/depthwise_rows.h"
#include "backends/cpu/simd/packed_tile.h"
#include "backends/cpu/simd/rows.h"

#include <algorithm>
#include <optional>

namespace tenon::cpu {

namespace {

// Operands of the kernel, then the biases and what follows.
constexpr size_t kX = 0;
constexpr size_t kExpandWeights = 1;
constexpr size_t kWeights = 2;
constexpr size_t kProjectWeights = 3;

// Rows of a strip of the wide image that stay in the second-level cache beside what else is there.
constexpr int64_t kBandFloats = 32 * 1024;
// Results of the depthwise convolution that are made before the product takes them: so many, or as many lines as it makes at once.
constexpr int64_t kResultFloats = 6 * 1024;
// Pixels that functions are applied to while they are in the first-level cache.
constexpr int64_t kPixels = 48;
// From so many weights on threads share out channels, not rows: each of them reads a part of the weights then.
constexpr int64_t kManyWeights = 40 * 1024;
constexpr int64_t kGroups = 2;
constexpr int64_t kGroupChannels = 128; // of a group, at least
// Channels that are made at a time, in whole panels and at least one: fewer leave too little to add up before sums go back to memory.
constexpr int64_t kStripChannels = 128;

// Where the depthwise and the narrowing convolution are among the body's nodes; zero: the body is no such chain.
struct Places {
    size_t depthwise = 0;
    size_t project = 0;
};

Places placesOf(const module::GraphView& body) {
    Places places;
    if (body.nodeCount() >= 3 && body.outputs().size() == 1 && isWeightedOneByOne(body.node(0))) {
        places.depthwise = behindFunctions(body, isDepthwise);
        places.project = places.depthwise == 0 ? 0 : behindFunctions(body, isWeightedOneByOne, places.depthwise);
    }
    return places;
}

struct Inversion {
    Places places;
    Chain wide;   // behind the widening convolution: functions, and the bias
    Chain middle; // behind the depthwise one
    Chain chain;  // behind the narrowing one; its ports are those of the whole region
    int64_t depth = 0;
    int64_t channels = 0;
    int64_t columns = 0;
};

Inversion inversionOf(const module::GraphView& body) {
    Inversion found;
    found.places = placesOf(body);
    if (found.places.project == 0) {
        refuse("a region that is no depthwise convolution between a widening and a narrowing one");
    }
    const module::NodeView expand = body.node(0);
    const module::NodeView depthwise = body.node(found.places.depthwise);
    const module::NodeView project = body.node(found.places.project);
    found.depth = expand.input(1).dim(1).opt;
    found.channels = expand.input(1).dim(0).opt;
    found.columns = project.input(1).dim(0).opt;
    const PackedTiles& tiles = packedTiles();
    const int64_t left = found.channels % tiles.wide.columns;
    if (depthwise.input(1).dim(0).opt != found.channels || project.input(1).dim(1).opt != found.channels ||
        found.depth < 1 || (left != 0 && left < depthwiseLanes()) ||
        (!tiles.writesParts && found.columns % tiles.thin.columns != 0)) {
        refuse("a depthwise convolution of ", found.channels, " channels between products of ", found.depth, " and ",
               found.columns);
    }
    std::vector<int32_t> ports;
    const auto add = [&](const module::NodeView& node, int32_t input) {
        ports.push_back(kernels::portOf(body.inputs(), node.inputIndex(input)));
        if (ports.back() < 0) {
            refuse("a widening, depthwise or narrowing convolution with an operand from inside the region");
        }
        return static_cast<int32_t>(ports.size()) - 1;
    };
    add(expand, 0);
    add(expand, 1);
    add(depthwise, 1);
    add(project, 1);
    found.wide.bias = expand.hasInput(2) ? add(expand, 2) : -1;
    found.middle.bias = depthwise.hasInput(2) ? add(depthwise, 2) : -1;
    const int32_t bias = project.hasInput(2) ? add(project, 2) : -1;
    if (std::count(ports.begin(), ports.end(), ports[kX]) != 1) {
        refuse("a convolution with itself");
    }
    found.wide.followers = functionsUntil(body, found.places.depthwise);
    found.middle.followers = functionsUntil(body, found.places.project, found.places.depthwise);
    found.chain = readChain(body, std::move(ports), bias, 1, found.columns, found.places.project);
    for (const Follower& follower : found.chain.followers) {
        if (follower.kind != Follower::Kind::kFunction && follower.kind != Follower::Kind::kTensor) {
            refuse("a narrowing convolution followed by more than functions and sums of tensors");
        }
    }
    return found;
}

class InvertedResidual {
public:
    InvertedResidual(Inversion how, Window window, int64_t batches, int threads)
        : mHow(std::move(how)), mWindow(std::move(window)), mTiles(packedTiles()), mBatches(batches),
          mThreads(threads) {
        mWideCut = cutOf(mHow.wide);
        mMiddleCut = cutOf(mHow.middle);
        mCut = cutOf(mHow.chain);
        mStripColumns = std::max<int64_t>(1, kStripChannels / mTiles.wide.columns) * mTiles.wide.columns;
        mReach = (mWindow.kernel[0] - 1) * mWindow.dilations[0] + 1;
        const int64_t width = std::max<int64_t>(1, mWindow.output[1]);
        mLines = std::clamp<int64_t>(std::max(kResultFloats / (width * mStripColumns), kDepthwiseRows), 1,
                                     std::max<int64_t>(1, mWindow.output[0]));
        const bool hasManyWeights = mHow.channels * (mHow.depth + mHow.columns) >= kManyWeights;
        // Whatever the number of threads: it decides the order of sums.
        mGroups = hasManyWeights && mHow.channels >= kGroups * kGroupChannels ? kGroups : 1;
        const int64_t cost =
            mHow.channels * (mWindow.input[1] * mHow.depth + width * (mWindow.taps() + mHow.columns)) / 16 + 1;
        mTeam = std::max<int64_t>(1, teamFor(mThreads, mBatches * mWindow.output[0], cost));
        const auto isEven = [&](int64_t pieces) { return pieces % mTeam == 0 || pieces >= 4 * mTeam; };
        while (!isEven(mBatches * mGroups * mParts) && mParts < mWindow.output[0]) {
            ++mParts;
        }
    }

    // The biases of both products filled up to whole panels, the sums of all groups but the first, then for each thread a band of the wide image and
    // lines of the depthwise convolution's results.
    int64_t workspace() const {
        return (startFloats() + (mGroups - 1) * resultFloats() + mThreads * ownFloats()) *
               static_cast<int64_t>(sizeof(float));
    }

    void run(const Buffers& b) const {
        auto* const starts = static_cast<float*>(b.workspace);
        fillPanels(mTiles, biasOf(mHow.wide, b), mHow.channels, starts);
        fillPanels(mTiles, biasOf(mHow.chain, b), mHow.columns, starts + padded(mHow.channels));
        parallelTeam(mTeam, mBatches * mParts * mGroups, [&](int64_t member, int64_t begin, int64_t end) {
            for (int64_t piece = begin; piece < end; ++piece) {
                // A thread's pieces are of one group, as far as there are as many threads as groups.
                const int64_t ofGroup = piece % (mBatches * mParts);
                runPiece(b, member, ofGroup / mParts, ofGroup % mParts, piece / (mBatches * mParts));
            }
        });
        if (mGroups > 1) {
            const int64_t rows = mBatches * mWindow.output[0];
            parallelTeam(mTeam, rows, [&](int64_t, int64_t begin, int64_t end) {
                const int64_t line = mWindow.output[1] * mHow.columns;
                for (int64_t row = begin; row < end; ++row) {
                    float* const y = b.out<float>() + row * line;
                    for (int64_t group = 1; group < mGroups; ++group) {
                        rowTable().addInto(y, sums(b, group) + row * line, line);
                    }
                    applyFollowers(mHow.chain, b, nullptr, 0, y, line, row * line, 0);
                }
            });
        }
    }

private:
    // A part of the work on some rows of an image.
    struct Strip {
        int64_t image;
        int64_t row; // output rows [row, end)
        int64_t end;
        int64_t channel;
        int64_t width;
        int64_t columns; // of the wide image, whole tiles
        int64_t next;    // channel of the strip that follows; -1: none
        float* sums;     // of the whole batch
        bool isFirst;    // of those that add to the same sums
        bool isLast;
        bool hasBias;
    };

    int64_t padded(int64_t columns) const { return wholePanels(mTiles, columns); }
    int64_t startFloats() const { return padded(mHow.channels) + padded(mHow.columns); }
    int64_t resultFloats() const { return mBatches * mWindow.output[0] * mWindow.output[1] * mHow.columns; }
    // Bounded by what does not fall when an extent rises.
    int64_t ownFloats() const {
        return kBandFloats + kResultFloats +
               ((mReach + mWindow.strides[0]) * mWindow.input[1] + kDepthwiseRows * mWindow.output[1]) * mStripColumns;
    }
    // Of a group: group 0 adds up in the result itself.
    float* sums(const Buffers& b, int64_t group) const {
        return group == 0 ? b.out<float>()
                          : static_cast<float*>(b.workspace) + startFloats() + (group - 1) * resultFloats();
    }
    // The first channel of a group, where a tile can begin.
    int64_t groupBegin(int64_t group) const {
        const int64_t step = mTiles.narrow.columns;
        return group == mGroups ? mHow.channels : mHow.channels * group / mGroups / step * step;
    }

    void runPiece(const Buffers& b, int64_t member, int64_t image, int64_t part, int64_t group) const {
        float* const own =
            static_cast<float*>(b.workspace) + startFloats() + (mGroups - 1) * resultFloats() + member * ownFloats();
        const int64_t begin = groupBegin(group);
        const int64_t end = groupBegin(group + 1);
        Strip strip{};
        strip.image = image;
        strip.row = mWindow.output[0] * part / mParts;
        strip.end = mWindow.output[0] * (part + 1) / mParts;
        strip.sums = sums(b, group);
        // Cut where panels end: strips of even sizes, whose tiles are narrower, took 2 % longer.
        for (strip.channel = begin; strip.channel < end; strip.channel += strip.width) {
            strip.width = std::min(end, (strip.channel / mStripColumns + 1) * mStripColumns) - strip.channel;
            const Piece last = pieceOf(strip, strip.width - 1);
            strip.columns = last.at + last.tile->columns;
            strip.isFirst = strip.channel == begin;
            strip.isLast = strip.channel + strip.width == end;
            strip.hasBias = strip.isFirst && group == 0;
            strip.next = strip.isLast ? -1 : strip.channel + strip.width;
            runStrip(b, own, strip);
        }
    }

    void runStrip(const Buffers& b, float* own, const Strip& strip) const {
        const int64_t line = mWindow.input[1] * strip.columns;
        const int64_t capacity = std::max(mReach + mWindow.strides[0], kBandFloats / std::max<int64_t>(1, line));
        float* const results = own + capacity * line;
        const auto inside = [&](int64_t at) { return std::clamp<int64_t>(at, 0, mWindow.input[0]); };
        // Input row i lies in the band at i % capacity, until the one that is capacity rows below takes its place.
        const int64_t last = inside(inputRow(strip.end - 1) + mReach);
        int64_t next = 0; // the first row that is not there yet
        bool isFirst = true;
        for (int64_t from = strip.row; from < strip.end;) {
            const int64_t until = std::min(strip.end, from + mLines);
            for (int64_t row = from, some = 0; row < until; row += some) {
                const int64_t first = inside(inputRow(row));
                some = depthwiseRowsTogether(mWindow, row, until, first + capacity);
                if (next < inside(inputRow(row + some - 1) + mReach)) {
                    const int64_t most = std::min(last, first + capacity);
                    for (next = std::max(next, first); next < most;) {
                        const int64_t at = next % capacity;
                        const int64_t rows = std::min(most - next, capacity - at);
                        expand(b, strip, next, rows, isFirst, own + at * line);
                        isFirst = false;
                        next += rows;
                    }
                }
                gather(b, strip, own, capacity, row, some, results + (row - from) * mWindow.output[1] * strip.width);
            }
            project(b, strip, results, from, until - from);
            from = until;
        }
    }

    // Of the window's first line.
    int64_t inputRow(int64_t outputRow) const { return outputRow * mWindow.strides[0] - mWindow.padBegin[0]; }

    // To be there when this product is done.
    static void fetch(const float* weights, int64_t count, PackedProduct& product) {
        product.next = reinterpret_cast<const char*>(weights);
        product.nextEnd = reinterpret_cast<const char*>(weights + count);
    }

    // Channels of a strip that one tile makes.
    struct Piece {
        int64_t at; // in the strip
        int64_t width;
        const PackedTile* tile;
    };

    // That with the strip's channel `channel`.
    Piece pieceOf(const Strip& strip, int64_t channel) const {
        const int64_t panel = mTiles.wide.columns;
        const int64_t begin = std::max(strip.channel, (strip.channel + channel) / panel * panel) - strip.channel;
        const int64_t end = std::min(strip.channel + strip.width, ((strip.channel + begin) / panel + 1) * panel);
        const int64_t width = end - strip.channel - begin;
        return {begin, width, &smallestTile(mTiles, width)};
    }

    // `rows` rows of the wide image from `from` on; isFirst: of the strip.
    void expand(const Buffers& b, const Strip& strip, int64_t from, int64_t rows, bool isFirst, float* to) const {
        const int64_t pixels = rows * mWindow.input[1];
        const float* const x =
            b.in<float>(kX) + (strip.image * mWindow.input[0] + from) * mWindow.input[1] * mHow.depth;
        PackedProduct product{.a = x,
                              .aRow = mHow.depth,
                              .b = nullptr,
                              .bRow = mTiles.wide.columns,
                              .depth = mHow.depth,
                              .c = to,
                              .cRow = strip.columns};
        product.isNear = true;
        if (mWideCut) {
            product.isCut = true;
            product.low = mWideCut->low;
            product.high = mWideCut->high;
        }
        // What the other product multiplies this strip with is fetched meanwhile, a panel after the other.
        const int64_t panels = padded(mHow.columns) / mTiles.wide.columns;
        const int64_t tileRows = pieceOf(strip, 0).tile->rows;
        const int64_t share = isFirst ? (pixels / panels / tileRows + 1) * tileRows : pixels;
        const int64_t most = mWideCut || mHow.wide.followers.empty() ? share : std::min(share, kPixels);
        for (int64_t pixel = 0, panel = 0; pixel < pixels; pixel += most, ++panel) {
            const int64_t count = std::min(most, pixels - pixel);
            product.a = x + pixel * mHow.depth;
            for (int64_t at = 0; at < strip.width;) {
                const Piece piece = pieceOf(strip, at);
                const int64_t channel = strip.channel + at;
                const int64_t within = channel % mTiles.wide.columns;
                product.b = b.in<float>(kExpandWeights) + (channel - within) * mHow.depth + within;
                product.start = mHow.wide.bias >= 0 ? static_cast<const float*>(b.workspace) + channel : nullptr;
                product.c = to + pixel * strip.columns + at;
                if (isFirst && panel < panels) {
                    fetch(b.in<float>(kProjectWeights) + (panel * mHow.channels + channel) * mTiles.wide.columns,
                          piece.width * mTiles.wide.columns, product);
                } else {
                    product.next = product.nextEnd = nullptr;
                }
                piece.tile->runAll(count, product);
                at += piece.width;
            }
            if (!mWideCut) {
                applyFollowers(mHow.wide, b, nullptr, 0, to + pixel * strip.columns, count * strip.columns, 0, 0);
            }
        }
    }

    // `rows` lines of the depthwise convolution, from the band.
    void gather(const Buffers& b, const Strip& strip, const float* band, int64_t capacity, int64_t outputRow,
                int64_t rows, float* to) const {
        DepthwiseRows row =
            depthwiseRowsOf(mWindow, outputRow, rows, capacity, b.in<float>(kWeights) + strip.channel, mHow.channels);
        row.x = band;
        row.xPixel = strip.columns;
        row.xLine = mWindow.input[1] * strip.columns;
        row.start =
            mHow.middle.bias >= 0 ? b.in<float>(static_cast<size_t>(mHow.middle.bias)) + strip.channel : nullptr;
        row.y = to;
        row.yPixel = strip.width;
        row.channels = strip.width;
        if (mMiddleCut) {
            row.low = mMiddleCut->low;
            row.high = mMiddleCut->high;
        }
        depthwiseRows(row);
        if (!mMiddleCut) {
            applyFollowers(mHow.middle, b, nullptr, 0, to, rows * mWindow.output[1] * strip.width, 0, 0);
        }
    }

    // Adds what a strip gives to `rows` rows of results.
    void project(const Buffers& b, const Strip& strip, const float* wide, int64_t row, int64_t rows) const {
        const int64_t panel = mTiles.wide.columns;
        const int64_t pixel = (strip.image * mWindow.output[0] + row) * mWindow.output[1];
        const int64_t count = rows * mWindow.output[1];
        const bool isComplete = strip.isLast && mGroups == 1;
        float* const y = strip.sums + pixel * mHow.columns;
        const bool fetches = strip.next >= 0 && row == strip.row;
        const float* const next = b.in<float>(kExpandWeights) + strip.next / panel * panel * mHow.depth;
        const int64_t nextFloats =
            std::min(mStripColumns, padded(mHow.channels) - strip.next / panel * panel) * mHow.depth;
        for (int64_t column = 0; column < mHow.columns;) {
            const int64_t left = mHow.columns - column;
            const PackedTile& tile = plainTileFor(mTiles, left);
            const int64_t width = std::min(left, tile.columns);
            const int64_t within = column % panel;
            PackedProduct product{.a = wide,
                                  .aRow = strip.width,
                                  .b = b.in<float>(kProjectWeights) + (column - within) * mHow.channels +
                                       strip.channel * panel + within,
                                  .bRow = panel,
                                  .depth = strip.width,
                                  .c = y + column,
                                  .cRow = mHow.columns};
            product.continues = !strip.isFirst;
            if (strip.hasBias && mHow.chain.bias >= 0) {
                product.start = static_cast<const float*>(b.workspace) + padded(mHow.channels) + column;
            }
            product.columns = width < tile.columns ? width : 0;
            if (isComplete && mCut) {
                product.isCut = true;
                product.low = mCut->low;
                product.high = mCut->high;
            }
            if (fetches) {
                const int64_t begin = nextFloats * column / mHow.columns;
                fetch(next + begin, nextFloats * (column + width) / mHow.columns - begin, product);
            }
            tile.runAll(count, product);
            column += width;
        }
        if (isComplete && !mCut) {
            applyFollowers(mHow.chain, b, nullptr, 0, y, count * mHow.columns, pixel * mHow.columns, 0);
        }
    }

    Inversion mHow;
    std::optional<Cut> mWideCut;
    std::optional<Cut> mMiddleCut;
    std::optional<Cut> mCut;
    Window mWindow;
    const PackedTiles& mTiles;
    int64_t mBatches;
    int mThreads;
    int64_t mStripColumns = 0; // of the wide image that are made at a time, at most
    int64_t mReach = 1;        // input rows that a window spans
    int64_t mLines = 1;        // of the depthwise convolution that are made before the product takes them
    int64_t mGroups = 1;       // of channels, each with sums of its own
    int64_t mParts = 1;        // of each image's rows
    int64_t mTeam = 1;
};

} // namespace

bool isInvertedResidual(const module::GraphView& body) { return placesOf(body).project != 0; }

std::vector<std::vector<int32_t>> invertedResiduals(const module::GraphView& graph) {
    const Readers readers(graph);
    std::vector<std::vector<int32_t>> found;
    for (std::vector<int32_t>& narrowing : projectedDepthwise(graph)) {
        // Upwards from the depthwise convolution.
        std::vector<int32_t> nodes;
        int32_t maker = narrowing.front();
        do {
            maker = readers.maker(graph.node(static_cast<size_t>(maker)).inputIndex(0));
            if (maker >= 0) {
                nodes.insert(nodes.begin(), maker);
            }
        } while (maker >= 0 && readers.onlyReader(maker) >= 0 && isFunction(graph.node(static_cast<size_t>(maker))));
        if (maker >= 0 && readers.onlyReader(maker) >= 0 &&
            isWeightedOneByOne(graph.node(static_cast<size_t>(maker)))) {
            nodes.insert(nodes.end(), narrowing.begin(), narrowing.end());
            found.push_back(std::move(nodes));
        }
    }
    return found;
}

std::vector<TnFormat> invertedResidualLayouts(const module::GraphView& body) {
    const Inversion how = inversionOf(body);
    std::vector<TnFormat> layouts;
    for (const int32_t value : body.inputs()) {
        layouts.push_back(module::linearFormat(body.value(value).rank()));
    }
    for (size_t i = 0; i < how.chain.ports.size(); ++i) {
        if (i == kX || how.chain.isTensor[i]) {
            layouts[static_cast<size_t>(how.chain.ports[i])] = module::channelsLastFormat(4);
        }
    }
    layouts[static_cast<size_t>(how.chain.ports[kExpandWeights])] = packedWeights(body.node(0));
    layouts[static_cast<size_t>(how.chain.ports[kWeights])] = depthwiseWeights();
    layouts[static_cast<size_t>(how.chain.ports[kProjectWeights])] = packedWeights(body.node(how.places.project));
    layouts.push_back(module::channelsLastFormat(4));
    return layouts;
}

void checkInvertedResidual(const Task& task) {
    checkLayouts(task, invertedResidualLayouts(task.body), "a depthwise convolution between products");
}

TaskPlan planInvertedResidual(const Task& task, const PortShapes& shapes) {
    Inversion how = inversionOf(task.body);
    const Shape& x = shapes.inputs[static_cast<size_t>(how.chain.ports[kX])];
    const Shape& weights = shapes.inputs[static_cast<size_t>(how.chain.ports[kWeights])];
    const auto wide = [&](Shape shape) {
        shape.dims[1] = how.channels;
        shape.elements = kernels::product(shape.dims);
        return shape;
    };
    const Call call(task.body.node(how.places.depthwise), shapes.scalars, {wide(x), weights}, {wide(shapes.outputs[0])},
                    shapes.threads);
    TaskPlan result;
    result.inputPorts = how.chain.ports;
    result.outputPorts = {0};
    const InvertedResidual kernel(std::move(how), windowOf(call, {weights.dims[2], weights.dims[3]}), x.dims[0],
                                  shapes.threads);
    result.plan = kernels::planOf(kernel, kernel.workspace(), shapes.outputs[0].elements);
    return result;
}

} // namespace tenon::cpu
