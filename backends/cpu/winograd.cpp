#include "backends/cpu/winograd.h"

#include "backends/common/parallel.h"
#include "backends/common/ports.h"
#include "backends/common/window.h"
#include "backends/cpu/followers.h"
#include "backends/cpu/image_layout.h"
#include "backends/cpu/readers.h"
#include "backends/cpu/simd/packed_tile.h"
#include "backends/cpu/simd/winograd_tile.h"

#include <algorithm>
#include <limits>

namespace tenon::cpu {

namespace {

// Operands of the kernel: x, the weights, then those of the chain.
constexpr size_t kX = 0;
constexpr size_t kWeights = 1;
// With fewer channels the transforms take longer than what they save.
constexpr int64_t kLeastChannels = 8;

struct Head {
    int64_t inputs = 0;
    int64_t outputs = 0;
    Chain chain;
    // Ports of the results; -1: not wanted.
    int32_t all = 0;
    int32_t largest = -1; // of every two by two
};

// The maximum of every two by two pixels.
bool isMaximumOfFour(const module::NodeView& node) {
    const auto are = [&](std::string_view name, size_t count, int64_t wanted, int64_t otherwise) {
        const std::vector<int64_t> values = node.intsOr(name, count, otherwise);
        return std::all_of(values.begin(), values.end(), [&](int64_t each) { return each == wanted; });
    };
    return node.op() == "pool.max" && node.outputCount() == 1 && node.input(0).rank() == 4 &&
           node.ints("kernel").size() == 2 && are("kernel", 2, 2, 0) && are("strides", 2, 2, 1) &&
           are("dilations", 2, 1, 1) && are("pads", 4, 0, 0) && node.intOr("ceil_mode", 0) == 0 &&
           node.stringOr("auto_pad", "explicit") == "explicit";
}

// What is done while results are in registers: a sum with a tensor and an activation that cuts off; and what remains.
struct Finish {
    int32_t other = -1; // the operand that is added
    float low = -std::numeric_limits<float>::infinity();
    float high = std::numeric_limits<float>::infinity();
    Chain rest;
};

Finish finishOf(const Chain& chain) {
    Finish finish;
    finish.rest = chain;
    auto& rest = finish.rest.followers;
    if (!rest.empty() && rest[0].kind == Follower::Kind::kTensor && rest[0].step.step == Step::kAdd) {
        finish.other = rest[0].operand;
        rest.erase(rest.begin());
    }
    if (!rest.empty() && rest[0].kind == Follower::Kind::kFunction &&
        (rest[0].step.step == Step::kRelu || rest[0].step.step == Step::kClip)) {
        const bool isClip = rest[0].step.step == Step::kClip;
        finish.low = isClip ? rest[0].step.p0 : 0;
        finish.high = isClip ? rest[0].step.p1 : finish.high;
        rest.erase(rest.begin());
    }
    return finish;
}

Head headOf(const module::GraphView& body) {
    const module::NodeView node = body.node(0);
    Head head;
    const module::ValueView weights = node.input(1);
    head.outputs = weights.dim(0).opt;
    head.inputs = weights.dim(1).opt;
    const int32_t x = kernels::portOf(body.inputs(), node.inputIndex(0));
    const int32_t w = kernels::portOf(body.inputs(), node.inputIndex(1));
    if (x < 0 || w < 0 || x == w || !node.input(0).isStatic(1) || node.input(0).dim(1).opt != head.inputs) {
        refuse("a convolution whose image or weights are no inputs of the task");
    }
    if (std::min(head.inputs, head.outputs) < kLeastChannels) {
        refuse("a Winograd convolution from ", head.inputs, " to ", head.outputs, " channels, fewer than ",
               kLeastChannels);
    }
    std::vector<int32_t> ports{x, w};
    int32_t bias = -1;
    if (node.hasInput(2)) {
        bias = static_cast<int32_t>(ports.size());
        ports.push_back(kernels::portOf(body.inputs(), node.inputIndex(2)));
    }
    const size_t last = body.nodeCount() - 1;
    const bool isPooled = last > 0 && isMaximumOfFour(body.node(last));
    if (isPooled) {
        const int32_t value = body.node(last - 1).outputIndex(0);
        head.chain = readChainUntil(body, last, std::move(ports), bias, 1, head.outputs);
        head.all = kernels::portOf(body.outputs(), value);
        head.largest = kernels::portOf(body.outputs(), body.node(last).outputIndex(0));
        if (body.node(last).inputIndex(0) != value || head.largest < 0 ||
            body.outputs().size() != (head.all < 0 ? 1U : 2U)) {
            refuse("a maximum of something else than the convolution's result");
        }
    } else {
        head.chain = readChain(body, std::move(ports), bias, 1, head.outputs);
    }
    for (const Follower& follower : head.chain.followers) {
        if (follower.kind == Follower::Kind::kPerChannel) {
            refuse("a Winograd convolution followed by something for each channel that is no bias");
        }
    }
    if (isPooled && !finishOf(head.chain).rest.followers.empty()) {
        refuse("a maximum of what is not made in registers");
    }
    return head;
}

// Floats of the transformed image that a thread works on at a time: a part of its second-level cache.
constexpr int64_t kBlockFloats = 192 * 1024;
// Where all weights stay in that cache beside it.
constexpr int64_t kBlockBesideWeights = 96 * 1024;
constexpr int64_t kFewWeights = 256 * 1024;
// What it may be where all tiles are then one part, so that many weights are read once.
constexpr int64_t kOnePartFloats = 384 * 1024;
constexpr int64_t kManyWeights = 1024 * 1024;
// The same where weights are transformed as they are used: the more tiles, the less that takes.
constexpr int64_t kBlockOfTaps = 640 * 1024;
// Floats of transformed weights that a thread makes at a time.
constexpr int64_t kMadeFloats = 128 * 1024;
// Bytes of transformed weights that a plan keeps for a convolution: four times what the model has of them. More would be faster where there are few tiles, up to
// half as fast again (docs/tactics/cpu.md), at the price of most of the plan's memory.
constexpr int64_t kMostTransformed = 16 << 20;
// Lines of tiles are between cache lines of different sets.
constexpr int64_t kSkew = 16;

class Winograd {
public:
    Winograd(Head head, const Window& window, int64_t batches, WinogradWeights weights, int64_t block, int threads)
        : mHead(std::move(head)), mFinish(finishOf(mHead.chain)), mWeights(weights),
          mTile(winogradTile(weights.results)), mProduct(imageTile()), mThreads(threads) {
        const int64_t lanes = packedTiles().lanes;
        mX = {block, mHead.inputs, window.input[0], window.input[1]};
        mY = {block, mHead.outputs, window.output[0], window.output[1]};
        mLargest = {block, mHead.outputs, window.output[0] / 2, window.output[1] / 2};
        mTop = window.padBegin[0];
        mLeft = window.padBegin[1];
        mDepth = (mHead.inputs + lanes - 1) / lanes * lanes;
        mPanels = (mHead.outputs + mWeights.columns - 1) / mWeights.columns;
        mTilesDown = (mY.height + mWeights.results - 1) / mWeights.results;
        mTilesAcross = (mY.width + mWeights.results - 1) / mWeights.results;
        mTiles = batches * mTilesDown * mTilesAcross;
        mTeam = teamFor(mThreads, mTiles, mWeights.elements() * mHead.inputs * mHead.outputs / lanes);
        const int64_t weightFloats = mPanels * mWeights.columns * mWeights.elements() * mHead.inputs;
        const bool hasMany = weightFloats >= kManyWeights;
        mChannels = mHead.inputs;
        if (mWeights.isTransformed) {
            const int64_t blockFloats = weightFloats <= kFewWeights ? kBlockBesideWeights : kBlockFloats;
            mTilesOfAnyExtents = tilesOf(hasMany ? kOnePartFloats : blockFloats);
            mMostTiles = tilesOf(hasMany && mTiles <= mTeam * tilesOf(kOnePartFloats) ? kOnePartFloats : blockFloats);
        } else {
            mMostTiles = mTilesOfAnyExtents = tilesOf(kBlockOfTaps);
            const int64_t most = std::max(lanes, kMadeFloats / (mWeights.elements() * mWeights.columns));
            const int64_t pieces = (mHead.inputs + most - 1) / most;
            mChannels = (mHead.inputs + pieces - 1) / pieces;
        }
        // Few tiles and many weights: each thread transforms the whole image and reads its part of the weights. Transforming these in every thread takes
        // longer than waiting for the one with most panels.
        const bool isEven = mPanels % mTeam == 0 || mPanels >= 4 * mTeam;
        mSharesWeights =
            mTeam > 1 && hasMany && mTiles <= mMostTiles && (isEven || (!mWeights.isTransformed && mPanels >= mTeam));
        const int64_t blocks = (mTiles + mMostTiles - 1) / mMostTiles;
        mBlocks = mSharesWeights ? 1 : std::min((blocks + mTeam - 1) / mTeam * mTeam, mTiles);
    }

