#include "backends/cpu/packed_product.h"

#include "backends/common/parallel.h"
#include "backends/common/ports.h"
#include "backends/cpu/product_head.h"
#include "backends/cpu/region_layouts.h"
#include "backends/cpu/simd/packed_tile.h"
#include "backends/cpu/simd/rows.h"

#include <algorithm>

namespace tenon::cpu {

namespace {

constexpr size_t kX = ProductHead::kX;
constexpr size_t kWeights = ProductHead::kWeights;

// A part of the second-level cache for the rows that a panel meets.
constexpr int64_t kRowFloats = 448 * 1024;
constexpr int64_t kDepthBlock = 384;
// Weights that stay in it beside rows of images: then rows are shared out instead, in blocks that stay in the first-level cache or near it, and
// weights are fetched ahead by the first block alone.
constexpr int64_t kSmallWeights = 128 * 1024;
constexpr int64_t kSmallBlock = 8 * 1024;
constexpr int64_t kFewestRows = 56; // of such a block: images of 14 x 14 make four

// From so many rows of an image for each column on a gate goes onto the weights, which each thread does for itself. It decides how results are rounded, so the
// number of threads has no say: from eight on they would multiply less with rows.
constexpr int64_t kGatedRows = 8;

class Product {
public:
    Product(ProductHead head, int64_t rows, int64_t imageRows, int threads)
        : mHead(std::move(head)), mChain(mHead.chain), mTiles(packedTiles()), mTile(mTiles.wide), mRows(rows),
          mImageRows(imageRows), mThreads(threads) {
        mPanels = (mHead.columns + mTile.columns - 1) / mTile.columns;
        const int64_t team = teamFor(mThreads, mPanels * mRows, mHead.depth * mTile.columns / 16 + 1);
        mTeam = std::max<int64_t>(1, std::min<int64_t>(team, mPanels * ((mRows + mTile.rows - 1) / mTile.rows)));
        mIsSmall = mHead.depth * mPanels * mTile.columns <= kSmallWeights;
        mMostRows = mIsSmall ? std::max(kFewestRows, kSmallBlock / (mHead.depth + mHead.columns))
                             : std::max(mTile.rows, kRowFloats / std::max<int64_t>(mHead.depth, 1));
        mRowBlocks = std::max<int64_t>(1, (mRows + mMostRows - 1) / mMostRows);
        // Where there are few parts that do not divide evenly among threads, rows are divided further.
        const int64_t parts = mIsSmall ? mRowBlocks : mPanels * mRowBlocks;
        if (parts % mTeam != 0 && parts < 4 * mTeam) {
            mRowBlocks = std::min((mRowBlocks + mTeam - 1) / mTeam * mTeam, std::max<int64_t>(1, mRows / mTile.rows));
        }
        mBlockRows = (mRows + mRowBlocks - 1) / mRowBlocks;
        const auto isPerChannel = [](const Follower& each) { return each.kind == Follower::Kind::kPerChannel; };
        mCut = cutOf(mChain);
        mGatesWeights = mHead.gate != 0 && mIsSmall && mImageRows >= kGatedRows * mPanels * mTile.columns;
        mFinishesBlocks = mIsSmall && mRowBlocks >= mTeam && !mChain.followers.empty() && !mCut &&
                          std::none_of(mChain.followers.begin(), mChain.followers.end(), isPerChannel);
    }

    // Elements that followers are applied to at once.
    int64_t followerWidth() const { return mFinishesBlocks ? mBlockRows * mHead.columns : mTile.columns; }

    // The bias filled up to whole panels, for each follower its number repeated, then for each thread the rows of a panel that is not whole, and the
    // rows of a block that passed the gate, or the weights that did.
    int64_t workspace() const {
        const auto followers = static_cast<int64_t>(mChain.followers.size());
        // The width is bounded by its value for many rows, so that it does not fall when rows are cut otherwise.
        const int64_t width = mIsSmall ? std::max(mTile.columns, mMostRows * mHead.columns) : mTile.columns;
        return ((mPanels + mThreads * mTiles.narrow.rows) * mTile.columns + followers * width +
                mThreads * gatedFloats()) *
               static_cast<int64_t>(sizeof(float));
    }

