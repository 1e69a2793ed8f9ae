#include "backends/cpu/brain_convolution.h"

#include "backends/common/parallel.h"
#include "backends/common/ports.h"
#include "backends/common/window.h"
#include "backends/cpu/followers.h"
#include "backends/cpu/readers.h"
#include "backends/cpu/region_layouts.h"
#include "backends/cpu/simd/window_tile.h"

#include <algorithm>
#include <cstring>
#include <limits>
#include <span>

namespace tenon::cpu {

namespace {

constexpr int64_t kColumns = WindowProduct::kColumns;
constexpr int64_t kBytes = 2; // of an element
// What is gathered at a time: it shares the second-level cache with the weights of a few panels.
constexpr int64_t kBandBytes = 384 * 1024;

bool isConvolution(const module::NodeView& node) {
    if (node.op() != "conv" || !node.hasInput(1) || node.intOr("group", 1) != 1) {
        return false;
    }
    const module::ValueView weights = node.input(1);
    return weights.isConstant() && weights.isStatic() && weights.rank() == 4 && weights.optElements() > 0 &&
           node.input(0).rank() == 4 && node.input(0).isStatic(1) && node.input(0).dim(1).opt == weights.dim(1).opt;
}

bool joinsChannels(const module::NodeView& node) {
    if (node.op() != "concat" || node.output(0).rank() != 4) {
        return false;
    }
    const int64_t axis = node.intOr("axis", 0);
    bool isStatic = axis == 1 || axis == -3;
    for (int32_t i = 0; i < node.inputCount(); ++i) {
        isStatic = isStatic && node.input(i).isStatic(1) && node.input(i).dtype() == TN_F32;
    }
    return isStatic;
}

// What a body computes, by ports.
struct Reading {
    size_t head = 0; // the convolution; a concatenation may be in front of it
    size_t sources = 0;
    Chain chain;                     // operands: the sources, the weights, ...
    int32_t sum = -1;                // operand that is added to the result
    std::vector<Follower> functions; // before that
    Cut cut{-std::numeric_limits<float>::infinity(), std::numeric_limits<float>::infinity()};
    // Three or four planes of f32, which are interleaved: what is multiplied at a time is a line of the window.
    bool isPlanes = false;
    int64_t step = 0;

