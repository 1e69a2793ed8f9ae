#include "backends/cpu/spread.h"

#include "backends/common/parallel.h"
#include "backends/common/ports.h"
#include "backends/cpu/image_layout.h"
#include "backends/cpu/simd/packed_tile.h"
#include "backends/cpu/simd/winograd_tile.h"

#include <algorithm>

namespace tenon::cpu {

namespace {

// Operands of the kernel.
constexpr size_t kX = 0;
constexpr size_t kWeights = 1;
constexpr size_t kBias = 2;

bool fits(int64_t block) { return block == packedTiles().lanes || block == imageTile().columns; }

class Spread {
public:
    Spread(const Dims& x, const Dims& weights, int64_t blockFrom, int64_t blockTo, bool hasBias, int threads)
        : mTile(imageTile()), mBatches(x[0]), mDown(weights[2]), mAcross(weights[3]), mHasBias(hasBias) {
        mX = {blockFrom, x[1], x[2], x[3]};
        mY = {blockTo, weights[1], x[2] * mDown, x[3] * mAcross};
        mPanels = (mY.channels + mTile.columns - 1) / mTile.columns;
        mThreads = threads;
        const int64_t work = mX.width * mX.channels * mTile.columns / 8;
        mTeam = teamFor(threads, lines() * patches() * mPanels, work + 1);
        // What is larger is gone through once by each thread, in parts.
        mSharesWeights = mX.channels * mPanels * mTile.columns * patches() > mBatches * mX.image();
    }

    // The bias filled up to whole panels, then for each thread a line of results of a panel that is not whole.
    int64_t workspace() const {
        return (mPanels + mThreads * mTile.rows) * mTile.columns * static_cast<int64_t>(sizeof(float));
    }

    void run(const Buffers& b) const {
        auto* const start = static_cast<float*>(b.workspace);
        std::fill(start, start + mPanels * mTile.columns, 0.0F);
        if (mHasBias) {
            std::copy(b.in<float>(kBias), b.in<float>(kBias) + mY.channels, start);
        }
        float* const edges = start + mPanels * mTile.columns;
        const int64_t products = patches() * mPanels;
        const auto part = [&](int64_t member, int64_t firstLine, int64_t lastLine, int64_t first, int64_t last) {
            float* const edge = edges + member * mTile.rows * mTile.columns;
            for (int64_t outer = mSharesWeights ? first : firstLine; outer < (mSharesWeights ? last : lastLine);
                 ++outer) {
                for (int64_t inner = mSharesWeights ? firstLine : first; inner < (mSharesWeights ? lastLine : last);
                     ++inner) {
                    runLine(b, start, edge, mSharesWeights ? inner : outer, mSharesWeights ? outer : inner);
                }
            }
        };
        parallelTeam(mTeam, mSharesWeights ? products : lines(), [&](int64_t member, int64_t begin, int64_t end) {
            if (mSharesWeights) {
                part(member, 0, lines(), begin, end);
            } else {
                part(member, begin, end, 0, products);
            }
        });
    }

private:
    int64_t lines() const { return mBatches * mX.height; }
    int64_t patches() const { return mDown * mAcross; }

    // One line of the image by one panel: every mAcross-th pixel of a line of the result.
    void runLine(const Buffers& b, const float* start, float* edge, int64_t line, int64_t product) const {
        const int64_t panel = product % mPanels;
        const int64_t patch = product / mPanels;
        const int64_t image = line / mX.height;
        const int64_t channel = panel * mTile.columns;
        const int64_t width = std::min(mTile.columns, mY.channels - channel);
        const bool isWhole = width == mTile.columns;
        const int64_t row = line % mX.height * mDown + patch / mAcross;
        const float* const from = b.in<float>(kX) + image * mX.image() + line % mX.height * mX.line();
        float* const to =
            b.out<float>() + image * mY.image() + mY.at(channel) + row * mY.line() + patch % mAcross * mY.pixel();
        const int64_t toRow = mAcross * mY.pixel();
        const int64_t lanes = packedTiles().lanes;
        const int64_t vector = mY.block == lanes ? mY.at(lanes) : lanes;
        const int64_t groups = (mX.width + mTile.rows - 1) / mTile.rows;
        for (int64_t group = 0; group < groups; ++group) {
            const int64_t first = mX.width * group / groups;
            const int64_t rows = mX.width * (group + 1) / groups - first;
            const PackedProduct work{.a = from + first * mX.pixel(),
                                     .aRow = mX.pixel(),
                                     .b = b.in<float>(kWeights) + product * mX.channels * mTile.columns,
                                     .bRow = mTile.columns,
                                     .depth = mX.channels,
                                     .c = isWhole ? to + first * toRow : edge,
                                     .cRow = isWhole ? toRow : mTile.columns,
                                     .start = start + channel,
                                     .aDepth = mX.block,
                                     .aBlock = mX.block == 0 ? 0 : mX.at(mX.block),
                                     .cVector = isWhole ? vector : 0};
            mTile.run(rows, work);
            for (int64_t r = 0; r < rows && !isWhole; ++r) {
                for (int64_t c = 0; c < width; c += lanes) {
                    const float* const some = edge + r * mTile.columns + c;
                    std::copy(some, some + std::min(lanes, width - c), to + (first + r) * toRow + c / lanes * vector);
                }
            }
        }
    }

