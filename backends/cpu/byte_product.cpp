#include "backends/cpu/byte_product.h"

#include "backends/common/parallel.h"
#include "backends/cpu/byte_chain.h"
#include "backends/cpu/product_head.h"
#include "backends/cpu/region_layouts.h"
#include "backends/cpu/simd/byte_tile.h"

#include <algorithm>

namespace tenon::cpu {

namespace {

constexpr int64_t kColumns = ByteProduct::kColumns;
// Whose sums are kept at a time, where weights have zero points.
constexpr int64_t kSummedRows = 96;
// Rows that a thread should have.
constexpr int64_t kFewestRows = 12;

struct Region {
    ByteChain chain;
    int64_t depth = 0;
};

std::optional<Region> readRegion(const module::GraphView& body) {
    const auto chain = readByteChain(body);
    if (!chain || !isOneByOne(body.node(chain->head))) {
        return std::nullopt;
    }
    const int64_t depth = body.node(chain->head).input(1).dim(1).opt;
    // With zero points on both sides products are up to twice as large.
    const int64_t most = chain->weightZeros.empty() ? ByteProduct::kMostDepth : ByteProduct::kMostDepth / 2;
    return depth % 4 == 0 && depth > 0 && depth <= most ? std::optional<Region>({*chain, depth}) : std::nullopt;
}

class Kernel {
public:
    Kernel(Region region, int64_t rows, int threads)
        : mChain(std::move(region.chain)), mDepth(region.depth), mRows(rows), mTile(*byteTile()) {
        mPanels = (mChain.channels + kColumns - 1) / kColumns;
        mTeam = teamFor(threads, std::max<int64_t>(1, mRows * mPanels), mDepth / 8 + 4);
        // A thread has its own rows, as those who wrote them had; where there are not enough, also its own columns.
        mBlocks = std::min(mTeam, std::max<int64_t>(1, mRows / kFewestRows));
        mChain.factors.resize(static_cast<size_t>(mPanels * kColumns));
        if (!mChain.weightZeros.empty()) {
            mChain.weightZeros.resize(static_cast<size_t>(mPanels * kColumns));
        }
    }

    void run(const Buffers& b) const {
        parallelTeam(mTeam, mBlocks * mPanels, [&](int64_t, int64_t begin, int64_t end) {
            for (int64_t piece = begin; piece < end; ++piece) {
                const int64_t block = piece / mPanels;
                runPanel(b, piece % mPanels, mRows * block / mBlocks, mRows * (block + 1) / mBlocks);
            }
        });
    }

private:
    void runPanel(const Buffers& b, int64_t panel, int64_t first, int64_t last) const {
        const int64_t column = panel * kColumns;
        const int8_t* const weights = b.in<int8_t>(static_cast<size_t>(mChain.weights)) + column * mDepth;
        ByteProduct product;
        int32_t start[kColumns];
        float shift[kColumns];
        mChain.finish(b, first, column, kColumns, &shift[0], product);
        mTile.sums(weights, mDepth / 4, &start[0]);
        const int32_t zero = static_cast<int32_t>(mChain.from.zero) + (mChain.from.isSigned ? 128 : 0);
        for (int32_t& each : start) {
            each *= -zero;
        }
        product.aRow = mDepth;
        product.b = weights;
        product.steps = mDepth / 4;
        product.start = &start[0];
        product.isSigned = mChain.from.isSigned;
        product.a = b.in<uint8_t>(static_cast<size_t>(mChain.x)) + first * mDepth;
        if (mChain.weightZeros.empty()) {
            mTile.run(last - first, product);
            return;
        }
        int32_t rowSums[kSummedRows];
        product.zeros = mChain.weightZeros.data() + column;
        product.rowSums = &rowSums[0];
        for (int64_t row = first; row < last; row += kSummedRows) {
            const int64_t rows = std::min(kSummedRows, last - row);
            mTile.rowSums(rows, product, zero, &rowSums[0]);
            mTile.run(rows, product);
            product.a += rows * product.aRow;
            product.c += rows * product.cRow;
        }
    }

    ByteChain mChain;
    int64_t mDepth;
    int64_t mRows;
    const ByteTile& mTile;
    int64_t mPanels = 0;
    int64_t mTeam = 1;
    int64_t mBlocks = 1; // of rows
};

} // namespace

bool isByteProduct(const module::GraphView& body) { return readRegion(body).has_value(); }

std::vector<TnFormat> byteProductLayouts(const module::GraphView& body) {
    const Region region = *readRegion(body);
    std::vector<TnFormat> layouts;
    for (const int32_t value : body.inputs()) {
        layouts.push_back(module::linearFormat(body.value(value).rank()));
    }
    layouts[static_cast<size_t>(region.chain.x)] = module::channelsLastFormat(4);
    layouts[static_cast<size_t>(region.chain.weights)] =
        module::blockedFormat(4, {{0, static_cast<int32_t>(kColumns)}, {1, 4}});
    layouts.push_back(module::channelsLastFormat(4));
    return layouts;
}

void checkByteProduct(const Task& task) {
    if (!isByteProduct(task.body)) {
        refuse("no convolution of bytes with windows of one that is quantized");
    }
    checkFormats(task, byteProductLayouts(task.body), "a product of bytes");
}

TaskPlan planByteProduct(const Task& task, const PortShapes& shapes) {
    Region region = *readRegion(task.body);
    const int64_t rows = shapes.inputs[static_cast<size_t>(region.chain.x)].elements / region.depth;
    TaskPlan result;
    for (size_t i = 0; i < shapes.inputs.size(); ++i) {
        result.inputPorts.push_back(static_cast<int32_t>(i));
    }
    result.outputPorts = {0};
    result.plan = planOf(Kernel(std::move(region), rows, shapes.threads), 0, shapes.outputs[0].elements);
    return result;
}

} // namespace tenon::cpu