    size_t weights() const { return sources; }
};

// What a pixel of such planes has in a band, as the weights' panels have it.
constexpr int64_t kPlanes = 4;

bool isSum(const Follower& each) { return each.kind == Follower::Kind::kTensor && each.step.step == Step::kAdd; }

// A sum and an activation that cuts off, or functions and a sum.
void readFollowers(Reading& reading) {
    std::vector<Follower>& followers = reading.chain.followers;
    const bool sumsFirst = !followers.empty() && isSum(followers.front());
    if (sumsFirst || (!followers.empty() && isSum(followers.back()))) {
        const auto sum = sumsFirst ? followers.begin() : followers.end() - 1;
        reading.sum = sum->operand;
        followers.erase(sum);
    }
    if (followers.empty()) {
        return;
    }
    const std::optional<Cut> cut = cutOf(reading.chain);
    if (cut && (sumsFirst || reading.sum < 0)) {
        reading.cut = *cut;
        return;
    }
    const bool areFunctions = std::all_of(followers.begin(), followers.end(),
                                          [](const Follower& each) { return each.kind == Follower::Kind::kFunction; });
    if (sumsFirst || !areFunctions) {
        refuse("a convolution in bf16 followed by other than functions and one sum");
    }
    reading.functions = followers;
}

Reading readingOf(const module::GraphView& body) {
    Reading reading;
    reading.head = joinsChannels(body.node(0)) ? 1 : 0;
    const module::NodeView head = body.node(reading.head);
    const module::ValueView weights = head.input(1);
    std::vector<int32_t> ports;
    const module::NodeView first = body.node(0);
    for (int32_t i = 0; i < (reading.head == 1 ? first.inputCount() : 1); ++i) {
        ports.push_back(kernels::portOf(body.inputs(), first.inputIndex(i)));
    }
    reading.sources = ports.size();
    ports.push_back(kernels::portOf(body.inputs(), head.inputIndex(1)));
    int32_t bias = -1;
    if (head.hasInput(2)) {
        bias = static_cast<int32_t>(ports.size());
        ports.push_back(kernels::portOf(body.inputs(), head.inputIndex(2)));
    }
    if (std::find(ports.begin(), ports.end(), -1) != ports.end()) {
        refuse("a convolution whose operands are no inputs of the region");
    }
    const int64_t channels = weights.dim(1).opt;
    const int64_t gap = head.intsOr("dilations", 2, 1).back();
    reading.isPlanes = (channels == 3 || channels == 4) && reading.sources == 1 && gap == 1;
    const int64_t depth = reading.isPlanes ? weights.dim(3).opt * kPlanes : channels;
    reading.step = reading.isPlanes && depth <= 32 ? depth : WindowTile::step(depth);
    if (reading.step == 0) {
        refuse("a convolution of ", channels, " channels, which no even number from 16 to 32 divides");
    }
    reading.chain = readChain(body, std::move(ports), bias, 1, weights.dim(0).opt, reading.head);
    readFollowers(reading);
    if (reading.isPlanes && addsImage(reading.chain)) {
        refuse("planes to which their own image is added, in another layout");
    }
    return reading;
}

// One of the images that an image with stride is dealt out into: every stride-th line and pixel, from these on.
struct Phase {
    int64_t line = 0;
    int64_t pixel = 0;
};

class BrainConvolution {
public:
    BrainConvolution(Reading reading, Window window, std::vector<int64_t> channels, int64_t batches, int64_t outputs,
                     int threads)
        : mTile(*windowTile()), mReading(std::move(reading)), mWindow(std::move(window)),
          mChannels(std::move(channels)), mBatches(batches), mOutputs(outputs) {
        for (const int64_t each : mChannels) {
            mDepth += each;
        }
        mDepth = mReading.isPlanes ? mWindow.kernel[1] * kPlanes : mDepth;
        mIsInPlace = !mReading.isPlanes && mChannels.size() == 1 && mWindow.taps() == 1 &&
                     mWindow.input == mWindow.output && mWindow.padBegin == Dims{0, 0} && mWindow.strides == Dims{1, 1};
        if (mIsInPlace) { // images one behind the other are one
            mWindow.input[0] *= mBatches;
            mWindow.output[0] *= mBatches;
            mBatches = 1;
        }
        mPanels = (mOutputs + kColumns - 1) / kColumns;
        layOut();
        mPanel = static_cast<int64_t>(mTaps.size()) * mDepth * kColumns;
        share(threads);
    }

    // The bias filled up to whole panels, then for each thread scratch and a band. Bands get no smaller when extents rise.
    int64_t workspace() const { return biasBytes() + mThreads * (WindowTile::kScratch + bandBytes()) + kLine; }

    void run(const Buffers& b) const {
        auto* const base =
            reinterpret_cast<char*>((reinterpret_cast<uintptr_t>(b.workspace) + kLine - 1) / kLine * kLine);
        auto* const start = reinterpret_cast<float*>(base);
        std::fill(start, start + mPanels * kColumns, 0.0F);
        if (mReading.chain.bias >= 0) {
            const float* const bias = b.in<float>(static_cast<size_t>(mReading.chain.bias));
            std::copy(bias, bias + mOutputs, start);
        }
        const int64_t parts = mRowParts * mPanelParts;
        parallelTeam(parts, parts, [&](int64_t, int64_t begin, int64_t end) {
            for (int64_t part = begin; part < end; ++part) {
                const int64_t row = part / mPanelParts;
                const int64_t panel = part % mPanelParts;
                Part mine;
                mine.firstPanel = mPanels * panel / mPanelParts;
                mine.lastPanel = mPanels * (panel + 1) / mPanelParts;
                mine.scratch =
                    reinterpret_cast<float*>(base + biasBytes() + part * (WindowTile::kScratch + bandBytes()));
                mine.band = reinterpret_cast<uint16_t*>(mine.scratch + WindowTile::kScratch / sizeof(float));
                mTile.begin(mReading.step);
                runRows(b, start, mine, lines() * row / mRowParts, lines() * (row + 1) / mRowParts);
                mTile.end();
            }
        });
    }

private:
    static constexpr int64_t kLine = 64;

