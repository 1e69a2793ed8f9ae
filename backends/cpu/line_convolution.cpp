#include "backends/cpu/line_convolution.h"

#include "backends/common/parallel.h"
#include "backends/common/round_up.h"
#include "backends/common/window.h"
#include "backends/cpu/followers.h"
#include "backends/cpu/region_layouts.h"
#include "backends/cpu/simd/line_tile.h"

#include <algorithm>
#include <utility>
#include <vector>

namespace tenon::cpu {

namespace {

// Operands of the kernel; the bias and what follows come behind.
constexpr size_t kX = 0;
constexpr size_t kWeights = 1;

// What is gathered at once stays in a second-level cache, unless the lines of one channel are more.
constexpr int64_t kGatheredFloats = 24 << 10;
constexpr int64_t kLeastPiece = 64; // pixels of a line
constexpr int64_t kMostPiece = 1024;
// More channels, as many as fill vectors, are better side by side.
constexpr int64_t kFew = 8;
constexpr int64_t kMostLines = 8; // of results: few of the image's are gathered twice then

Chain chainOf(const module::GraphView& body) { return readWindowChain(body, "a convolution along lines"); }

class LineConvolution {
public:
    LineConvolution(Chain chain, Window window, const Dims& x, const Dims& weights, int64_t groups, int threads)
        : mChain(std::move(chain)), mWindow(std::move(window)), mTile(lineTile()), mBatches(x[0]), mGroups(groups),
          mChannels(weights[1]), mOutputs(weights[0] / groups), mThreads(threads) {
        for (Dims* dims : {&mWindow.input, &mWindow.output, &mWindow.kernel, &mWindow.strides, &mWindow.dilations}) {
            dims->insert(dims->begin(), 2 - dims->size(), 1);
        }
        mWindow.padBegin.insert(mWindow.padBegin.begin(), 2 - mWindow.padBegin.size(), 0);
        choosePieces();
        for (int64_t tap = 0; tap < mWindow.kernel[1]; ++tap) {
            const int64_t at = tap * mWindow.dilations[1];
            mTaps.push_back(at % stride() * phaseStep() + at / stride());
        }
    }

    // What no cut of these extents takes, nor one of smaller ones.
    int64_t workspace() const {
        const int64_t lines = linesOf(std::clamp<int64_t>(mWindow.output[0], 1, kMostLines));
        const int64_t most =
            lines * phases() * phaseStep(roundUp(std::clamp<int64_t>(mWindow.output[1], 1, kMostPiece), mTile.lanes));
        return mThreads * std::min(mChannels * most, std::max(most, kGatheredFloats)) *
               static_cast<int64_t>(sizeof(float));
    }

    void run(const Buffers& b) const {
        const int64_t items = mBatches * mGroups * bands() * pieces();
        const int64_t work = mBand * mPiece * mOutputs * mChannels * mWindow.taps() / 16;
        parallelTeam(teamFor(mThreads, items, work + 1), items, [&](int64_t member, int64_t begin, int64_t end) {
            float* const own = static_cast<float*>(b.workspace) + member * ownFloats();
            for (int64_t item = begin; item < end; ++item) {
                const int64_t image = item / pieces() / bands(); // with its group
                const int64_t line = item / pieces() % bands() * mBand;
                const int64_t pixel = item % pieces() * mPiece;
                runBand(b, own, image, line, std::min(mBand, mWindow.output[0] - line), pixel,
                        std::min(mPiece, mWindow.output[1] - pixel));
            }
        });
    }

private:
    int64_t stride() const { return mWindow.strides[1]; }
    int64_t bands() const { return (mWindow.output[0] + mBand - 1) / mBand; }
    int64_t pieces() const { return (mWindow.output[1] + mPiece - 1) / mPiece; }
    // Lines of the image that so many lines of results meet.
    int64_t linesOf(int64_t band) const {
        return (band - 1) * mWindow.strides[0] + (mWindow.kernel[0] - 1) * mWindow.dilations[0] + 1;
    }
    // What a line is gathered to: for each pixel of a stride every stride-th pixel, side by side.
    int64_t phaseStep(int64_t piece) const {
        return piece + (mWindow.kernel[1] - 1) * mWindow.dilations[1] / stride() + mTile.lanes;
    }
    int64_t phaseStep() const { return phaseStep(mPiece); }
    int64_t phases() const { return std::min(stride(), (mWindow.kernel[1] - 1) * mWindow.dilations[1] + 1); }
    int64_t lineStep() const { return phases() * phaseStep(); }
    int64_t ownFloats() const { return mPart * linesOf(mBand) * lineStep(); }