    int64_t workspace() const {
        const int64_t tiles = std::min(mTiles, mTilesOfAnyExtents);
        const int64_t floats = mPanels * mWeights.columns + followers() * followerWidth() + mThreads * perMember(tiles);
        return floats * static_cast<int64_t>(sizeof(float));
    }

    void run(const Buffers& b) const {
        auto* const start = static_cast<float*>(b.workspace);
        std::fill(start, start + mPanels * mWeights.columns, 0.0F);
        if (mHead.chain.bias >= 0) {
            const auto* const bias = b.in<float>(static_cast<size_t>(mHead.chain.bias));
            std::copy(bias, bias + mHead.outputs, start);
        }
        float* const numbers = start + mPanels * mWeights.columns;
        repeatNumbers(mFinish.rest, b, followerWidth(), numbers);
        float* const scratch = numbers + followers() * followerWidth();
        const int64_t most = std::min(mTiles, mMostTiles);
        const auto firstOf = [&](int64_t block) { return mTiles * block / mBlocks; };
        if (!mSharesWeights) {
            parallelTeam(mTeam, mBlocks, [&](int64_t member, int64_t begin, int64_t end) {
                float* const v = scratch + member * perMember(most);
                for (int64_t block = begin; block < end; ++block) {
                    const Part part = partAt(v, firstOf(block), firstOf(block + 1) - firstOf(block));
                    transformImage(b, part);
                    for (int64_t panel = 0; panel < mPanels; ++panel) {
                        const bool isLast = panel + 1 == mPanels && block + 1 == end;
                        runPanel(b, start, numbers, part, panel, isLast ? panel : (panel + 1) % mPanels);
                    }
                }
            });
            return;
        }
        parallelTeam(mTeam, mPanels, [&](int64_t member, int64_t begin, int64_t end) {
            const Part part = partAt(scratch + member * perMember(most), 0, mTiles);
            transformImage(b, part);
            for (int64_t panel = begin; panel < end; ++panel) {
                runPanel(b, start, numbers, part, panel, panel + 1 < end ? panel + 1 : panel);
            }
        });
    }

private:
    // Tiles that are worked on together, counted over lines of tiles and images.
    struct Part {
        int64_t first;
        int64_t tiles;
        float* image;
        float* products;
        float* weights; // where they are transformed
    };