    struct Part {
        int64_t firstPanel = 0;
        int64_t lastPanel = 0;
        float* scratch = nullptr;
        uint16_t* band = nullptr;
    };

    int64_t lines() const { return mBatches * mWindow.output[0]; }
    int64_t biasBytes() const { return (mPanels * kColumns * 4 + kLine - 1) / kLine * kLine; }
    // Of all phases, one line of each.
    int64_t lineElements() const { return static_cast<int64_t>(mPhases.size()) * mAcross * mPixel; }
    int64_t bandBytes() const {
        if (mIsInPlace) {
            return (WindowProduct::kRows * mPixel * kBytes + kLine - 1) / kLine * kLine;
        }
        const int64_t all = (mWindow.output[0] + mReach) * lineElements() * kBytes;
        const int64_t slack = (mReach + 1) * lineElements() + WindowProduct::kRows * mPixel;
        return (std::min(kBandBytes, all) + slack * kBytes + kLine - 1) / kLine * kLine;
    }

    // Where pixels lie in a band, so that a tap is the same way from every position: lines with their padding, one behind the other.
    void layOut() {
        const bool isPlanes = mReading.isPlanes;
        // Neighbouring pixels 1024 bytes apart would meet in few sets of the first-level cache, which costs less than gathering does where nothing else has to be.
        mPixel = isPlanes ? mWindow.strides[1] * kPlanes : mDepth % 256 == 0 && !mIsInPlace ? mDepth + 32 : mDepth;
        std::vector<size_t> phaseOfTap;
        int64_t across = isPlanes ? (mWindow.kernel[1] - 1) / mWindow.strides[1] : 0;
        const int64_t columns = isPlanes ? 1 : mWindow.kernel[1]; // of taps
        for (int64_t y = 0; y < mWindow.kernel[0]; ++y) {
            for (int64_t x = 0; x < columns; ++x) {
                const int64_t line = y * mWindow.dilations[0];
                const int64_t pixel = x * mWindow.dilations[1];
                const Phase phase{line % mWindow.strides[0], pixel % mWindow.strides[1]};
                const auto known = std::find_if(mPhases.begin(), mPhases.end(), [&](const Phase& other) {
                    return other.line == phase.line && other.pixel == phase.pixel;
                });
                phaseOfTap.push_back(static_cast<size_t>(known - mPhases.begin()));
                if (known == mPhases.end()) {
                    mPhases.push_back(phase);
                }
                mReach = std::max(mReach, line / mWindow.strides[0]);
                across = std::max(across, pixel / mWindow.strides[1]);
            }
        }
        mAcross = mWindow.output[1] + across;
        const int64_t elements = mIsInPlace ? mAcross * (mDepth + mOutputs) : lineElements();
        mRows = std::clamp<int64_t>(kBandBytes / (elements * kBytes) - mReach, 1, mWindow.output[0]);
        for (int64_t y = 0; y < mWindow.kernel[0]; ++y) {
            for (int64_t x = 0; x < columns; ++x) {
                const auto phase = static_cast<int64_t>(phaseOfTap[mTaps.size()]);
                const int64_t line = phase * phaseLines() + y * mWindow.dilations[0] / mWindow.strides[0];
                mTaps.push_back((line * mAcross + x * mWindow.dilations[1] / mWindow.strides[1]) * mPixel);
            }
        }
        for (int64_t row = 0; row < mRows; ++row) {
            for (int64_t x = 0; x < mAcross; ++x) {
                const bool isResult = x < mWindow.output[1];
                mWhere.push_back(isResult ? static_cast<int32_t>(row * mWindow.output[1] + x) : -1);
            }
        }
    }

