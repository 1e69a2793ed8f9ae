#include "backends/cpu/brain_product.h"

#include "backends/common/parallel.h"
#include "backends/cpu/product_head.h"
#include "backends/cpu/region_layouts.h"
#include "backends/cpu/simd/brain_tile.h"

#include <algorithm>
#include <cstring>

namespace tenon::cpu {

namespace {

constexpr int64_t kColumns = BrainProduct::kColumns;
constexpr int64_t kDepth = BrainProduct::kDepth;
constexpr int64_t kBlock = BrainProduct::kRows;
// Rows whose sums stay in the first-level cache, beside the weights of a few steps, which all of them meet.
constexpr int64_t kGroup = 4 * kBlock;
constexpr int64_t kSteps = 8;
// A part of the second-level cache for the rows that a panel meets, and for weights that stay in it.
constexpr int64_t kRowBytes = 1024 * 1024;
constexpr int64_t kSmallWeights = 512 * 1024;
// More would wait for each other.
constexpr int64_t kMostLines = 6;

// Of one thread.
struct Scratch {
    float sums[kGroup * kColumns];
    float other[kBlock * kColumns]; // a tensor's part
    uint16_t aRest[kGroup * kDepth];
    uint16_t bRest[kDepth * kColumns];
};

class Kernel {
public:
    Kernel(ProductHead head, int64_t rows, int threads)
        : mHead(std::move(head)), mTile(*brainTile()), mRows(rows), mThreads(threads) {
        const int64_t depth = mHead.depth;
        mPanels = (mHead.columns + kColumns - 1) / kColumns;
        const int64_t bytes = mPanels * panelElements() * static_cast<int64_t>(sizeof(uint16_t));
        mIsSmall = bytes <= kSmallWeights;
        mTeam = teamFor(threads, mRows * mPanels, depth / 32 + 8);
        const int64_t most = mIsSmall ? kGroup : std::max(kGroup, kRowBytes / (2 * depth) / kGroup * kGroup);
        mRowBlocks = std::max<int64_t>(1, (mRows + most - 1) / most);
        // Where there are few parts that do not divide evenly among threads, rows are divided further.
        const int64_t parts = mPanels * mRowBlocks;
        if (parts % mTeam != 0 && parts < 4 * mTeam) {
            mRowBlocks = std::min((mRowBlocks + mTeam - 1) / mTeam * mTeam, std::max<int64_t>(1, mRows / kBlock));
        }
    }

    // The bias filled up to whole panels, for each follower its number repeated, then what each thread needs.
    int64_t workspace() const {
        const int64_t floats = mPanels * kColumns + numbers() * kBlock * kColumns;
        return floats * static_cast<int64_t>(sizeof(float)) + mThreads * static_cast<int64_t>(sizeof(Scratch));
    }

    void run(const Buffers& b) const {
        auto* const starts = static_cast<float*>(b.workspace);
        std::fill(starts, starts + mPanels * kColumns, 0.0F);
        if (mHead.chain.bias >= 0) {
            const float* const bias = b.in<float>(static_cast<size_t>(mHead.chain.bias));
            std::copy(bias, bias + mHead.columns, starts);
        }
        float* const repeated = starts + mPanels * kColumns;
        repeatNumbers(mHead.chain, b, kBlock * kColumns, repeated);
        auto* const scratch = reinterpret_cast<Scratch*>(repeated + numbers() * kBlock * kColumns);
        parallelTeam(mTeam, mPanels * mRowBlocks, [&](int64_t member, int64_t begin, int64_t end) {
            mTile.begin(mRows);
            // Panels of one block of rows after another: the rows stay in the second-level cache.
            for (int64_t piece = begin; piece < end; ++piece) {
                const int64_t block = piece / mPanels;
                const int64_t panel = piece % mPanels;
                const int64_t next = piece + 1 < end ? (panel + 1) % mPanels : panel;
                runPanel(b, starts, repeated, scratch[member], panel, mIsSmall ? panel : next,
                         mRows * block / mRowBlocks, mRows * (block + 1) / mRowBlocks);
            }
            mTile.end();
        });
    }

private:
    int64_t numbers() const { return static_cast<int64_t>(mHead.chain.followers.size()); }
    // Pairs of the depth are whole.
    int64_t panelElements() const { return (mHead.depth + 1) / 2 * 2 * kColumns; }
    const uint16_t* panelOf(const Buffers& b, int64_t panel) const {
        return b.in<uint16_t>(ProductHead::kWeights) + panel * panelElements();
    }

