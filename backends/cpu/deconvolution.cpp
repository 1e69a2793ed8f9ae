#include "backends/cpu/deconvolution.h"

#include "backends/common/parallel.h"
#include "backends/common/window.h"
#include "backends/cpu/followers.h"
#include "backends/cpu/image_layout.h"
#include "backends/cpu/simd/packed_tile.h"

#include <algorithm>
#include <array>

namespace tenon::cpu {

namespace {

// Operands of the kernel; the bias and what follows come behind.
constexpr size_t kX = 0;
constexpr size_t kWeights = 1;

constexpr int32_t kMostDimensions = 3; // that are spatial

bool fits(int64_t block) { return block == packedTiles().lanes || block == imageTile().columns; }

// Pixels of a line of results, a stride apart, that all taps go over before the next ones: what is summed stays in the first-level cache.
constexpr int64_t kPiece = 256;

Chain chainOf(const module::GraphView& body) { return readWindowChain(body, "a deconvolution"); }

// One dimension of the window. Positions o, o + stride, o + 2 stride, ... of the result are a phase: the same taps reach them.
struct Taps {
    struct Tap {
        int64_t index; // in the window
        int64_t shift; // from the position in the image to that in the phase
        int64_t first; // positions of the phase that it reaches
        int64_t last;  // behind these
    };
    int64_t stride = 1;
    int64_t input = 1;
    int64_t output = 1;
    std::vector<std::vector<Tap>> phases = {{{0, 0, 0, 1}}};

    Taps() = default;
    Taps(const Window& window, size_t d)
        : stride(window.strides[d]), input(window.input[d]), output(window.output[d]),
          phases(static_cast<size_t>(stride)) {
        for (int64_t tap = 0; tap < window.kernel[d]; ++tap) {
            const int64_t at = tap * window.dilations[d] - window.padBegin[d];
            const int64_t phase = (at % stride + stride) % stride;
            const int64_t shift = (at - phase) / stride;
            const int64_t first = std::max<int64_t>(0, shift);
            const int64_t last = std::min(positions(phase), input + shift);
            if (first < last) {
                phases[static_cast<size_t>(phase)].push_back({tap, shift, first, last});
            }
        }
    }

    int64_t positions(int64_t phase) const { return std::max<int64_t>(0, (output - phase + stride - 1) / stride); }
    const std::vector<Tap>& of(int64_t phase) const { return phases[static_cast<size_t>(phase)]; }
};

class Deconvolution {
public:
    Deconvolution(Chain chain, const Window& window, const Dims& weights, int64_t batches, int64_t blockFrom,
                  int64_t blockTo, int threads)
        : mChain(std::move(chain)), mTile(imageTile()), mBatches(batches), mThreads(threads) {
        const size_t missing = kMostDimensions - window.rank();
        mKernel.fill(1);
        for (size_t d = 0; d < window.rank(); ++d) {
            mTaps[missing + d] = Taps(window, d);
            mKernel[missing + d] = window.kernel[d];
        }
        mX = {blockFrom, weights[0], mTaps[0].input * mTaps[1].input, mTaps[2].input};
        mY = {blockTo, weights[1], mTaps[0].output * mTaps[1].output, mTaps[2].output};
        mPanels = (mY.channels + mTile.columns - 1) / mTile.columns;
        const int64_t matrices = kernels::product(window.kernel);
        // What is larger is gone through once by each thread, in parts.
        mSharesWeights = mX.channels * mPanels * mTile.columns * matrices > mBatches * mX.image();
        const int64_t products = mBatches * mX.height * mX.width * matrices * mPanels;
        mPieces = (mTaps[2].positions(0) + kPiece - 1) / kPiece;
        const int64_t items = lines() * mPieces * mPanels;
        mTeam = teamFor(threads, items, products * mX.channels * mTile.columns / (8 * std::max<int64_t>(items, 1)) + 1);
    }

    // The bias filled up to whole panels, then for each thread a piece of results of a panel that is not whole.
    int64_t workspace() const {
        return (mPanels * mTile.columns + mThreads * edgeFloats()) * static_cast<int64_t>(sizeof(float));
    }