    const PackedTile& mTile;
    ImageLayout mX;
    ImageLayout mY;
    int64_t mBatches;
    int64_t mDown; // extents of a patch
    int64_t mAcross;
    int64_t mPanels = 0; // of one pixel of a patch
    bool mHasBias;
    int mThreads = 1;
    int64_t mTeam = 1;
    bool mSharesWeights = false; // else lines of the image
};

} // namespace

bool isSpread(const module::GraphView& body) {
    if (body.nodeCount() != 1 || body.node(0).op() != "deconv" || !body.node(0).hasInput(1)) {
        return false;
    }
    const module::NodeView node = body.node(0);
    const module::ValueView weights = node.input(1);
    if (!weights.isConstant() || weights.rank() != 4 || !weights.isStatic() || weights.optElements() == 0 ||
        node.intOr("group", 1) != 1) {
        return false;
    }
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

std::vector<std::vector<TnFormat>> spreadLayouts(const module::GraphView& body) {
    const module::NodeView node = body.node(0);
    const int32_t x = kernels::portOf(body.inputs(), node.inputIndex(0));
    const int32_t w = kernels::portOf(body.inputs(), node.inputIndex(1));
    const module::ValueView weights = node.input(1);
    if (x < 0 || w < 0 || x == w || !node.input(0).isStatic(1) || node.input(0).dim(1).opt != weights.dim(0).opt) {
        refuse("a deconvolution whose image or weights are no inputs of the task");
    }
    const auto layoutsFor = [&](int64_t channels) {
        std::vector<TnFormat> layouts{module::channelsLastFormat(4)};
        for (const int32_t block : {16, 8}) {
            if (channels % block == 0 && fits(block)) {
                layouts.push_back(module::blockedFormat(4, {{1, block}}));
            }
        }
        return layouts;
    };
    TnFormat packed = module::permutedFormat({2, 3, 1, 0});
    packed.block_count = 1;
    packed.blocks[0] = {1, static_cast<int32_t>(imageTile().columns)};
    std::vector<std::vector<TnFormat>> variants;
    for (const TnFormat& from : layoutsFor(weights.dim(0).opt)) {
        for (const TnFormat& to : layoutsFor(weights.dim(1).opt)) {
            std::vector<TnFormat> layouts;
            for (const int32_t value : body.inputs()) {
                layouts.push_back(module::linearFormat(body.value(value).rank()));
            }
            layouts[static_cast<size_t>(x)] = from;
            layouts[static_cast<size_t>(w)] = packed;
            layouts.push_back(to);
            variants.push_back(std::move(layouts));
        }
    }
    return variants;
}

void checkSpread(const Task& task) {
    const auto isTask = [&](const std::vector<TnFormat>& layouts) {
        bool same = task.outputs[0].dtype == TN_F32 && module::equal(task.outputs[0].format, layouts.back());
        for (size_t i = 0; i < task.inputs.size(); ++i) {
            same = same && task.inputs[i].dtype == TN_F32 && module::equal(task.inputs[i].format, layouts[i]);
        }
        return same;
    };
    const std::vector<std::vector<TnFormat>> variants = spreadLayouts(task.body);
    if (std::none_of(variants.begin(), variants.end(), isTask)) {
        refuse("a deconvolution with other layouts or types than it computes");
    }
}

TaskPlan planSpread(const Task& task, const PortShapes& shapes) {
    const module::NodeView node = task.body.node(0);
    TaskPlan result;
    for (int32_t i = 0; i < node.inputCount(); ++i) {
        result.inputPorts.push_back(node.hasInput(i) ? kernels::portOf(task.body.inputs(), node.inputIndex(i)) : -1);
    }
    result.outputPorts = {0};
    const auto x = static_cast<size_t>(result.inputPorts[kX]);
    const Dims& weights = shapes.inputs[static_cast<size_t>(result.inputPorts[kWeights])].dims;
    const Spread kernel(shapes.inputs[x].dims, weights, channelBlock(task.inputs[x].format),
                        channelBlock(task.outputs[0].format), node.hasInput(2), shapes.threads);
    result.plan = kernels::planOf(kernel, kernel.workspace(), shapes.outputs[0].elements);
    return result;
}

} // namespace tenon::cpu