    int64_t tilesOf(int64_t floats) const { return std::max<int64_t>(1, floats / (mWeights.elements() * mDepth)); }
    int64_t followers() const { return static_cast<int64_t>(mFinish.rest.followers.size()); }
    int64_t followerWidth() const { return std::max(mY.line(), mWeights.columns); }
    int64_t imageElement(int64_t tiles) const { return tiles * mDepth + kSkew; }
    int64_t productElement(int64_t tiles) const { return tiles * mWeights.columns + kSkew; }
    int64_t transformed(int64_t tiles) const { return mWeights.elements() * imageElement(tiles); }
    int64_t products(int64_t tiles) const { return mWeights.elements() * productElement(tiles); }
    int64_t weightElement() const { return mChannels * mWeights.columns + kSkew; }
    int64_t perMember(int64_t tiles) const {
        return transformed(tiles) + products(tiles) +
               (mWeights.isTransformed ? 0 : mWeights.elements() * weightElement());
    }
    Part partAt(float* scratch, int64_t first, int64_t tiles) const {
        const int64_t most = std::min(mTiles, mMostTiles);
        float* const products = scratch + transformed(most);
        return {first, tiles, scratch, products, products + this->products(most)};
    }

    // Calls body(tile of the part, how many, image, line of tiles, first tile in it) for stretches of tiles in one line.
    template <class Body>
    void forLines(const Part& part, const Body& body) const {
        for (int64_t t = 0; t < part.tiles;) {
            const int64_t across = (part.first + t) % mTilesAcross;
            const int64_t line = (part.first + t) / mTilesAcross;
            const int64_t some = std::min(mTilesAcross - across, part.tiles - t);
            body(t, some, line / mTilesDown, line % mTilesDown, across);
            t += some;
        }
    }