    void run(const Buffers& b) const {
        auto* const start = static_cast<float*>(b.workspace);
        std::fill(start, start + mPanels * mTile.columns, 0.0F);
        if (const float* const bias = biasOf(mChain, b)) {
            std::copy(bias, bias + mY.channels, start);
        }
        const int64_t places = lines() * mPieces;
        parallelTeam(mTeam, places * mPanels, [&](int64_t member, int64_t begin, int64_t end) {
            float* const edge = start + mPanels * mTile.columns + member * edgeFloats();
            for (int64_t item = begin; item < end; ++item) {
                const int64_t at = mSharesWeights ? item % places : item / mPanels;
                const Place place(*this, at, mSharesWeights ? item / places : item % mPanels);
                for (int64_t phase = 0; phase < mTaps[2].stride; ++phase) {
                    runPhase(b, start, edge, place, phase);
                }
                follow(b, place);
            }
        });
    }

private:
    // A piece of a line of results, one panel of its channels.
    struct Place {
        Place(const Deconvolution& kernel, int64_t at, int64_t panelAt)
            : image(at / kernel.mPieces / kernel.mY.height), height(at / kernel.mPieces % kernel.mY.height),
              first(at % kernel.mPieces * kPiece), panel(panelAt), channel(panelAt * kernel.mTile.columns),
              width(std::min(kernel.mTile.columns, kernel.mY.channels - channel)),
              to(image * kernel.mY.image() + kernel.mY.at(channel) + height * kernel.mY.line() +
                 first * kernel.mTaps[2].stride * kernel.mY.pixel()) {}
        int64_t image;
        int64_t height; // over all dimensions but the last
        int64_t first;  // position of each phase
        int64_t panel;
        int64_t channel;
        int64_t width; // channels
        int64_t to;    // element of the result
    };

    int64_t lines() const { return mBatches * mY.height; }
    int64_t edgeFloats() const {
        return mY.channels % mTile.columns == 0 ? 0 : std::min(mTaps[2].positions(0), kPiece) * mTile.columns;
    }
    bool isWhole(const Place& place) const { return place.width == mTile.columns; }
    // From one vector of a panel's channels to the next in the result.
    int64_t vectorStep() const {
        const int64_t lanes = packedTiles().lanes;
        return mY.block == lanes ? mY.at(lanes) : lanes;
    }

    // Every stride-th pixel of a piece: all taps of the window that reach it, one after the other.
    void runPhase(const Buffers& b, const float* start, float* edge, const Place& place, int64_t phase) const {
        const int64_t positions = std::min(kPiece, mTaps[2].positions(phase) - place.first);
        if (positions <= 0) {
            return;
        }
        const int64_t step = mTaps[2].stride * mY.pixel();
        float* const results = b.out<float>() + place.to + phase * mY.pixel();
        PackedProduct work{.a = nullptr,
                           .aRow = mX.pixel(),
                           .b = nullptr,
                           .bRow = mTile.columns,
                           .depth = mX.channels,
                           .c = nullptr,
                           .cRow = isWhole(place) ? step : mTile.columns,
                           .start = start + place.channel,
                           .aDepth = mX.block,
                           .aBlock = mX.block == 0 ? 0 : mX.at(mX.block),
                           .cVector = isWhole(place) ? vectorStep() : 0};
        float* const to = isWhole(place) ? results : edge;
        const float* const image = b.in<float>(kX) + place.image * mX.image();
        const int64_t outer = place.height / mTaps[1].output;
        const int64_t inner = place.height % mTaps[1].output;
        forTaps(mTaps[0], outer, [&](const Taps::Tap& first) {
            forTaps(mTaps[1], inner, [&](const Taps::Tap& second) {
                const int64_t line =
                    (outer / mTaps[0].stride - first.shift) * mTaps[1].input + inner / mTaps[1].stride - second.shift;
                for (const Taps::Tap& tap : mTaps[2].of(phase)) {
                    const int64_t matrix = (first.index * mKernel[1] + second.index) * mKernel[2] + tap.index;
                    const int64_t begin = std::clamp<int64_t>(tap.first - place.first, 0, positions);
                    const int64_t end = std::clamp<int64_t>(tap.last - place.first, begin, positions);
                    if (begin == end) {
                        continue;
                    }
                    if (!work.continues) {
                        fillRows(to, work, 0, begin);
                        fillRows(to, work, end, positions);
                    }
                    work.a = image + line * mX.line() + (place.first - tap.shift) * mX.pixel();
                    work.b = b.in<float>(kWeights) + (matrix * mPanels + place.panel) * mX.channels * mTile.columns;
                    multiply(to, work, begin, end);
                    work.continues = true;
                }
            });
        });
        if (!work.continues) {
            fillRows(to, work, 0, positions);
        }
        if (!isWhole(place)) {
            copyOut(edge, place, results, step, positions);
        }
    }