    // Pieces of lines, bands of lines and parts of the channels, each as even as it can be.
    void choosePieces() {
        const auto evenly = [](int64_t all, int64_t most) { // that fits `most` at a time
            const int64_t parts = (all + most - 1) / std::max<int64_t>(most, 1);
            return parts == 0 ? 1 : (all + parts - 1) / parts;
        };
        // Every thread has several bands, or at least pieces, where these are worth it.
        const int64_t all = mBatches * mGroups * mWindow.output[0];
        const int64_t each = mWindow.output[1] * all / (2 * int64_t{mThreads});
        mPiece = roundUp(evenly(mWindow.output[1], std::clamp(each, kLeastPiece, kMostPiece)), mTile.lanes);
        const int64_t lines = all * pieces() / (4 * int64_t{mThreads});
        mBand = evenly(mWindow.output[0], std::clamp<int64_t>(lines, 1, kMostLines));
        mPart = evenly(mChannels, std::max<int64_t>(1, kGatheredFloats / (linesOf(mBand) * lineStep())));
    }

    void runBand(const Buffers& b, float* own, int64_t image, int64_t line, int64_t lines, int64_t pixel,
                 int64_t pixels) const {
        const int64_t first = image % mGroups * mOutputs; // output channel
        const int64_t plane = mWindow.output[0] * mWindow.output[1];
        const int64_t at = image * mOutputs * plane + line * mWindow.output[1] + pixel;
        const float* const bias = biasOf(mChain, b);
        LineSums sums{.channelStep = linesOf(lines) * lineStep(),
                      .rows = mWindow.kernel[0],
                      .rowStep = mWindow.dilations[0] * lineStep(),
                      .taps = mTaps.data(),
                      .tapCount = mWindow.kernel[1],
                      .weightStep = mChannels * mWindow.taps(),
                      .start = bias != nullptr ? bias + first : nullptr,
                      .toStep = plane,
                      .pixels = pixels,
                      .outputs = mOutputs};
        for (int64_t channel = 0; channel < mChannels; channel += mPart) {
            sums.channels = std::min(mPart, mChannels - channel);
            sums.weights = b.in<float>(kWeights) + first * sums.weightStep + channel * mWindow.taps();
            sums.continues = channel > 0;
            gather(b.in<float>(kX), image * mChannels + channel, sums.channels, own, line, lines, pixel);
            for (int64_t i = 0; i < lines; ++i) {
                sums.from = own + i * mWindow.strides[0] * lineStep();
                sums.to = b.out<float>() + at + i * mWindow.output[1];
                mTile.run(sums);
            }
        }
        for (int64_t output = 0; output < mOutputs && !mChain.followers.empty(); ++output) {
            for (int64_t i = 0; i < lines; ++i) {
                const int64_t behind = at + output * plane + i * mWindow.output[1];
                applyFollowers(mChain, b, nullptr, 0, b.out<float>() + behind, pixels, behind, 0);
            }
        }
    }