    int64_t phaseLines() const { return mRows + mReach; }

    // Lines among threads, panels among threads, or both: what takes least time. Each thread gathers its lines and reads its panels.
    void share(int threads) {
        const double products = static_cast<double>(mAcross * mPanel);
        const auto perOperation = static_cast<double>(mTile.products);
        const int64_t team = teamFor(threads, lines() * mPanels, static_cast<int64_t>(products / perOperation));
        double least = std::numeric_limits<double>::infinity();
        for (int64_t panelParts = 1; panelParts <= std::min(team, mPanels); ++panelParts) {
            const int64_t rowParts = std::min(team / panelParts, lines());
            const int64_t panels = (mPanels + panelParts - 1) / panelParts;
            const int64_t rows = (lines() + rowParts - 1) / rowParts;
            const double bytes = static_cast<double>(panels * mPanel + rows * lineElements()) * kBytes;
            const double us = static_cast<double>(panels * rows) * products / (perOperation * 4e3) + bytes / 1e4;
            if (us < least) {
                least = us;
                mPanelParts = panelParts;
                mRowParts = rowParts;
            }
        }
        mThreads = threads;
    }

    void runRows(const Buffers& b, const float* start, const Part& part, int64_t firstRow, int64_t lastRow) const {
        int64_t gathered = -1; // the line that would come next
        for (int64_t row = firstRow; row < lastRow;) {
            const int64_t image = row / mWindow.output[0];
            const int64_t line = row % mWindow.output[0];
            const int64_t rows = std::min({mRows, lastRow - row, mWindow.output[0] - line});
            if (mIsInPlace) {
                gatherRest(b, part.band, row, rows);
            } else {
                gather(b, part.band, image, line, rows, gathered == row && line > 0);
            }
            gathered = rows == mRows ? row + rows : -1;
            multiply(b, start, part, row, rows, std::min(row + rows + mRows, lastRow));
            row += rows;
        }
    }

    // The lines that results [line, line + rows) are made of; those that the band before had already are at its end.
    void gather(const Buffers& b, uint16_t* band, int64_t image, int64_t line, int64_t rows, bool continues) const {
        for (size_t p = 0; p < mPhases.size(); ++p) {
            uint16_t* const to = band + static_cast<int64_t>(p) * phaseLines() * mAcross * mPixel;
            if (continues) {
                std::memmove(to, to + mRows * mAcross * mPixel,
                             static_cast<size_t>(mReach * mAcross * mPixel * kBytes));
            }
            for (int64_t i = continues ? mReach : 0; i < rows + mReach; ++i) {
                const int64_t from = (line + i) * mWindow.strides[0] + mPhases[p].line - mWindow.padBegin[0];
                gatherLine(b, to + i * mAcross * mPixel, image, from, mPhases[p].pixel);
            }
        }
    }

    // Lines that are multiplied where they lie have a tile at their end that reads more positions than there are results. The positions of that tile, if it would
    // read behind the last line of all.
    int64_t restOf(int64_t row, int64_t rows) const {
        const int64_t part = rows * mAcross % WindowProduct::kRows;
        const int64_t end = (row + rows) * mAcross - part + WindowProduct::kRows;
        return mIsInPlace && part > 0 && end > lines() * mAcross ? part : 0;
    }

    void gatherRest(const Buffers& b, uint16_t* band, int64_t row, int64_t rows) const {
        const int64_t rest = restOf(row, rows);
        const int64_t first = (row + rows) * mAcross - rest;
        std::memcpy(band, b.in<uint16_t>(0) + first * mPixel, static_cast<size_t>(rest * mPixel * kBytes));
    }