    // The taps that reach one position of a result.
    template <class Body>
    static void forTaps(const Taps& taps, int64_t position, const Body& body) {
        const int64_t at = position / taps.stride;
        for (const Taps::Tap& tap : taps.of(position % taps.stride)) {
            if (tap.first <= at && at < tap.last) {
                body(tap);
            }
        }
    }

    // Rows [first, last) of `work`, whose operands are those of row 0.
    void multiply(float* to, const PackedProduct& work, int64_t first, int64_t last) const {
        const int64_t groups = (last - first + mTile.rows - 1) / mTile.rows;
        PackedProduct some = work;
        for (int64_t group = 0; group < groups; ++group) {
            const int64_t begin = first + (last - first) * group / groups;
            const int64_t end = first + (last - first) * (group + 1) / groups;
            some.a = work.a + begin * work.aRow;
            some.c = to + begin * work.cRow;
            mTile.run(end - begin, some);
        }
    }

    // What the first tap does not reach begins with the bias all the same.
    void fillRows(float* to, const PackedProduct& work, int64_t first, int64_t last) const {
        const int64_t lanes = packedTiles().lanes;
        const int64_t vector = work.cVector != 0 ? work.cVector : lanes;
        for (int64_t row = first; row < last; ++row) {
            for (int64_t column = 0; column < mTile.columns; column += lanes) {
                std::copy(work.start + column, work.start + column + lanes,
                          to + row * work.cRow + column / lanes * vector);
            }
        }
    }

    void copyOut(const float* edge, const Place& place, float* to, int64_t step, int64_t positions) const {
        const int64_t lanes = packedTiles().lanes;
        for (int64_t position = 0; position < positions; ++position) {
            for (int64_t column = 0; column < place.width; column += lanes) {
                const float* const some = edge + position * mTile.columns + column;
                std::copy(some, some + std::min(lanes, place.width - column),
                          to + position * step + column / lanes * vectorStep());
            }
        }
    }

    // Channels of a block lie side by side along the line; those of a panel where channels are last do so pixel by pixel.
    void follow(const Buffers& b, const Place& place) const {
        if (mChain.followers.empty()) {
            return;
        }
        const auto apply = [&](int64_t at, int64_t count) {
            applyFollowers(mChain, b, nullptr, 0, b.out<float>() + at, count, at, 0);
        };
        const int64_t stride = mTaps[2].stride;
        const int64_t pixels = std::min(kPiece * stride, mY.width - place.first * stride);
        if (mY.block == 0 && mPanels > 1) {
            for (int64_t pixel = 0; pixel < pixels; ++pixel) {
                apply(place.to + pixel * mY.pixel(), place.width);
            }
            return;
        }
        for (int64_t channel = 0; channel < place.width; channel += mY.pixel()) {
            apply(place.to + mY.at(place.channel + channel) - mY.at(place.channel), pixels * mY.pixel());
        }
    }