    void transformImage(const Buffers& b, const Part& part) const {
        const int64_t lanes = packedTiles().lanes;
        forLines(part, [&](int64_t tile, int64_t tiles, int64_t image, int64_t line, int64_t across) {
            WinogradInput input{};
            input.pixel = mX.pixel();
            input.width = mX.width;
            input.first = across * mWeights.results - mLeft;
            input.tiles = tiles;
            input.element = imageElement(part.tiles);
            input.tile = mDepth;
            for (int64_t c = 0; c < mX.channels; c += lanes) {
                const float* const from = b.in<float>(kX) + image * mX.image() + mX.at(c);
                for (int64_t r = 0; r < mWeights.results + 2; ++r) {
                    const int64_t row = line * mWeights.results - mTop + r;
                    input.rows[r] = row >= 0 && row < mX.height ? from + row * mX.line() : nullptr;
                }
                input.channels = std::min(lanes, mX.channels - c);
                input.v = part.image + tile * mDepth + c;
                mTile.input(input);
            }
        });
    }

    // What is fetched while others compute.
    struct Bytes {
        const char* begin = nullptr;
        const char* end = nullptr;
    };

    // Part `part` of `parts`, of whole cache lines.
    static Bytes pieceOf(const Bytes& all, int64_t part, int64_t parts) {
        const int64_t share = ((all.end - all.begin) / parts + 63) / 64 * 64;
        const char* const begin = std::min(all.begin + part * share, all.end);
        return {begin, std::min(begin + share, all.end)};
    }

    // The products of one element of all tiles with weights of some channels.
    void multiply(const Part& part, int64_t element, int64_t channel, int64_t channels, const float* weights,
                  const Bytes& next) const {
        const int64_t groups = (part.tiles + mProduct.rows - 1) / mProduct.rows;
        for (int64_t group = 0; group < groups; ++group) {
            const int64_t tile = part.tiles * group / groups;
            const Bytes fetched = pieceOf(next, group, groups);
            const PackedProduct product{
                .a = part.image + element * imageElement(part.tiles) + tile * mDepth + channel,
                .aRow = mDepth,
                .b = weights,
                .bRow = mWeights.columns,
                .depth = channels,
                .c = part.products + element * productElement(part.tiles) + tile * mWeights.columns,
                .cRow = mWeights.columns,
                .continues = channel > 0,
                .next = fetched.begin,
                .nextEnd = fetched.end,
                .lines = std::clamp<int64_t>(((fetched.end - fetched.begin) * 4 / 64 + channels - 1) / channels, 1, 8)};
            mProduct.run(part.tiles * (group + 1) / groups - tile, product);
        }
    }

    void multiplyTransformed(const Buffers& b, const Part& part, int64_t panel, int64_t nextPanel) const {
        const int64_t elements = mWeights.elements();
        const int64_t floats = mHead.inputs * mWeights.columns;
        const auto weightsOf = [&](int64_t ofPanel, int64_t element) {
            return b.in<float>(kWeights) + (ofPanel * elements + element) * floats;
        };
        for (int64_t e = 0; e < elements; ++e) {
            const bool isLast = e + 1 == elements;
            const float* const next = isLast ? weightsOf(nextPanel, 0) : weightsOf(panel, e + 1);
            multiply(part, e, 0, mHead.inputs, weightsOf(panel, e),
                     isLast && nextPanel == panel ? Bytes{} : bytesOf(next, floats));
        }
    }

