#include "backends/cpu/byte_convolution.h"

#include "backends/common/parallel.h"
#include "backends/common/round_up.h"
#include "backends/common/window.h"
#include "backends/cpu/byte_chain.h"
#include "backends/cpu/region_layouts.h"
#include "backends/cpu/simd/word_tile.h"

#include <algorithm>

namespace tenon::cpu {

namespace {

constexpr int64_t kColumns = WordProduct::kColumns;
constexpr int64_t kStep = WordProduct::kStep;
constexpr int64_t kWordBytes = 2;

bool isProduct(const module::NodeView& head) { return head.op() == "matmul"; }

// The weights' dimension of the image's channels, or of the depth of a product.
int32_t depthAt(const module::NodeView& head) { return isProduct(head) && head.intOr("trans_b", 0) == 0 ? 0 : 1; }

// Words of a window's row: each pixel's channels are filled up to whole steps.
int64_t depthOf(const module::NodeView& head) {
    const module::ValueView weights = head.input(1);
    const int64_t taps = isProduct(head) ? 1 : weights.dim(2).opt * weights.dim(3).opt;
    return taps * roundUp(weights.dim(depthAt(head)).opt, kStep);
}

std::optional<ByteChain> readRegion(const module::GraphView& body) {
    std::optional<ByteChain> chain = readByteChain(body);
    if (!chain || !chain->weightZeros.empty() || body.node(chain->head).intOr("group", 1) != 1) {
        return std::nullopt;
    }
    const module::NodeView head = body.node(chain->head);
    const module::ValueView x = head.input(0);
    const int32_t channels = isProduct(head) ? x.rank() - 1 : 1;
    const bool fits = head.input(1).optElements() > 0 && depthOf(head) <= WordProduct::kMostDepth &&
                      x.isStatic(channels) && x.dim(channels).opt == head.input(1).dim(depthAt(head)).opt;
    return fits ? chain : std::nullopt;
}

// Rows of a product are the pixels of one image.
Window windowOfRows(int64_t rows) { return {{1, rows}, {1, rows}, {1, 1}, {1, 1}, {1, 1}, {0, 0}, {0, 0}}; }

class Kernel {
public:
    Kernel(ByteChain chain, Window window, int64_t batches, int64_t channels, int threads)
        : mChain(std::move(chain)), mWindow(std::move(window)), mChannels(channels), mTile(wordTile()) {
        mPixel = roundUp(channels, kStep);
        mDepth = mWindow.taps() * mPixel;
        mPixels = mWindow.output[0] * mWindow.output[1];
        mRows = batches * mPixels;
        mPanels = (mChain.channels + kColumns - 1) / kColumns;
        mChain.factors.resize(static_cast<size_t>(mPanels * kColumns));
        mTeam = teamFor(threads, std::max<int64_t>(1, mRows * mPanels), mDepth / 4 + 4);
        // A thread has its own rows, as those who wrote them had; where there are not enough, also its own columns, and gathers rows that others gather too.
        mRowParts = std::clamp<int64_t>(mRows / WordRows::kFewest, 1, mTeam);
        mPanelParts = std::min(mTeam / mRowParts, mPanels);
        mBlock = WordRows::atOnce(mDepth);
    }

    // No less where there are more rows.
    int64_t workspace() const { return mTeam * wordsOfMember() * kWordBytes; }

    void run(const Buffers& b) const {
        const int64_t parts = mRowParts * mPanelParts;
        parallelTeam(parts, parts, [&](int64_t member, int64_t begin, int64_t end) {
            int16_t* const words = static_cast<int16_t*>(b.workspace) + member * wordsOfMember();
            for (int64_t part = begin; part < end; ++part) {
                const int64_t rowPart = part / mPanelParts;
                const int64_t panelPart = part % mPanelParts;
                const int64_t lastRow = mRows * (rowPart + 1) / mRowParts;
                for (int64_t row = mRows * rowPart / mRowParts; row < lastRow; row += mBlock) {
                    const int64_t rows = std::min(mBlock, lastRow - row);
                    gather(b, row, rows, words);
                    for (int64_t panel = mPanels * panelPart / mPanelParts;
                         panel < mPanels * (panelPart + 1) / mPanelParts; ++panel) {
                        multiply(b, words, panel, row, rows);
                    }
                }
            }
        });
    }

private:
    int64_t wordsOfMember() const { return std::min(mBlock, mRows) * mDepth; }