    // The lines of each channel that a band meets, with zeros for what is outside.
    void gather(const float* x, int64_t plane, int64_t channels, float* to, int64_t line, int64_t lines,
                int64_t pixel) const {
        const int64_t width = mWindow.input[1];
        const int64_t begin = pixel * stride() - mWindow.padBegin[1];
        for (const int64_t end = plane + channels; plane < end; ++plane) {
            for (int64_t k = 0; k < linesOf(lines); ++k) {
                const int64_t row = line * mWindow.strides[0] - mWindow.padBegin[0] + k;
                const bool isInside = row >= 0 && row < mWindow.input[0];
                const float* const from = x + (plane * mWindow.input[0] + row) * width;
                for (int64_t phase = 0; phase < phases(); ++phase, to += phaseStep()) {
                    // Columns begin + phase + i * stride for i in [first, last) are inside.
                    const int64_t at = begin + phase;
                    const int64_t first = at >= 0 ? 0 : std::min(phaseStep(), (-at + stride() - 1) / stride());
                    const int64_t last =
                        std::clamp((width - at + stride() - 1) / stride(), first, std::max(first, phaseStep()));
                    if (!isInside || last <= first) {
                        std::fill(to, to + phaseStep(), 0.0F);
                        continue;
                    }
                    std::fill(to, to + first, 0.0F);
                    if (stride() == 1) {
                        std::copy(from + at + first, from + at + last, to + first);
                    } else {
                        for (int64_t i = first; i < last; ++i) {
                            to[i] = from[at + i * stride()];
                        }
                    }
                    std::fill(to + last, to + phaseStep(), 0.0F);
                }
            }
        }
    }

    Chain mChain;
    Window mWindow; // of two dimensions; the first may be of one
    const LineTile& mTile;
    int64_t mBatches;
    int64_t mGroups;
    int64_t mChannels; // of a group
    int64_t mOutputs;  // of a group
    int mThreads;
    int64_t mBand = 1;  // lines of results at once
    int64_t mPiece = 1; // pixels of each
    int64_t mPart = 1;  // channels at once
    std::vector<int64_t> mTaps;
};

} // namespace

bool beginsWithLineConvolution(const module::GraphView& body) {
    if (body.nodeCount() == 0 || body.outputs().size() != 1 || body.node(0).op() != "conv" ||
        !body.node(0).hasInput(1)) {
        return false;
    }
    const module::ValueView weights = body.node(0).input(1);
    if (!weights.isStatic() || weights.rank() < 3 || weights.rank() > 4 || weights.optElements() == 0) {
        return false;
    }
    const int64_t groups = body.node(0).intOr("group", 1);
    if (groups < 1 || weights.dim(0).opt % groups != 0) {
        return false;
    }
    const int64_t channels = weights.dim(1).opt;
    const int64_t outputs = weights.dim(0).opt / groups;
    const bool isProduct = weights.optElements() == weights.dim(0).opt * channels; // windows of one
    const bool isDepthwise = groups > 1 && channels == 1;
    const auto areFew = [](int64_t count) { return count <= kFew || count % kFew != 0; };
    return !isProduct && !isDepthwise && (areFew(channels) || areFew(outputs));
}

void checkLineConvolution(const Task& task) {
    chainOf(task.body);
    std::vector<TnFormat> layouts;
    for (const int32_t value : task.body.inputs()) {
        layouts.push_back(module::linearFormat(task.body.value(value).rank()));
    }
    checkLayouts(task, layouts, "a convolution along lines");
}

TaskPlan planLineConvolution(const Task& task, const PortShapes& shapes) {
    Chain chain = chainOf(task.body);
    const Shape& x = shapes.inputs[static_cast<size_t>(chain.ports[kX])];
    const Shape& weights = shapes.inputs[static_cast<size_t>(chain.ports[kWeights])];
    const Call call(task.body.node(0), shapes.scalars, {x, weights}, {shapes.outputs[0]}, shapes.threads);
    TaskPlan result;
    result.inputPorts = chain.ports;
    result.outputPorts = {0};
    const LineConvolution kernel(std::move(chain), windowOf(call, Dims(weights.dims.begin() + 2, weights.dims.end())),
                                 x.dims, weights.dims, task.body.node(0).intOr("group", 1), shapes.threads);
    result.plan = kernels::planOf(kernel, kernel.workspace(), shapes.outputs[0].elements);
    return result;
}

} // namespace tenon::cpu