    void multiplyTaps(const Buffers& b, const Part& part, int64_t panel, int64_t nextPanel) const {
        const int64_t elements = mWeights.elements();
        const int64_t floats = mWeights.floats() * mWeights.columns; // of a channel
        const auto tapsOf = [&](int64_t ofPanel, int64_t channel) {
            return b.in<float>(kWeights) + (ofPanel * mHead.inputs + channel) * floats;
        };
        for (int64_t channel = 0; channel < mHead.inputs; channel += mChannels) {
            const int64_t channels = std::min(mChannels, mHead.inputs - channel);
            mTile.weights({tapsOf(panel, channel), channels, mWeights.columns, part.weights, weightElement()});
            const int64_t after = channel + channels;
            const bool isLast = after == mHead.inputs;
            const Bytes next = isLast && nextPanel == panel ? Bytes{}
                               : isLast
                                   ? bytesOf(tapsOf(nextPanel, 0), mChannels * floats)
                                   : bytesOf(tapsOf(panel, after), std::min(mChannels, mHead.inputs - after) * floats);
            for (int64_t e = 0; e < elements; ++e) {
                multiply(part, e, channel, channels, part.weights + e * weightElement(), pieceOf(next, e, elements));
            }
        }
    }

    static Bytes bytesOf(const float* begin, int64_t floats) {
        return {reinterpret_cast<const char*>(begin), reinterpret_cast<const char*>(begin + floats)};
    }

    void runPanel(const Buffers& b, const float* start, const float* numbers, const Part& part, int64_t panel,
                  int64_t nextPanel) const {
        if (mWeights.isTransformed) {
            multiplyTransformed(b, part, panel, nextPanel);
        } else {
            multiplyTaps(b, part, panel, nextPanel);
        }
        forLines(part, [&](int64_t tile, int64_t tiles, int64_t image, int64_t line, int64_t across) {
            const int64_t row = line * mWeights.results;
            const int64_t column = across * mWeights.results;
            const auto startOf = [&](const ImageLayout& layout, int64_t scale) {
                return image * layout.image() + row / scale * layout.line() + column / scale * layout.pixel();
            };
            writeResults(b, start, numbers, part, panel, tile, startOf(mY, 1), startOf(mLargest, 2),
                         std::min(mWeights.results, mY.height - row),
                         std::min(tiles * mWeights.results, mY.width - column));
        });
    }

    // Of a stretch of tiles: `at` is where its results begin in the first channel, which are `lines` lines of `columns`; `atLargest` where their maxima do.
    void writeResults(const Buffers& b, const float* start, const float* numbers, const Part& part, int64_t panel,
                      int64_t tile, int64_t at, int64_t atLargest, int64_t lines, int64_t columns) const {
        const int64_t lanes = packedTiles().lanes;
        const int64_t first = panel * mWeights.columns;
        const int64_t last = std::min(first + mWeights.columns, mY.channels);
        WinogradOutput output{};
        output.element = productElement(part.tiles);
        output.tile = mWeights.columns;
        output.columns = columns;
        output.lines = lines;
        output.low = mFinish.low;
        output.high = mFinish.high;
        output.pixel = mY.pixel();
        output.line = mY.line();
        output.largestLine = mLargest.line();
        // Results in the order of the ports that planWinograd names.
        float* const all = mHead.all >= 0 ? b.out<float>() : nullptr;
        float* const largest = mHead.largest >= 0 ? b.out<float>(mHead.all >= 0 ? 1 : 0) : nullptr;
        for (int64_t k = first; k < last; k += lanes) {
            const int64_t offset = at + mY.at(k);
            output.m = part.products + tile * mWeights.columns + k - first;
            output.channels = std::min(lanes, last - k);
            output.start = start + k;
            output.other = mFinish.other >= 0 ? b.in<float>(static_cast<size_t>(mFinish.other)) + offset : nullptr;
            output.y = all != nullptr ? all + offset : nullptr;
            output.largest = largest != nullptr ? largest + atLargest + mLargest.at(k) : nullptr;
            mTile.output(output);
        }
        if (mFinish.rest.followers.empty()) {
            return;
        }
        // What is contiguous: the pixels of a block of channels, or the panel's channels of a pixel.
        for (int64_t k = first; k < last; k += mY.block == 0 ? last - first : mY.block) {
            for (int64_t r = 0; r < lines; ++r) {
                const int64_t offset = at + mY.at(k) + r * mY.line();
                for (int64_t c = 0; c < (mY.block == 0 ? columns : 1); ++c) {
                    const int64_t here = offset + c * mY.pixel();
                    applyFollowers(mFinish.rest, b, numbers, followerWidth(), b.out<float>() + here,
                                   mY.block == 0 ? last - first : columns * mY.block, here, k);
                }
            }
        }
    }