    void gatherLine(const Buffers& b, uint16_t* to, int64_t image, int64_t line, int64_t pixel) const {
        if (mReading.isPlanes) {
            gatherPlanes(b, to, image, line);
            return;
        }
        const int64_t stride = mWindow.strides[1];
        const int64_t shift = pixel - mWindow.padBegin[1]; // of the image's pixel for position 0
        const int64_t width = mWindow.input[1];
        const bool isInside = line >= 0 && line < mWindow.input[0];
        const int64_t first = isInside ? std::min(shift >= 0 ? 0 : (-shift + stride - 1) / stride, mAcross) : mAcross;
        const int64_t last = isInside ? std::clamp((width - shift + stride - 1) / stride, first, mAcross) : mAcross;
        const auto clear = [&](int64_t begin, int64_t end) {
            std::memset(to + begin * mPixel, 0, static_cast<size_t>((end - begin) * mPixel * kBytes));
        };
        clear(0, first);
        clear(last, mAcross);
        if (first == last) {
            return;
        }
        int64_t channel = 0;
        for (size_t s = 0; s < mChannels.size(); ++s) {
            const int64_t bytes = mChannels[s] * kBytes;
            const int64_t at = (image * mWindow.input[0] + line) * width + first * stride + shift;
            mTile.copy(b.bytesIn(s) + at * bytes, stride * bytes,
                       reinterpret_cast<char*>(to + first * mPixel + channel), mPixel * kBytes, bytes, last - first);
            channel += mChannels[s];
        }
    }

    void gatherPlanes(const Buffers& b, uint16_t* to, int64_t image, int64_t line) const {
        const bool isInside = line >= 0 && line < mWindow.input[0];
        const int64_t pixels = mAcross * mWindow.strides[1];
        const int64_t first = isInside ? std::clamp<int64_t>(mWindow.padBegin[1], 0, pixels) : pixels;
        const int64_t last = isInside ? std::clamp(mWindow.input[1] + mWindow.padBegin[1], first, pixels) : pixels;
        std::fill(to, to + first * kPlanes, uint16_t{0});
        std::fill(to + last * kPlanes, to + pixels * kPlanes, uint16_t{0});
        if (first == last) {
            return;
        }
        const float* planes[kPlanes] = {};
        for (int64_t plane = 0; plane < mChannels[0]; ++plane) {
            const int64_t row = (image * mChannels[0] + plane) * mWindow.input[0] + line;
            planes[plane] = b.in<float>(0) + row * mWindow.input[1] + first - mWindow.padBegin[1];
        }
        mTile.interleave(planes, last - first, to + first * kPlanes);
    }

    // The functions that follow a sum, on sums.
    static void apply(const void* functions, float* sums, int64_t count) {
        for (const Follower& each : *static_cast<const std::vector<Follower>*>(functions)) {
            each.function(each.on(sums, count));
        }
    }

    // What of a source results [row, end) read that the results before them do not: lines that lie together.
    std::span<const char> linesOf(const Buffers& b, size_t source, int64_t row, int64_t end) const {
        const int64_t top = row % mWindow.output[0];
        if (row >= end || top == 0 || mReading.isPlanes) {
            return {};
        }
        const int64_t height = mWindow.input[0];
        const int64_t stride = mWindow.strides[0];
        const int64_t first = std::min((top + mReach) * stride - mWindow.padBegin[0], height);
        const int64_t last = std::clamp(first + (end - row) * stride, first, height);
        const int64_t bytes = mWindow.input[1] * mChannels[source] * kBytes; // of a line
        const char* const image = b.bytesIn(source) + row / mWindow.output[0] * height * bytes;
        return {image + std::max<int64_t>(first, 0) * bytes, image + std::max<int64_t>(last, 0) * bytes};
    }