    void run(const Buffers& b) const {
        start(b);
        parallelTeam(mTeam, pieces(), [&](int64_t member, int64_t begin, int64_t end) { run(b, member, begin, end); });
    }

    // Pieces of work, and how many threads they deserve.
    int64_t pieces() const { return mRows == 0 ? 0 : mFinishesBlocks ? mRowBlocks : mPanels * mRowBlocks; }
    int64_t team() const { return mTeam; }

    // What all pieces read: by one thread, before them.
    void start(const Buffers& b) const {
        auto* const starts = static_cast<float*>(b.workspace);
        if (mChain.bias >= 0) {
            const float* const bias = b.in<float>(static_cast<size_t>(mChain.bias));
            std::copy(bias, bias + mHead.columns, starts);
            std::fill(starts + mHead.columns, starts + mPanels * mTile.columns, 0.0F);
        }
        repeatNumbers(mChain, b, followerWidth(), starts + mPanels * mTile.columns);
    }

    // Pieces [begin, end) as a member of the team.
    void run(const Buffers& b, int64_t member, int64_t begin, int64_t end) const {
        auto* const starts = static_cast<float*>(b.workspace);
        float* const numbers = starts + mPanels * mTile.columns;
        float* const edges = numbers + static_cast<int64_t>(mChain.followers.size()) * followerWidth();
        float* const edge = edges + member * mTiles.narrow.rows * mTile.columns;
        float* const gated = edges + mThreads * mTiles.narrow.rows * mTile.columns + member * gatedFloats();
        const float* const begins = mChain.bias >= 0 ? starts : nullptr;
        const float* x = nullptr;
        int64_t known = -1; // the image whose weights are there
        for (int64_t piece = begin; piece < end; ++piece) {
            const int64_t block = mFinishesBlocks ? piece : piece / mPanels;
            const int64_t last = mRows * (block + 1) / mRowBlocks;
            for (int64_t first = mRows * block / mRowBlocks, next = first; first < last; first = next) {
                const float* weights = b.in<float>(kWeights);
                next = last;
                if (mGatesWeights) {
                    const int64_t image = first / mImageRows;
                    next = std::min(last, (image + 1) * mImageRows);
                    weights = gated;
                    if (image != known) {
                        gateWeights(b, image, gated);
                        known = image;
                    }
                }
                const int64_t count = next - first;
                if (mFinishesBlocks) {
                    // All columns of a block of rows, then what follows on all of them at once.
                    x = rowsOf(b, gated, first, count);
                    for (int64_t panel = 0; panel < mPanels; ++panel) {
                        const int64_t nextPanel = piece == begin ? std::min(panel + 1, mPanels - 1) : panel;
                        runPanel(b, weights, x, begins, numbers, edge, panel, nextPanel, first, count);
                    }
                    const int64_t at = first * mHead.columns;
                    applyFollowers(mChain, b, numbers, followerWidth(), b.out<float>() + at, count * mHead.columns, at,
                                   0);
                    continue;
                }
                // Panels of one block of rows after another: the rows stay in the second-level cache.
                const int64_t panel = piece % mPanels;
                if (piece == begin || panel == 0) {
                    x = rowsOf(b, gated, first, count);
                }
                // Small weights are there from the first block on.
                const bool fetches = piece + 1 < end && (!mIsSmall || piece < begin + mPanels);
                runPanel(b, weights, x, begins, numbers, edge, panel, fetches ? (panel + 1) % mPanels : panel, first,
                         count);
            }
        }
    }

private:
    // Rows first .. first + count of x at [row * depth]: of x itself, or through the gate.
    const float* rowsOf(const Buffers& b, float* gated, int64_t first, int64_t count) const {
        const auto* const x = b.in<float>(kX);
        if (mHead.gate == 0 || mGatesWeights) {
            return x;
        }
        const StepFunction multiply = stepTable().of(Step::kMul, ElementClass::kFloat);
        const int64_t depth = mHead.depth;
        for (int64_t r = first; r < first + count; ++r) {
            StepArgs args{};
            args.to = gated + (r - first) * depth;
            args.a = x + r * depth;
            args.b = b.in<float>(mHead.gate) + r / mImageRows * depth;
            args.count = depth;
            multiply(args);
        }
        return gated - first * depth;
    }