    Head mHead;
    Finish mFinish;
    WinogradWeights mWeights;
    const WinogradTile& mTile;
    const PackedTile& mProduct;
    int mThreads;
    ImageLayout mX;
    ImageLayout mY;
    ImageLayout mLargest; // of the maxima
    int64_t mTop = 0;     // rows and columns of padding before the image
    int64_t mLeft = 0;
    int64_t mDepth = 0;    // input channels, filled up to whole vectors
    int64_t mChannels = 0; // whose weights are transformed at a time
    int64_t mPanels = 0;
    int64_t mTilesDown = 0;
    int64_t mTilesAcross = 0;
    int64_t mTiles = 0;
    int64_t mMostTiles = 1;         // of a block
    int64_t mTilesOfAnyExtents = 1; // no less than mMostTiles for other extents
    int64_t mBlocks = 1;
    int64_t mTeam = 1;
    bool mSharesWeights = false;
};

bool isWinograd(const module::NodeView& node) {
    if (node.op() != "conv" || !node.hasInput(1)) {
        return false;
    }
    const auto areOne = [&](std::string_view name) {
        const std::vector<int64_t> values = node.intsOr(name, 2, 1);
        return std::all_of(values.begin(), values.end(), [](int64_t each) { return each == 1; });
    };
    const module::ValueView weights = node.input(1);
    return weights.isConstant() && weights.rank() == 4 && weights.isStatic() && weights.dim(2).opt == 3 &&
           weights.dim(3).opt == 3 && node.intOr("group", 1) == 1 && areOne("strides") && areOne("dilations");
}

// The convolution's own result, where it is no port.
Shape resultOf(const module::GraphView& body, const Head& head, const Shape& x) {
    const module::NodeView node = body.node(0);
    const std::string autoPad(node.stringOr("auto_pad", "explicit"));
    const std::vector<int64_t> pads = node.intsOr("pads", 4, 0);
    Shape result = x;
    result.dims[1] = head.outputs;
    for (size_t d = 0; d < 2; ++d) {
        result.dims[2 + d] += autoPad == "explicit" ? pads[d] + pads[2 + d] - 2 : autoPad == "valid" ? -2 : 0;
    }
    result.elements = kernels::product(result.dims);
    return result;
}

std::vector<TnFormat> layoutsOf(const module::GraphView& body, const Head& head, const TnFormat& image,
                                const WinogradWeights& weights) {
    std::vector<TnFormat> layouts;
    for (const int32_t value : body.inputs()) {
        layouts.push_back(module::linearFormat(body.value(value).rank()));
    }
    for (size_t i = 0; i < head.chain.ports.size(); ++i) {
        if (i == kX || head.chain.isTensor[i]) {
            layouts[static_cast<size_t>(head.chain.ports[i])] = image;
        }
    }
    layouts[static_cast<size_t>(head.chain.ports[kWeights])] = winogradFormat(weights, head.outputs, head.inputs);
    layouts.insert(layouts.end(), body.outputs().size(), image);
    return layouts;
}

// Those that are wanted.
std::vector<WinogradVariant> variantsOf(const module::GraphView& body,
                                        bool (*isWanted)(const WinogradWeights& weights, const Head& head)) {
    const Head head = headOf(body);
    std::vector<TnFormat> images;
    for (const int32_t block : {16, 8}) {
        if (head.inputs % block == 0 && head.outputs % block == 0 && block % packedTiles().lanes == 0 &&
            imageTile().columns % block == 0) {
            images.push_back(module::blockedFormat(4, {{1, block}}));
        }
    }
    images.push_back(module::channelsLastFormat(4));
    std::vector<WinogradVariant> variants;
    for (const TnFormat& image : images) {
        for (const int64_t results : {4, 2}) {
            for (const bool isTransformed : {true, false}) {
                const WinogradWeights weights{results, imageTile().columns, isTransformed};
                if (isWanted(weights, head)) {
                    variants.push_back({weights, layoutsOf(body, head, image, weights)});
                }
            }
        }
    }
    return variants;
}

bool isOffered(const WinogradWeights& weights, const Head& head) {
    const WinogradWeights transformed{weights.results, weights.columns, true};
    return weights.isTransformed == (transformed.bytes(head.outputs, head.inputs) <= kMostTransformed);
}
// What plans of other versions may have.
bool isKnown(const WinogradWeights& /*weights*/, const Head& /*head*/) { return true; }

} // namespace

bool beginsWithWinograd(const module::GraphView& body) { return body.nodeCount() > 0 && isWinograd(body.node(0)); }

std::vector<WinogradVariant> winogradVariants(const module::GraphView& body) { return variantsOf(body, isOffered); }

void checkWinograd(const Task& task) {
    const std::vector<WinogradVariant> variants = variantsOf(task.body, isKnown);
    const auto fits = [](const TnPortFormat& port, const TnFormat& layout) {
        return port.dtype == TN_F32 && module::equal(port.format, layout);
    };
    const auto isTask = [&](const WinogradVariant& variant) {
        bool same = true;
        for (const TnPortFormat& output : task.outputs) {
            same = same && fits(output, variant.layouts.back());
        }
        for (size_t i = 0; i < task.inputs.size(); ++i) {
            same = same && fits(task.inputs[i], variant.layouts[i]);
        }
        return same;
    };
    if (std::none_of(variants.begin(), variants.end(), isTask)) {
        refuse("a Winograd convolution with other layouts or types than it computes");
    }
}

std::vector<std::vector<int32_t>> pooledConvolutions(const module::GraphView& graph) {
    const Readers readers(graph);
    std::vector<std::vector<int32_t>> found;
    for (size_t n = 0; n < graph.nodeCount(); ++n) {
        if (!isMaximumOfFour(graph.node(n))) {
            continue;
        }
        // Back to the convolution, over a sum and a function at most; what is between them is read nowhere else.
        std::vector<int32_t> nodes{static_cast<int32_t>(n)};
        for (int32_t at = readers.maker(graph.node(n).inputIndex(0)); at >= 0 && nodes.size() < 4;) {
            const module::NodeView node = graph.node(static_cast<size_t>(at));
            const bool isAlone = nodes.size() == 1 || readers.onlyReader(at) == nodes.front();
            if (!isAlone) {
                break;
            }
            nodes.insert(nodes.begin(), at);
            if (isWinograd(node)) {
                found.push_back(nodes);
                break;
            }
            const bool isSum = node.op() == "binary.add" && node.inputCount() == 2;
            if (!isSum && !isFunction(node)) {
                break;
            }
            const int32_t first = readers.maker(node.inputIndex(0));
            const bool isFirst = first >= 0 && (!isSum || isWinograd(graph.node(static_cast<size_t>(first))));
            at = isFirst ? first : isSum ? readers.maker(node.inputIndex(1)) : -1;
        }
    }
    return found;
}

TaskPlan planWinograd(const Task& task, const PortShapes& shapes) {
    Head head = headOf(task.body);
    const auto port = [&](size_t operand) { return static_cast<size_t>(head.chain.ports[operand]); };
    const Shape& x = shapes.inputs[port(kX)];
    const Call call(task.body.node(0), shapes.scalars, {x, shapes.inputs[port(kWeights)]},
                    {head.all >= 0 ? shapes.outputs[static_cast<size_t>(head.all)] : resultOf(task.body, head, x)},
                    shapes.threads);
    const Window window = windowOf(call, {3, 3});
    const WinogradWeights weights = winogradWeightsOf(task.inputs[port(kWeights)].format).value();
    const int64_t block = channelBlock(task.outputs[0].format);
    TaskPlan result;
    result.inputPorts = head.chain.ports;
    int64_t elements = 0;
    for (const int32_t output : {head.all, head.largest}) {
        if (output >= 0) {
            result.outputPorts.push_back(output);
            elements = std::max(elements, shapes.outputs[static_cast<size_t>(output)].elements);
        }
    }
    const Winograd kernel(std::move(head), window, x.dims[0], weights, block, shapes.threads);
    result.plan = kernels::planOf(kernel, kernel.workspace(), elements);
    return result;
}

} // namespace tenon::cpu