    // Of the last panel's positions a part for each source: meanwhile the lines of the next band, up to results [row + rows, next), are fetched.
    void multiply(const Buffers& b, const float* start, const Part& part, int64_t row, int64_t rows,
                  int64_t next) const {
        const int64_t at = row * mWindow.output[1] * mOutputs;
        const int64_t rest = restOf(row, rows);
        const int64_t positions = (rows - 1) * mAcross + mWindow.output[1] - rest;
        const uint16_t* const from = mIsInPlace ? b.in<uint16_t>(0) + row * mAcross * mPixel : part.band;
        const auto* const weights = b.in<uint16_t>(mReading.weights());
        WindowProduct product;
        product.aPixel = mPixel;
        product.taps = mTaps.data();
        product.tapCount = static_cast<int64_t>(mTaps.size());
        product.depth = mDepth;
        product.cPixel = mOutputs;
        product.low = mReading.cut.low;
        product.high = mReading.cut.high;
        product.function = mReading.functions.empty() ? nullptr : apply;
        product.context = &mReading.functions;
        for (int64_t panel = part.firstPanel; panel < part.lastPanel; ++panel) {
            product.b = weights + panel * mPanel;
            product.c = b.out<uint16_t>() + at + panel * kColumns;
            product.columns = std::min(kColumns, mOutputs - panel * kColumns);
            product.start = start + panel * kColumns;
            if (mReading.sum >= 0) {
                product.sum = b.in<uint16_t>(static_cast<size_t>(mReading.sum)) + at + panel * kColumns;
            }
            const bool isLast = panel + 1 == part.lastPanel;
            const auto pieces = isLast ? static_cast<int64_t>(mReading.sources) : 1;
            const int64_t piece =
                (positions / pieces + WindowProduct::kRows - 1) / WindowProduct::kRows * WindowProduct::kRows;
            for (int64_t p = 0; p < pieces; ++p) {
                const int64_t first = std::min(p * piece, positions);
                const std::span<const char> fetched = isLast
                                                          ? linesOf(b, static_cast<size_t>(p), row + rows, next)
                                                          : std::span(reinterpret_cast<const char*>(product.b + mPanel),
                                                                      static_cast<size_t>(mPanel * kBytes));
                product.a = from + first * mPixel;
                product.where = mWhere.data() + first;
                product.positions = p + 1 == pieces ? positions - first : std::min(piece, positions - first);
                product.next = fetched.data();
                product.nextBytes = static_cast<int64_t>(fetched.size());
                mTile.run(product, mReading.step, part.scratch);
            }
            if (rest > 0) {
                product.a = part.band;
                product.where = mWhere.data() + positions;
                product.positions = rest;
                product.nextBytes = positions > 0 ? 0 : product.nextBytes; // which is still to be fetched
                mTile.run(product, mReading.step, part.scratch);
            }
        }
    }