    void runPanel(const Buffers& b, const float* starts, const float* repeated, Scratch& scratch, int64_t panel,
                  int64_t nextPanel, int64_t first, int64_t last) const {
        const uint16_t* const weights = panelOf(b, panel);
        const int64_t steps = mHead.depth / kDepth;
        const int64_t rest = mHead.depth % kDepth;
        if (rest != 0) {
            const int64_t known = (rest + 1) / 2 * 2 * kColumns;
            std::copy_n(weights + steps * kDepth * kColumns, known, scratch.bRest);
            std::fill(scratch.bRest + known, std::end(scratch.bRest), uint16_t{0});
        }
        const int64_t groups = std::max<int64_t>(1, (last - first + kGroup - 1) / kGroup);
        const int64_t chunks = std::max<int64_t>(1, (steps + kSteps - 1) / kSteps);
        const int64_t blocks = (last - first + kBlock - 1) / kBlock;
        const int64_t lines = panelElements() * static_cast<int64_t>(sizeof(uint16_t)) / 64;
        BrainProduct product;
        product.aRow = mHead.depth;
        product.next = reinterpret_cast<const char*>(panelOf(b, nextPanel));
        product.lines = nextPanel == panel || steps == 0
                            ? 0
                            : std::min(kMostLines, (lines + steps * blocks - 1) / (steps * blocks));
        for (int64_t g = 0; g < groups; ++g) {
            const int64_t row = first + (last - first) * g / groups;
            const int64_t count = first + (last - first) * (g + 1) / groups - row;
            const int64_t parts = (count + kBlock - 1) / kBlock;
            for (int64_t chunk = 0; chunk < chunks; ++chunk) {
                const int64_t step = steps * chunk / chunks;
                product.steps = steps * (chunk + 1) / chunks - step;
                product.b = weights + step * kDepth * kColumns;
                product.start = chunk == 0 ? starts + panel * kColumns : nullptr;
                const bool isLast = chunk + 1 == chunks;
                for (int64_t part = 0; part < parts; ++part) {
                    const int64_t at = count * part / parts;
                    const int64_t rows = count * (part + 1) / parts - at;
                    product.a = b.in<uint16_t>(ProductHead::kX) + (row + at) * mHead.depth + step * kDepth;
                    product.c = scratch.sums + at * kColumns;
                    if (isLast && rest != 0) {
                        product.aRest = restOf(product.a + product.steps * kDepth, rows, rest, scratch.aRest);
                        product.bRest = scratch.bRest;
                    }
                    mTile.run(rows, product);
                    product.next += product.steps * product.lines * 64;
                    if (isLast) {
                        finish(b, repeated, scratch, product.c, row + at, rows, panel * kColumns);
                    }
                }
                product.aRest = nullptr;
            }
        }
    }

    const uint16_t* restOf(const uint16_t* a, int64_t rows, int64_t rest, uint16_t* to) const {
        for (int64_t r = 0; r < rows; ++r) {
            std::copy_n(a + r * mHead.depth, rest, to + r * kDepth);
            std::fill(to + r * kDepth + rest, to + (r + 1) * kDepth, uint16_t{0});
        }
        return to;
    }