    // Of a thread: the rows of a block that passed the gate, or all weights. Both are counted, since extents decide.
    int64_t gatedFloats() const {
        const int64_t rows = std::min(mRows, mMostRows) * mHead.depth;
        const int64_t weights = mIsSmall ? mPanels * mTile.columns * mHead.depth : 0;
        return mHead.gate != 0 ? std::max(rows, weights) : 0;
    }

    // An image's factors times the weights: the same as times its rows, of which there are more.
    void gateWeights(const Buffers& b, int64_t image, float* to) const {
        const float* const gate = b.in<float>(mHead.gate) + image * mHead.depth;
        const float* const weights = b.in<float>(kWeights);
        const int64_t width = mTile.columns;
        for (int64_t row = 0; row < mPanels * mHead.depth; ++row) {
            rowTable().scale(weights + row * width, gate[row % mHead.depth], to + row * width, width);
        }
    }

    void runPanel(const Buffers& b, const float* weights, const float* x, const float* starts, const float* numbers,
                  float* edge, int64_t panel, int64_t nextPanel, int64_t first, int64_t count) const {
        const int64_t width = std::min(mTile.columns, mHead.columns - panel * mTile.columns);
        for (int64_t within = 0; within < width;) {
            const PackedTile& tile = plainTileFor(mTiles, width - within);
            const int64_t some = std::min(width - within, tile.columns);
            runColumns(b, weights, x, starts, numbers, edge, tile, panel, within, some, nextPanel, first, count);
            within += some;
        }
    }