    const WindowTile& mTile;
    Reading mReading;
    Window mWindow;
    std::vector<int64_t> mChannels; // of each source
    int64_t mBatches;
    int64_t mOutputs;
    int64_t mDepth = 0;
    int64_t mPanels = 0;
    int64_t mPanel = 0; // elements
    std::vector<Phase> mPhases;
    std::vector<int64_t> mTaps;
    std::vector<int32_t> mWhere;
    int64_t mPixel = 0;      // elements from one to the next in a band
    int64_t mAcross = 0;     // pixels of a line of a phase
    int64_t mReach = 0;      // lines of a phase that a window reads beside its first one
    int64_t mRows = 0;       // of results from a band, at most
    bool mIsInPlace = false; // windows of one pixel, over an image as it lies: nothing is gathered
    int64_t mThreads = 1;
    int64_t mRowParts = 1;
    int64_t mPanelParts = 1;
};

} // namespace

bool beginsWithBrainConvolution(const module::GraphView& body) {
    if (body.nodeCount() == 0) {
        return false;
    }
    if (isConvolution(body.node(0))) {
        return true;
    }
    return body.nodeCount() > 1 && joinsChannels(body.node(0)) && isConvolution(body.node(1)) &&
           body.node(1).inputIndex(0) == body.node(0).outputIndex(0);
}

std::vector<std::vector<int32_t>> concatenatedConvolutions(const module::GraphView& graph) {
    std::vector<std::vector<int32_t>> found;
    if (windowTile() == nullptr) {
        return found;
    }
    const Readers readers(graph);
    for (size_t n = 0; n < graph.nodeCount(); ++n) {
        const int32_t head = joinsChannels(graph.node(n)) ? readers.onlyReader(static_cast<int32_t>(n)) : -1;
        if (head < 0 || !isConvolution(graph.node(static_cast<size_t>(head))) ||
            graph.node(static_cast<size_t>(head)).inputIndex(0) != graph.node(n).outputIndex(0)) {
            continue;
        }
        std::vector<int32_t> nodes{static_cast<int32_t>(n), head};
        found.push_back(nodes);
        const int32_t next = readers.onlyReader(head);
        if (next >= 0 && isFunction(graph.node(static_cast<size_t>(next)))) {
            nodes.push_back(next);
            found.push_back(nodes);
        }
    }
    return found;
}

std::vector<TnPortFormat> brainConvolutionPorts(const module::GraphView& body) {
    const Reading reading = readingOf(body);
    std::vector<TnPortFormat> ports;
    for (const int32_t value : body.inputs()) {
        ports.push_back(module::linearPort(TN_F32, body.value(value).rank()));
    }
    const TnPortFormat image{TN_BF16, TN_PLACEMENT_HOST, module::channelsLastFormat(4)};
    for (size_t i = 0; i < reading.chain.ports.size(); ++i) {
        if ((i < reading.sources && !reading.isPlanes) || reading.chain.isTensor[i]) {
            ports[static_cast<size_t>(reading.chain.ports[i])] = image;
        }
    }
    TnFormat panels = module::permutedFormat({0, 2, 3, 1});
    panels.block_count = 2;
    panels.blocks[0] = {0, static_cast<int32_t>(kColumns)};
    panels.blocks[1] = {1, 2};
    const module::ValueView weights = body.node(reading.head).input(1);
    panels.tail_zero = weights.dim(0).opt % kColumns == 0 && weights.dim(1).opt % 2 == 0 ? 0 : 1;
    ports[static_cast<size_t>(reading.chain.ports[reading.weights()])] = {TN_BF16, TN_PLACEMENT_HOST, panels};
    ports.push_back(image);
    return ports;
}

int32_t brainConvolutionSum(const module::GraphView& body) {
    const Reading reading = readingOf(body);
    const std::vector<int32_t>& ports = reading.chain.ports;
    const int32_t port = reading.sum < 0 ? -1 : ports[static_cast<size_t>(reading.sum)];
    // Where weights are larger than images, threads share panels out and have all read all of an image: writing over what another core has read is
    // slower than anything else.
    if (port >= 0 && body.node(reading.head).input(1).optElements() > body.value(body.outputs()[0]).optElements()) {
        return -1;
    }
    // An image that is convolved as well is read after results have been written.
    const auto sources = ports.begin() + static_cast<int64_t>(reading.sources);
    return std::find(ports.begin(), sources, port) == sources ? port : -1;
}

void checkBrainConvolution(const Task& task) {
    checkPortsOf(task, brainConvolutionPorts(task.body), "a convolution in bf16");
}

TaskPlan planBrainConvolution(const Task& task, const PortShapes& shapes) {
    Reading reading = readingOf(task.body);
    std::vector<int64_t> channels;
    for (size_t s = 0; s < reading.sources; ++s) {
        channels.push_back(shapes.inputs[static_cast<size_t>(reading.chain.ports[s])].dims[1]);
    }
    Shape x = shapes.inputs[static_cast<size_t>(reading.chain.ports[0])];
    const Shape& weights = shapes.inputs[static_cast<size_t>(reading.chain.ports[reading.weights()])];
    x.dims[1] = weights.dims[1];
    const Call call(task.body.node(reading.head), shapes.scalars, {x, weights}, {shapes.outputs[0]}, shapes.threads);
    TaskPlan result;
    result.inputPorts = reading.chain.ports;
    result.outputPorts = {0};
    if (shapes.outputs[0].elements == 0) {
        result.plan.run = [](const Buffers&) { return module::Code::kOk; };
        return result;
    }
    const BrainConvolution kernel(std::move(reading), windowOf(call, {weights.dims[2], weights.dims[3]}),
                                  std::move(channels), x.dims[0], weights.dims[0], shapes.threads);
    result.plan = kernels::planOf(kernel, kernel.workspace(), shapes.outputs[0].elements);
    return result;
}

} // namespace tenon::cpu