    Chain mChain;
    const PackedTile& mTile;
    std::array<Taps, kMostDimensions> mTaps; // fewer dimensions have others of one before them
    std::array<int64_t, kMostDimensions> mKernel{};
    ImageLayout mX; // all spatial dimensions but the last are its height
    ImageLayout mY;
    int64_t mBatches;
    int64_t mPanels = 0; // of one tap
    int64_t mPieces = 1; // of a line of results
    int mThreads = 1;
    int64_t mTeam = 1;
    bool mSharesWeights = false; // else lines of results
};

} // namespace

bool beginsWithDeconvolution(const module::GraphView& body) {
    if (body.nodeCount() == 0 || body.outputs().size() != 1 || body.node(0).op() != "deconv" ||
        !body.node(0).hasInput(1)) {
        return false;
    }
    const module::ValueView weights = body.node(0).input(1);
    return weights.isConstant() && weights.isStatic() && weights.rank() > 2 && weights.rank() <= 2 + kMostDimensions &&
           weights.optElements() != 0 && body.node(0).intOr("group", 1) == 1;
}

std::vector<std::vector<TnFormat>> deconvolutionLayouts(const module::GraphView& body) {
    const Chain chain = chainOf(body);
    const module::ValueView weights = body.node(0).input(1);
    const int32_t rank = weights.rank();
    const auto layoutsFor = [&](int64_t channels) {
        std::vector<TnFormat> layouts{module::channelsLastFormat(rank)};
        for (const int32_t block : {16, 8}) {
            if (channels % block == 0 && fits(block)) {
                layouts.push_back(module::blockedFormat(rank, {{1, block}}));
            }
        }
        return layouts;
    };
    std::vector<int32_t> order; // taps, then outputs in panels, then inputs
    for (int32_t d = 2; d < rank; ++d) {
        order.push_back(d);
    }
    order.insert(order.end(), {1, 0});
    TnFormat packed = module::permutedFormat(order);
    packed.block_count = 1;
    packed.blocks[0] = {1, static_cast<int32_t>(imageTile().columns)};
    std::vector<std::vector<TnFormat>> variants;
    for (const TnFormat& from : layoutsFor(weights.dim(0).opt)) {
        for (const TnFormat& to : layoutsFor(weights.dim(1).opt)) {
            if (addsImage(chain) && !module::equal(from, to)) {
                continue; // one port has one layout
            }
            std::vector<TnFormat> layouts;
            for (const int32_t value : body.inputs()) {
                layouts.push_back(module::linearFormat(body.value(value).rank()));
            }
            for (size_t i = 0; i < chain.ports.size(); ++i) {
                if (chain.isTensor[i]) {
                    layouts[static_cast<size_t>(chain.ports[i])] = to;
                }
            }
            layouts[static_cast<size_t>(chain.ports[kX])] = from;
            layouts[static_cast<size_t>(chain.ports[kWeights])] = packed;
            layouts.push_back(to);
            variants.push_back(std::move(layouts));
        }
    }
    return variants;
}

void checkDeconvolution(const Task& task) {
    const auto isTask = [&](const std::vector<TnFormat>& layouts) {
        bool same = task.outputs[0].dtype == TN_F32 && module::equal(task.outputs[0].format, layouts.back());
        for (size_t i = 0; i < task.inputs.size(); ++i) {
            same = same && task.inputs[i].dtype == TN_F32 && module::equal(task.inputs[i].format, layouts[i]);
        }
        return same;
    };
    const std::vector<std::vector<TnFormat>> variants = deconvolutionLayouts(task.body);
    if (std::none_of(variants.begin(), variants.end(), isTask)) {
        refuse("a deconvolution with other layouts or types than it computes");
    }
}

TaskPlan planDeconvolution(const Task& task, const PortShapes& shapes) {
    Chain chain = chainOf(task.body);
    const Shape& x = shapes.inputs[static_cast<size_t>(chain.ports[kX])];
    const Shape& weights = shapes.inputs[static_cast<size_t>(chain.ports[kWeights])];
    const Call call(task.body.node(0), shapes.scalars, {x, weights}, {shapes.outputs[0]}, shapes.threads);
    const Window window = deconvWindowOf(call, Dims(weights.dims.begin() + 2, weights.dims.end()));
    TaskPlan result;
    result.inputPorts = chain.ports;
    result.outputPorts = {0};
    const int64_t from = channelBlock(task.inputs[static_cast<size_t>(chain.ports[kX])].format);
    const Deconvolution kernel(std::move(chain), window, weights.dims, x.dims[0], from,
                               channelBlock(task.outputs[0].format), shapes.threads);
    result.plan = kernels::planOf(kernel, kernel.workspace(), shapes.outputs[0].elements);
    return result;
}

} // namespace tenon::cpu