    // `width` columns of a panel from its column `within` on.
    void runColumns(const Buffers& b, const float* weights, const float* x, const float* starts, const float* numbers,
                    float* edge, const PackedTile& tile, int64_t panel, int64_t within, int64_t width,
                    int64_t nextPanel, int64_t first, int64_t count) const {
        const int64_t depth = mHead.depth;
        const int64_t column = panel * mTile.columns + within;
        const int64_t parts = (count + tile.rows - 1) / tile.rows;
        const int64_t depthBlocks = (depth + kDepthBlock - 1) / kDepthBlock;
        const bool isWhole = width == tile.columns;
        const bool isAside = !isWhole && !mTiles.writesParts;
        for (int64_t d = 0; d < depthBlocks; ++d) {
            const int64_t k = depth * d / depthBlocks;
            const int64_t blockDepth = depth * (d + 1) / depthBlocks - k;
            const float* const at = weights + (panel * depth + k) * mTile.columns + within;
            const bool isLast = d + 1 == depthBlocks;
            const auto* const next = reinterpret_cast<const char*>(isLast ? weights + nextPanel * depth * mTile.columns
                                                                          : at + blockDepth * mTile.columns);
            const int64_t bytes = blockDepth * mTile.columns * static_cast<int64_t>(sizeof(float));
            const int64_t share = (bytes / parts + 63) / 64 * 64;
            // Spread over the depth: more at a time would stand in the way of what is being multiplied.
            const int64_t lines = std::clamp<int64_t>((share * 4 / 64 + blockDepth - 1) / blockDepth, 1, 4);
            const bool isNew = nextPanel != panel || !isLast;
            const bool isFollowed = !mFinishesBlocks && !mCut && !mChain.followers.empty();
            const bool isOne = depthBlocks == 1 && !isAside && !isFollowed; // nothing to do between tiles
            for (int64_t part = 0; part < parts; ++part) {
                const int64_t row = first + count * part / parts;
                const int64_t rows = first + count * (part + 1) / parts - row;
                // A panel that is not whole is summed all of its depth at once; aside, where parts of vectors cannot be written.
                float* const to = isAside ? edge : b.out<float>() + row * mHead.columns + column;
                const int64_t toRow = isAside ? tile.columns : mHead.columns;
                PackedProduct product{.a = x + row * depth + k,
                                      .aRow = depth,
                                      .b = at,
                                      .bRow = mTile.columns,
                                      .depth = blockDepth,
                                      .c = to,
                                      .cRow = toRow,
                                      .continues = d > 0,
                                      .start = starts != nullptr ? starts + column : nullptr,
                                      .next = next + part * share,
                                      .nextEnd = isNew ? next + (part + 1) * share : nullptr,
                                      .lines = lines};
                if (!isWhole) {
                    product.depth = depth;
                    product.columns = isAside ? 0 : width;
                }
                product.isCut = mCut && (isLast || !isWhole);
                if (product.isCut) {
                    product.low = mCut->low;
                    product.high = mCut->high;
                }
                if (isOne) {
                    product.nextEnd = isNew ? next + bytes : nullptr;
                    tile.runAll(count, product);
                    return;
                }
                tile.run(rows, product);
                if (isAside || ((isLast || !isWhole) && isFollowed)) {
                    finish(b, numbers, row, rows, column, width, to, toRow);
                }
            }
            if (!isWhole) {
                return;
            }
        }
    }

    // Rows of results while they are in the first-level cache.
    void finish(const Buffers& b, const float* numbers, int64_t row, int64_t rows, int64_t column, int64_t width,
                float* from, int64_t fromRow) const {
        const bool isAside = fromRow != mHead.columns || from != b.out<float>() + row * mHead.columns + column;
        for (int64_t r = 0; r < rows; ++r) {
            float* const line = from + r * fromRow;
            const int64_t at = (row + r) * mHead.columns + column;
            if (!mFinishesBlocks && !mCut) {
                applyFollowers(mChain, b, numbers, mTile.columns, line, width, at, column);
            }
            if (isAside) {
                std::copy(line, line + width, b.out<float>() + at);
            }
        }
    }