    // What follows on a block while it is in the first-level cache, and its way to the result.
    void finish(const Buffers& b, const float* repeated, Scratch& scratch, float* sums, int64_t row, int64_t rows,
                int64_t column) const {
        const int64_t width = std::min(kColumns, mHead.columns - column);
        const int64_t at = row * mHead.columns + column;
        for (const Follower& follower : mHead.chain.followers) {
            StepArgs args = follower.on(sums, rows * kColumns);
            const auto operand = static_cast<size_t>(std::max(0, follower.operand));
            switch (follower.kind) {
            case Follower::Kind::kPerChannel:
                for (int64_t r = 0; r < rows; ++r) {
                    args = follower.on(sums + r * kColumns, width);
                    args.b = b.in<float>(operand) + column;
                    follower.function(args);
                }
                repeated += kBlock * kColumns;
                continue;
            case Follower::Kind::kNumber:
                args.b = repeated;
                break;
            case Follower::Kind::kTensor:
                mTile.widen(b.in<uint16_t>(operand) + at, mHead.columns, rows, width, scratch.other);
                args.b = scratch.other;
                break;
            case Follower::Kind::kFunction:
                break;
            }
            follower.function(args);
            repeated += kBlock * kColumns;
        }
        mTile.narrow(sums, nullptr, rows, width, b.out<uint16_t>() + at, mHead.columns);
    }

    ProductHead mHead;
    const BrainTile& mTile;
    int64_t mRows;
    int mThreads;
    int64_t mPanels = 0;
    int64_t mTeam = 1;
    int64_t mRowBlocks = 1;
    bool mIsSmall = false;
};

} // namespace

bool isBrainProduct(const module::GraphView& body) { return beginsWithProduct(body) && productNode(body) == 0; }

std::vector<TnPortFormat> brainProductPorts(const module::GraphView& body) {
    const ProductHead head = readProduct(body);
    const module::NodeView node = body.node(0);
    const int32_t rank = node.output(0).rank();
    const bool isConv = node.op() == "conv";
    const TnFormat results = isConv ? module::channelsLastFormat(rank) : module::linearFormat(rank);
    std::vector<TnPortFormat> ports;
    for (const int32_t value : body.inputs()) {
        ports.push_back({TN_F32, TN_PLACEMENT_HOST, module::linearFormat(body.value(value).rank())});
    }
    for (size_t i = 0; i < head.chain.ports.size(); ++i) {
        if (i == ProductHead::kX || head.chain.isTensor[i]) {
            ports[static_cast<size_t>(head.chain.ports[i])] = {TN_BF16, TN_PLACEMENT_HOST, results};
        }
    }
    const int32_t across = isConv || node.intOr("trans_b", 0) != 0 ? 0 : 1;
    TnFormat weights =
        module::blockedFormat(node.input(1).rank(), {{across, static_cast<int32_t>(kColumns)}, {1 - across, 2}}, true);
    if (across == 1) {
        std::swap(weights.order[0], weights.order[1]);
    }
    ports[static_cast<size_t>(head.chain.ports[ProductHead::kWeights])] = {TN_BF16, TN_PLACEMENT_HOST, weights};
    ports.push_back({TN_BF16, TN_PLACEMENT_HOST, results});
    return ports;
}

void checkBrainProduct(const Task& task) {
    if (!isBrainProduct(task.body)) {
        refuse("no product with constant weights, or a processor that multiplies no bf16");
    }
    checkPortsOf(task, brainProductPorts(task.body), "a product of bf16");
}

TaskPlan planBrainProduct(const Task& task, const PortShapes& shapes) {
    ProductHead head = readProduct(task.body);
    const Shape& x = shapes.inputs[static_cast<size_t>(head.chain.ports[ProductHead::kX])];
    const int64_t rows = x.elements / head.depth;
    TaskPlan result;
    result.inputPorts = head.chain.ports;
    result.outputPorts = {0};
    const Kernel kernel(std::move(head), rows, shapes.threads);
    result.plan = kernels::planOf(kernel, kernel.workspace(), shapes.outputs[0].elements);
    return result;
}

} // namespace tenon::cpu
