#include "backends/cpu/brain_spread.h"

#include "backends/common/parallel.h"
#include "backends/common/ports.h"
#include "backends/cpu/deconvolution.h"
#include "backends/cpu/region_layouts.h"
#include "backends/cpu/simd/window_tile.h"

#include <algorithm>
#include <cstring>
#include <limits>

namespace tenon::cpu {

namespace {

// Operands of the kernel.
constexpr size_t kX = 0;
constexpr size_t kWeights = 1;
constexpr size_t kBias = 2;

constexpr int64_t kColumns = WindowProduct::kColumns;
constexpr int64_t kRows = WindowProduct::kRows;
constexpr int64_t kBytes = 2; // of an element
constexpr int64_t kLine = 64;

int64_t aligned(int64_t bytes) { return (bytes + kLine - 1) / kLine * kLine; }

class BrainSpread {
public:
    BrainSpread(const Dims& x, const Dims& weights, bool hasBias, int threads)
        : mTile(*windowTile()), mBatches(x[0]), mDepth(x[1]), mHeight(x[2]), mWidth(x[3]), mOutputs(weights[1]),
          mDown(weights[2]), mAcross(weights[3]), mHasBias(hasBias), mStep(WindowTile::step(mDepth)),
          mPanels((mOutputs + kColumns - 1) / kColumns), mThreads(threads) {
        for (int64_t pixel = 0; pixel < mWidth; ++pixel) {
            mWhere.push_back(static_cast<int32_t>(pixel * mAcross));
        }
        const int64_t lines = mBatches * mHeight;
        const int64_t products = mDown * mAcross * mPanels;
        const int64_t team = teamFor(threads, lines * products, mWidth * mDepth * kColumns / mTile.products + 1);
        // What is larger is gone through once by each thread, in parts.
        const bool sharesWeights = products * mDepth * kColumns > lines * mWidth * mDepth && products >= team;
        mLineParts = sharesWeights ? 1 : std::min(team, lines);
        mProductParts = sharesWeights ? team : 1;
    }

    // The bias filled up to whole panels, then for each thread scratch and the last pixels of a line.
    int64_t workspace() const { return biasBytes() + mThreads * perThread() + kLine; }

    void run(const Buffers& b) const {
        auto* const base = reinterpret_cast<char*>(aligned(reinterpret_cast<intptr_t>(b.workspace)));
        auto* const start = reinterpret_cast<float*>(base);
        std::fill(start, start + mPanels * kColumns, 0.0F);
        if (mHasBias) {
            std::copy(b.in<float>(kBias), b.in<float>(kBias) + mOutputs, start);
        }
        const int64_t lines = mBatches * mHeight;
        const int64_t products = mDown * mAcross * mPanels;
        const int64_t parts = mLineParts * mProductParts;
        parallelTeam(parts, parts, [&](int64_t, int64_t begin, int64_t end) {
            mTile.begin(mStep);
            for (int64_t part = begin; part < end; ++part) {
                const int64_t line = part / mProductParts;
                const int64_t product = part % mProductParts;
                auto* const scratch = reinterpret_cast<float*>(base + biasBytes() + part * perThread());
                for (int64_t row = lines * line / mLineParts; row < lines * (line + 1) / mLineParts; ++row) {
                    runLine(b, start, scratch, row, products * product / mProductParts,
                            products * (product + 1) / mProductParts);
                }
            }
            mTile.end();
        });
    }

private:
    int64_t biasBytes() const { return aligned(mPanels * kColumns * 4); }
    int64_t perThread() const { return WindowTile::kScratch + aligned(kRows * mDepth * kBytes); }

    // One line of the image by products [first, last).
    void runLine(const Buffers& b, const float* start, float* scratch, int64_t row, int64_t first, int64_t last) const {
        static constexpr int64_t kTap = 0;
        const uint16_t* const from = b.in<uint16_t>(kX) + row * mWidth * mDepth;
        // Pixels behind the last ones of an image are read too: those come from a copy.
        auto* const tail = reinterpret_cast<uint16_t*>(scratch + WindowTile::kScratch / sizeof(float));
        const int64_t whole = mWidth / kRows * kRows;
        std::memcpy(tail, from + whole * mDepth, static_cast<size_t>((mWidth - whole) * mDepth * kBytes));
        WindowProduct product;
        product.aPixel = mDepth;
        product.taps = &kTap;
        product.tapCount = 1;
        product.depth = mDepth;
        product.cPixel = mOutputs;
        product.low = -std::numeric_limits<float>::infinity();
        product.high = std::numeric_limits<float>::infinity();
        for (int64_t i = first; i < last; ++i) {
            const int64_t panel = i % mPanels;
            const int64_t y = i / mPanels / mAcross;
            const int64_t x = i / mPanels % mAcross;
            product.b = b.in<uint16_t>(kWeights) + i * mDepth * kColumns;
            product.columns = std::min(kColumns, mOutputs - panel * kColumns);
            product.start = start + panel * kColumns;
            product.c = b.out<uint16_t>() + ((row * mDown + y) * mWidth * mAcross + x) * mOutputs + panel * kColumns;
            product.a = from;
            product.where = mWhere.data();
            product.positions = whole;
            mTile.run(product, mStep, scratch);
            product.a = tail;
            product.where = mWhere.data() + whole;
            product.positions = mWidth - whole;
            mTile.run(product, mStep, scratch);
        }
    }