    ProductHead mHead;
    Chain mChain;
    const PackedTiles& mTiles;
    const PackedTile& mTile; // of a whole panel
    int64_t mRows;
    int64_t mImageRows; // of one image
    int mThreads;
    int64_t mPanels = 0;
    int64_t mRowBlocks = 1;
    int64_t mTeam = 1;
    bool mIsSmall = false;
    bool mFinishesBlocks = false;
    bool mGatesWeights = false; // instead of rows
    std::optional<Cut> mCut;
    int64_t mMostRows = 1;  // of a block
    int64_t mBlockRows = 1; // of the largest one
};

// Of products of one value, each perhaps with a bias: their heads, with the port of each result.
struct Siblings {
    std::vector<ProductHead> heads;
    std::vector<size_t> nodes; // the products
    std::vector<int32_t> outputs;
};

Siblings siblingsOf(const module::GraphView& body) {
    Siblings siblings;
    std::vector<int32_t> values;
    for (size_t n = 0; n < body.nodeCount(); ++n) {
        const module::NodeView node = body.node(n);
        if (node.op() == "matmul") {
            const module::ValueView weights = node.input(1);
            const int32_t x = kernels::portOf(body.inputs(), node.inputIndex(0));
            const int32_t w = kernels::portOf(body.inputs(), node.inputIndex(1));
            if (x < 0 || w < 0 || node.inputIndex(0) != body.node(0).inputIndex(0) || !weights.isConstant() ||
                !weights.isStatic() || weights.rank() != 2 || weights.optElements() < 1 ||
                node.intOr("trans_a", 0) != 0 || node.input(0).rank() < 2) {
                refuse("products of several values, or with weights that are no constant matrices");
            }
            const bool transposed = node.intOr("trans_b", 0) != 0;
            ProductHead head;
            head.depth = weights.dim(transposed ? 1 : 0).opt;
            head.columns = weights.dim(transposed ? 0 : 1).opt;
            head.chain.channelAxis = node.output(0).rank() - 1;
            head.chain.channels = head.columns;
            head.chain.ports = {x, w};
            siblings.heads.push_back(std::move(head));
            siblings.nodes.push_back(n);
            values.push_back(node.outputIndex(0));
            continue;
        }
        const auto first = std::find(values.begin(), values.end(), node.inputIndex(0));
        const bool isFirst = first != values.end();
        const auto found =
            isFirst || node.inputCount() < 2 ? first : std::find(values.begin(), values.end(), node.inputIndex(1));
        if (node.op() != "binary.add" || found == values.end()) {
            refuse("products of one value followed by ", node.op());
        }
        ProductHead& head = siblings.heads[static_cast<size_t>(found - values.begin())];
        const int32_t other = node.inputIndex(isFirst ? 1 : 0);
        const module::ValueView bias = body.value(other);
        const int32_t port = kernels::portOf(body.inputs(), other);
        if (port < 0 || head.chain.bias >= 0 || !bias.isStatic() || bias.optElements() != head.columns ||
            bias.rank() < 1 || bias.dim(bias.rank() - 1).opt != head.columns) {
            refuse("products of one value with something else than a bias each");
        }
        head.chain.bias = static_cast<int32_t>(head.chain.ports.size());
        head.chain.ports.push_back(port);
        *found = node.outputIndex(0);
    }
    for (const int32_t value : values) {
        siblings.outputs.push_back(kernels::portOf(body.outputs(), value));
    }
    const bool all =
        std::none_of(siblings.outputs.begin(), siblings.outputs.end(), [](int32_t port) { return port < 0; });
    if (!all || siblings.outputs.size() != body.outputs().size() || siblings.outputs.size() < 2) {
        refuse("products of one value whose results are not those of the region");
    }
    return siblings;
}

} // namespace

TnFormat packedWeights(const module::NodeView& head) {
    const bool isConv = head.op() == "conv";
    const int32_t across = isConv || head.intOr("trans_b", 0) != 0 ? 0 : 1;
    TnFormat format =
        module::blockedFormat(head.input(1).rank(), {{across, static_cast<int32_t>(packedTiles().wide.columns)}});
    if (across == 1) {
        std::swap(format.order[0], format.order[1]);
    }
    return format;
}

std::vector<TnFormat> packedProductLayouts(const module::GraphView& body) {
    const ProductHead head = readProduct(body);
    std::vector<TnFormat> layouts;
    for (const int32_t value : body.inputs()) {
        layouts.push_back(module::linearFormat(body.value(value).rank()));
    }
    const module::NodeView node = body.node(productNode(body));
    const TnFormat results = node.op() == "conv" ? module::channelsLastFormat(node.output(0).rank())
                                                 : module::linearFormat(node.output(0).rank());
    for (size_t i = 0; i < head.chain.ports.size(); ++i) {
        if (i == kX || head.chain.isTensor[i]) {
            layouts[static_cast<size_t>(head.chain.ports[i])] = results;
        }
    }
    layouts[static_cast<size_t>(head.chain.ports[kWeights])] = packedWeights(body.node(productNode(body)));
    layouts.push_back(results);
    return layouts;
}

void checkPackedProduct(const Task& task) { checkLayouts(task, packedProductLayouts(task.body), "a packed product"); }

bool isSiblingProducts(const module::GraphView& body) {
    return body.nodeCount() > 1 && body.outputs().size() > 1 && body.node(0).op() == "matmul" &&
           body.node(0).hasInput(1) && body.node(0).input(1).isConstant();
}

std::vector<TnFormat> siblingLayouts(const module::GraphView& body) {
    const Siblings siblings = siblingsOf(body);
    std::vector<TnFormat> layouts;
    for (const int32_t value : body.inputs()) {
        layouts.push_back(module::linearFormat(body.value(value).rank()));
    }
    for (size_t i = 0; i < siblings.heads.size(); ++i) {
        layouts[static_cast<size_t>(siblings.heads[i].chain.ports[kWeights])] =
            packedWeights(body.node(siblings.nodes[i]));
    }
    return layouts;
}

void checkSiblings(const Task& task) { checkLayouts(task, siblingLayouts(task.body), "products of one value"); }

TaskPlan planSiblings(const Task& task, const PortShapes& shapes) {
    struct Member {
        Product product;
        size_t input;      // the first of its operands
        int64_t workspace; // where its own begins
        int64_t items;     // of those before it
    };
    const Siblings siblings = siblingsOf(task.body);
    TaskPlan result;
    std::vector<Member> members;
    int64_t workspace = 0;
    int64_t items = 0;
    int64_t team = 1;
    for (const ProductHead& head : siblings.heads) {
        const Shape& x = shapes.inputs[static_cast<size_t>(head.chain.ports[kX])];
        const int64_t rows = head.depth == 0 ? 0 : x.elements / head.depth;
        Product product(head, rows, rows, shapes.threads);
        const int64_t bytes = (product.workspace() + 63) / 64 * 64;
        const int64_t own = product.pieces();
        team = std::max(team, product.team());
        members.push_back({std::move(product), result.inputPorts.size(), workspace, items});
        result.inputPorts.insert(result.inputPorts.end(), head.chain.ports.begin(), head.chain.ports.end());
        workspace += bytes;
        items += own;
    }
    result.outputPorts = siblings.outputs;
    result.plan.workspace = workspace;
    result.plan.run = [members, items, team](const Buffers& b) {
        const auto buffersOf = [&](size_t m) {
            Buffers own = b;
            own.inputs = b.inputs + members[m].input;
            own.outputs = b.outputs + m;
            own.workspace = static_cast<char*>(b.workspace) + members[m].workspace;
            return own;
        };
        for (size_t m = 0; m < members.size(); ++m) {
            members[m].product.start(buffersOf(m));
        }
        // The pieces of all, one product after another.
        parallelTeam(team, items, [&](int64_t member, int64_t begin, int64_t end) {
            for (size_t m = 0; m < members.size(); ++m) {
                const int64_t first = std::max(begin, members[m].items) - members[m].items;
                const int64_t last = std::min(end - members[m].items, members[m].product.pieces());
                if (first < last) {
                    members[m].product.run(buffersOf(m), member, first, last);
                }
            }
        });
        return Code::kOk;
    };
    return result;
}

TaskPlan planPackedProduct(const Task& task, const PortShapes& shapes) {
    ProductHead head = readProduct(task.body);
    const Shape& x = shapes.inputs[static_cast<size_t>(head.chain.ports[kX])];
    const int64_t rows = head.depth == 0 ? 0 : x.elements / head.depth;
    TaskPlan result;
    result.inputPorts = head.chain.ports;
    result.outputPorts = {0};
    const int64_t imageRows = x.dims.empty() || x.dims[0] == 0 ? 1 : std::max<int64_t>(1, rows / x.dims[0]);
    const Product kernel(std::move(head), rows, imageRows, shapes.threads);
    result.plan = kernels::planOf(kernel, kernel.workspace(), shapes.outputs[0].elements);
    return result;
}

} // namespace tenon::cpu