    // Whether rows are what lies in the image, one pixel behind the other.
    bool isWhole() const {
        return mWindow.taps() == 1 && mWindow.output == mWindow.input && mWindow.padBegin == Dims{0, 0} &&
               mWindow.strides == Dims{1, 1};
    }

    void widen(const Buffers& b, int64_t pixel, int64_t count, int16_t* to) const {
        mTile.widen(b.in<uint8_t>(static_cast<size_t>(mChain.x)) + pixel * mChannels, count, mChannels, mPixel,
                    mChain.from.isSigned, static_cast<int16_t>(mChain.from.zero), to);
    }

    // The windows of results [row, row + rows), each one's taps behind one another. What is outside of the image is zero, which is the zero point less itself.
    void gather(const Buffers& b, int64_t row, int64_t rows, int16_t* to) const {
        if (isWhole()) {
            widen(b, row, rows, to);
            return;
        }
        for (int64_t i = 0; i < rows; ++i) {
            const int64_t image = (row + i) / mPixels;
            const int64_t at = (row + i) % mPixels;
            const int64_t top = at / mWindow.output[1] * mWindow.strides[0] - mWindow.padBegin[0];
            const int64_t left = at % mWindow.output[1] * mWindow.strides[1] - mWindow.padBegin[1];
            for (int64_t y = 0; y < mWindow.kernel[0]; ++y) {
                int16_t* const line = to + i * mDepth + y * mWindow.kernel[1] * mPixel;
                const int64_t inputLine = top + y * mWindow.dilations[0];
                if (inputLine < 0 || inputLine >= mWindow.input[0]) {
                    std::fill(line, line + mWindow.kernel[1] * mPixel, int16_t{0});
                } else {
                    gatherLine(b, (image * mWindow.input[0] + inputLine) * mWindow.input[1], left, line);
                }
            }
        }
    }

    void gatherLine(const Buffers& b, int64_t line, int64_t left, int16_t* to) const {
        const int64_t apart = mWindow.dilations[1];
        const int64_t columns = mWindow.kernel[1];
        const int64_t first = left >= 0 ? 0 : std::min((-left + apart - 1) / apart, columns);
        const int64_t last = std::clamp((mWindow.input[1] - left + apart - 1) / apart, first, columns);
        std::fill(to, to + first * mPixel, int16_t{0});
        std::fill(to + last * mPixel, to + columns * mPixel, int16_t{0});
        if (apart == 1) {
            widen(b, line + left + first, last - first, to + first * mPixel);
            return;
        }
        for (int64_t x = first; x < last; ++x) {
            widen(b, line + left + x * apart, 1, to + x * mPixel);
        }
    }

    void multiply(const Buffers& b, const int16_t* words, int64_t panel, int64_t row, int64_t rows) const {
        const int64_t column = panel * kColumns;
        WordProduct product;
        float shift[kColumns];
        mChain.finish(b, row, column, kColumns, &shift[0], product);
        product.a = words;
        product.aRow = mDepth;
        product.b = b.in<int8_t>(static_cast<size_t>(mChain.weights)) + column * mDepth;
        product.steps = mDepth / kStep;
        mTile.run(rows, product);
    }