    const WindowTile& mTile;
    int64_t mBatches;
    int64_t mDepth;
    int64_t mHeight;
    int64_t mWidth;
    int64_t mOutputs;
    int64_t mDown; // extents of a window
    int64_t mAcross;
    bool mHasBias;
    int64_t mStep;
    int64_t mPanels; // of one pixel of a window
    int64_t mThreads;
    std::vector<int32_t> mWhere;
    int64_t mLineParts = 1;
    int64_t mProductParts = 1;
};

} // namespace

bool isSpread(const module::GraphView& body) {
    if (!beginsWithDeconvolution(body) || body.nodeCount() != 1 || body.node(0).input(1).rank() != 4) {
        return false;
    }
    const module::NodeView node = body.node(0);
    const module::ValueView weights = node.input(1);
    const auto areAll = [&](std::string_view name, size_t count, int64_t wanted) {
        const std::vector<int64_t> values = node.intsOr(name, count, wanted);
        return std::all_of(values.begin(), values.end(), [&](int64_t each) { return each == wanted; });
    };
    const std::string_view pads = node.stringOr("auto_pad", "explicit");
    const std::vector<int64_t> strides = node.intsOr("strides", 2, 1);
    return strides.size() == 2 && strides[0] == weights.dim(2).opt && strides[1] == weights.dim(3).opt &&
           areAll("dilations", 2, 1) && areAll("pads", 4, 0) && areAll("output_padding", 2, 0) &&
           node.intsOr("output_shape", 0, 0).empty() && (pads == "explicit" || pads == "valid");
}

std::vector<TnPortFormat> brainSpreadPorts(const module::GraphView& body) {
    const module::NodeView node = body.node(0);
    const int32_t x = kernels::portOf(body.inputs(), node.inputIndex(0));
    const int32_t w = kernels::portOf(body.inputs(), node.inputIndex(1));
    const module::ValueView weights = node.input(1);
    if (x < 0 || w < 0 || x == w || !node.input(0).isStatic(1) || node.input(0).dim(1).opt != weights.dim(0).opt) {
        refuse("a deconvolution whose image or weights are no inputs of the task");
    }
    if (WindowTile::step(weights.dim(0).opt) == 0) {
        refuse("a deconvolution of ", weights.dim(0).opt, " channels, which no even number from 16 to 32 divides");
    }
    std::vector<TnPortFormat> ports;
    for (const int32_t value : body.inputs()) {
        ports.push_back(module::linearPort(TN_F32, body.value(value).rank()));
    }
    const TnPortFormat image{TN_BF16, TN_PLACEMENT_HOST, module::channelsLastFormat(4)};
    TnFormat panels = module::permutedFormat({2, 3, 1, 0});
    panels.block_count = 2;
    panels.blocks[0] = {1, static_cast<int32_t>(kColumns)};
    panels.blocks[1] = {0, 2};
    panels.tail_zero = weights.dim(1).opt % kColumns == 0 ? 0 : 1;
    ports[static_cast<size_t>(x)] = image;
    ports[static_cast<size_t>(w)] = {TN_BF16, TN_PLACEMENT_HOST, panels};
    ports.push_back(image);
    return ports;
}

void checkBrainSpread(const Task& task) { checkPortsOf(task, brainSpreadPorts(task.body), "a deconvolution in bf16"); }

TaskPlan planBrainSpread(const Task& task, const PortShapes& shapes) {
    const module::NodeView node = task.body.node(0);
    TaskPlan result;
    for (int32_t i = 0; i < node.inputCount(); ++i) {
        result.inputPorts.push_back(node.hasInput(i) ? kernels::portOf(task.body.inputs(), node.inputIndex(i)) : -1);
    }
    result.outputPorts = {0};
    const BrainSpread kernel(shapes.inputs[static_cast<size_t>(result.inputPorts[kX])].dims,
                             shapes.inputs[static_cast<size_t>(result.inputPorts[kWeights])].dims, node.hasInput(2),
                             shapes.threads);
    result.plan = kernels::planOf(kernel, kernel.workspace(), shapes.outputs[0].elements);
    return result;
}

} // namespace tenon::cpu