    ByteChain mChain;
    Window mWindow;
    int64_t mChannels;
    const WordTile& mTile;
    int64_t mPixel = 0;  // words of one
    int64_t mDepth = 0;  // words of a row
    int64_t mPixels = 0; // of an image's results
    int64_t mRows = 0;
    int64_t mPanels = 0;
    int64_t mTeam = 1;
    int64_t mRowParts = 1;
    int64_t mPanelParts = 1;
    int64_t mBlock = 1; // rows that are gathered at a time
};

} // namespace

bool isByteConvolution(const module::GraphView& body) { return readRegion(body).has_value(); }

const char* byteConvolutionName(const module::GraphView& body) {
    return isProduct(body.node(readRegion(body)->head)) ? "product of bytes" : "convolution of bytes";
}

std::vector<TnFormat> byteConvolutionLayouts(const module::GraphView& body) {
    const ByteChain chain = *readRegion(body);
    std::vector<TnFormat> layouts;
    for (const int32_t value : body.inputs()) {
        layouts.push_back(module::linearFormat(body.value(value).rank()));
    }
    const module::NodeView head = body.node(chain.head);
    const module::ValueView weights = head.input(1);
    const int32_t depth = depthAt(head);
    const TnFormat image = isProduct(head) ? module::linearFormat(head.input(0).rank()) : module::channelsLastFormat(4);
    TnFormat panels =
        isProduct(head) ? module::permutedFormat({1 - depth, depth}) : module::permutedFormat({0, 2, 3, 1});
    panels.block_count = 2;
    panels.blocks[0] = {1 - depth, static_cast<int32_t>(kColumns)};
    panels.blocks[1] = {depth, static_cast<int32_t>(kStep)};
    panels.tail_zero = weights.dim(1 - depth).opt % kColumns == 0 && weights.dim(depth).opt % kStep == 0 ? 0 : 1;
    layouts[static_cast<size_t>(chain.x)] = image;
    layouts[static_cast<size_t>(chain.weights)] = panels;
    layouts.push_back(image);
    return layouts;
}

void checkByteConvolution(const Task& task) {
    if (!isByteConvolution(task.body)) {
        refuse("no convolution of bytes in one group, and no product of bytes, that is quantized and whose weights "
               "have no zero point");
    }
    checkFormats(task, byteConvolutionLayouts(task.body), byteConvolutionName(task.body));
}

TaskPlan planByteConvolution(const Task& task, const PortShapes& shapes) {
    ByteChain chain = *readRegion(task.body);
    const Shape& x = shapes.inputs[static_cast<size_t>(chain.x)];
    const Shape& weights = shapes.inputs[static_cast<size_t>(chain.weights)];
    const module::NodeView head = task.body.node(chain.head);
    const module::ValueView numbers = head.input(1);
    const int64_t channels = numbers.dim(depthAt(head)).opt;
    bool fits = static_cast<int32_t>(weights.dims.size()) == numbers.rank() &&
                x.dims.size() == (isProduct(head) ? static_cast<size_t>(head.input(0).rank()) : 4) &&
                x.dims[isProduct(head) ? x.dims.size() - 1 : 1] == channels;
    for (int32_t d = 0; fits && d < numbers.rank(); ++d) {
        fits = weights.dims[static_cast<size_t>(d)] == numbers.dim(d).opt;
    }
    if (!fits) {
        refuse("a convolution of bytes of other extents than the numbers that they stand for");
    }
    int64_t batches = 1;
    Window window;
    if (isProduct(head)) {
        window = windowOfRows(x.elements / channels);
    } else {
        const Call call(head, shapes.scalars, {x, weights}, {shapes.outputs[0]}, shapes.threads);
        window = windowOf(call, {weights.dims[2], weights.dims[3]});
        batches = x.dims[0];
    }
    const Kernel kernel(std::move(chain), std::move(window), batches, channels, shapes.threads);
    TaskPlan result;
    for (size_t i = 0; i < shapes.inputs.size(); ++i) {
        result.inputPorts.push_back(static_cast<int32_t>(i));
    }
    result.outputPorts = {0};
    result.plan = planOf(kernel, kernel.workspace(), shapes.outputs[0].elements);
    return result;
}

} // namespace tenon::cpu
