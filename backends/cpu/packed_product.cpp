#include "backends/cpu/packed_product.h"

#include "backends/common/parallel.h"
#include "backends/cpu/program_compiler.h"
#include "backends/cpu/simd/packed_tile.h"

#include <algorithm>

namespace tenon::cpu {

namespace {

// What happens to a row of results: with one number for each column, one for all, an element of another tensor for each; or a function.
struct Follower {
    enum class Kind : uint8_t { kPerColumn, kNumber, kTensor, kFunction };
    Kind kind = Kind::kFunction;
    int32_t port = -1;
    ProgramStep step;
};

struct Chain {
    int32_t x = -1;
    int32_t weights = -1;
    int32_t bias = -1; // added first, for each column: the sums begin with it
    int64_t depth = 0;
    int64_t columns = 0;
    std::vector<Follower> followers;
    std::vector<int32_t> ports; // of all operands, in the order that the kernel reads them
};

int32_t portOf(const module::GraphView& body, int32_t value) {
    const auto inputs = body.inputs();
    const auto found = std::find(inputs.begin(), inputs.end(), value);
    return value < 0 || found == inputs.end() ? -1 : static_cast<int32_t>(found - inputs.begin());
}

bool isOneElement(const module::ValueView& value) { return value.isStatic() && value.optElements() == 1; }

Follower followerOf(const module::NodeView& node, int32_t value, const module::GraphView& body, int64_t columns) {
    Follower follower;
    if (node.inputCount() == 1 && node.inputIndex(0) == value) {
        const auto step = floatStep(node);
        if (!step) {
            refuse("a product followed by ", node.op());
        }
        follower.step = *step;
        return follower;
    }
    const bool isSum = node.op() == "binary.add";
    const bool first = node.inputCount() == 2 && node.inputIndex(0) == value;
    const int32_t other = node.inputCount() == 2 ? node.inputIndex(first ? 1 : 0) : -1;
    follower.port = portOf(body, other);
    if ((!isSum && node.op() != "binary.mul") || follower.port < 0 || (!first && node.inputIndex(1) != value)) {
        refuse("a product followed by ", node.op(), " of something else");
    }
    const module::ValueView operand = body.value(other);
    const module::ValueView result = node.output(0);
    const bool isRow = operand.isStatic() && operand.rank() > 0 && operand.optElements() == columns &&
                       operand.dim(operand.rank() - 1).opt == columns && operand.rank() <= result.rank();
    follower.step.step = isSum ? Step::kAdd : Step::kMul;
    if (isOneElement(operand) && operand.rank() <= result.rank()) {
        follower.kind = Follower::Kind::kNumber;
    } else if (isRow) {
        follower.kind = Follower::Kind::kPerColumn;
    } else if (isFullShape(operand, result)) {
        follower.kind = Follower::Kind::kTensor;
    } else {
        refuse("a product followed by ", node.op(), " with a tensor of another shape");
    }
    return follower;
}

Chain chainOf(const module::GraphView& body) {
    Chain chain;
    const module::NodeView product = body.node(0);
    const module::ValueView weights = product.input(1);
    chain.x = portOf(body, product.inputIndex(0));
    chain.weights = portOf(body, product.inputIndex(1));
    if (chain.x < 0 || chain.weights < 0 || chain.x == chain.weights || !weights.isConstant() || !weights.isStatic() ||
        weights.rank() != 2 || product.intOr("trans_a", 0) != 0 || product.input(0).rank() < 2 ||
        weights.optElements() == 0) {
        refuse("a product whose weights are no constant matrix");
    }
    const bool transposed = product.intOr("trans_b", 0) != 0;
    chain.depth = weights.dim(transposed ? 1 : 0).opt;
    chain.columns = weights.dim(transposed ? 0 : 1).opt;
    chain.ports = {chain.x, chain.weights};
    int32_t value = product.outputIndex(0);
    for (size_t n = 1; n < body.nodeCount(); ++n) {
        const module::NodeView node = body.node(n);
        Follower follower = followerOf(node, value, body, chain.columns);
        value = node.outputIndex(0);
        if (!isFullShape(node.output(0), product.output(0))) {
            refuse("a product followed by ", node.op(), ", which enlarges it");
        }
        if (follower.port >= 0) {
            chain.ports.push_back(follower.port);
            follower.port = static_cast<int32_t>(chain.ports.size()) - 1;
        }
        if (n == 1 && follower.kind == Follower::Kind::kPerColumn && follower.step.step == Step::kAdd) {
            chain.bias = follower.port;
            continue;
        }
        chain.followers.push_back(follower);
    }
    if (body.outputs().size() != 1 || body.outputs()[0] != value) {
        refuse("a product whose inner values are read elsewhere");
    }
    return chain;
}

// A part of the second-level cache for the rows that a panel meets.
constexpr int64_t kRowFloats = 448 * 1024;
constexpr int64_t kDepthBlock = 384;

class Product {
public:
    Product(Chain chain, int64_t rows, int threads)
        : mChain(std::move(chain)), mTile(packedTile()), mRows(rows), mThreads(threads) {
        mPanels = (mChain.columns + mTile.columns - 1) / mTile.columns;
        const int64_t team = teamFor(mThreads, mPanels * mRows, mChain.depth * mTile.columns / 16 + 1);
        mTeam = std::max<int64_t>(1, std::min<int64_t>(team, mPanels * ((mRows + mTile.rows - 1) / mTile.rows)));
        const int64_t mostRows = std::max<int64_t>(mTile.rows, kRowFloats / std::max<int64_t>(mChain.depth, 1));
        mRowBlocks = std::max<int64_t>(1, (mRows + mostRows - 1) / mostRows);
        // Where panels alone do not divide evenly among threads, rows are divided too.
        if (mPanels % mTeam != 0 && mPanels < 4 * mTeam) {
            mRowBlocks = std::min((mRowBlocks + mTeam - 1) / mTeam * mTeam, std::max<int64_t>(1, mRows / mTile.rows));
        }
    }

    // The bias filled up to whole panels, for each follower its number repeated, then for each thread the rows of a panel that is not whole.
    int64_t workspace() const {
        const auto followers = static_cast<int64_t>(mChain.followers.size());
        return (mPanels + followers + mThreads * mTile.rows) * mTile.columns * static_cast<int64_t>(sizeof(float));
    }

    void run(const Buffers& b) const {
        if (mRows == 0) {
            return;
        }
        auto* const starts = static_cast<float*>(b.workspace);
        if (mChain.bias >= 0) {
            const float* const bias = b.in<float>(static_cast<size_t>(mChain.bias));
            std::copy(bias, bias + mChain.columns, starts);
            std::fill(starts + mChain.columns, starts + mPanels * mTile.columns, 0.0F);
        }
        float* const numbers = starts + mPanels * mTile.columns;
        float* edges = numbers;
        for (const Follower& follower : mChain.followers) {
            if (follower.kind == Follower::Kind::kNumber) {
                std::fill(edges, edges + mTile.columns, *b.in<float>(static_cast<size_t>(follower.port)));
            }
            edges += mTile.columns;
        }
        // Panels of one block of rows after another: the rows stay in the second-level cache.
        parallelTeam(mTeam, mPanels * mRowBlocks, [&](int64_t member, int64_t begin, int64_t end) {
            for (int64_t item = begin; item < end; ++item) {
                const int64_t panel = item % mPanels;
                const int64_t block = item / mPanels;
                const int64_t first = mRows * block / mRowBlocks;
                const int64_t count = mRows * (block + 1) / mRowBlocks - first;
                runPanel(b, mChain.bias >= 0 ? starts : nullptr, numbers, edges + member * mTile.rows * mTile.columns,
                         panel, item + 1 < end ? (panel + 1) % mPanels : panel, first, count);
            }
        });
    }

private:
    void runPanel(const Buffers& b, const float* starts, const float* numbers, float* edge, int64_t panel,
                  int64_t nextPanel, int64_t first, int64_t count) const {
        const int64_t depth = mChain.depth;
        const int64_t column = panel * mTile.columns;
        const int64_t width = std::min(mTile.columns, mChain.columns - column);
        const float* const weights = b.in<float>(1);
        const int64_t parts = (count + mTile.rows - 1) / mTile.rows;
        const int64_t depthBlocks = (depth + kDepthBlock - 1) / kDepthBlock;
        const bool isWhole = width == mTile.columns;
        for (int64_t d = 0; d < depthBlocks; ++d) {
            const int64_t k = depth * d / depthBlocks;
            const int64_t blockDepth = depth * (d + 1) / depthBlocks - k;
            const float* const at = weights + (panel * depth + k) * mTile.columns;
            const bool isLast = d + 1 == depthBlocks;
            const auto* const next = reinterpret_cast<const char*>(isLast ? weights + nextPanel * depth * mTile.columns
                                                                          : at + blockDepth * mTile.columns);
            const int64_t bytes = blockDepth * mTile.columns * static_cast<int64_t>(sizeof(float));
            const int64_t share = (bytes / parts + 63) / 64 * 64;
            const int64_t lines = std::clamp<int64_t>((share * 4 / 64 + blockDepth - 1) / blockDepth, 1, 4);
            const bool isNew = nextPanel != panel || !isLast;
            for (int64_t part = 0; part < parts; ++part) {
                const int64_t row = first + count * part / parts;
                const int64_t rows = first + count * (part + 1) / parts - row;
                // A panel that is not whole is summed aside, all of its depth at once.
                float* const to = isWhole ? b.out<float>() + row * mChain.columns + column : edge;
                const int64_t toRow = isWhole ? mChain.columns : mTile.columns;
                PackedProduct product{b.in<float>(0) + row * depth + k,
                                      depth,
                                      at,
                                      blockDepth,
                                      to,
                                      toRow,
                                      d > 0,
                                      starts != nullptr ? starts + column : nullptr,
                                      next + part * share,
                                      isNew ? lines : 0};
                if (!isWhole) {
                    product.depth = depth;
                }
                mTile.run(rows, product);
                if (isLast || !isWhole) {
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
        const bool isAside = fromRow != mChain.columns || from != b.out<float>() + row * mChain.columns + column;
        for (int64_t r = 0; r < rows; ++r) {
            float* const line = from + r * fromRow;
            const int64_t at = (row + r) * mChain.columns + column;
            const float* number = numbers;
            for (const Follower& follower : mChain.followers) {
                StepArgs args{};
                args.to = line;
                args.a = line;
                args.count = width;
                args.p0 = follower.step.p0;
                args.p1 = follower.step.p1;
                if (follower.kind == Follower::Kind::kNumber) {
                    args.b = number;
                } else if (follower.kind != Follower::Kind::kFunction) {
                    args.b = b.in<float>(static_cast<size_t>(follower.port)) +
                             (follower.kind == Follower::Kind::kTensor ? at : column);
                }
                number += mTile.columns;
                stepTable().of(follower.step.step, ElementClass::kFloat)(args);
            }
            if (isAside) {
                std::copy(line, line + width, b.out<float>() + at);
            }
        }
    }

    Chain mChain;
    const PackedTile& mTile;
    int64_t mRows;
    int mThreads;
    int64_t mPanels = 0;
    int64_t mRowBlocks = 1;
    int64_t mTeam = 1;
};

} // namespace

bool beginsWithProduct(const module::GraphView& body) {
    return body.nodeCount() > 0 && body.node(0).op() == "matmul" && body.node(0).hasInput(1) &&
           body.node(0).input(1).isConstant();
}

TnFormat packedWeights(const module::GraphView& body) {
    const bool transposed = body.node(0).intOr("trans_b", 0) != 0;
    const int32_t across = transposed ? 0 : 1;
    TnFormat format = module::blockedFormat(2, {{across, static_cast<int32_t>(packedTile().columns)}});
    format.order[0] = across;
    format.order[1] = 1 - across;
    return format;
}

void checkPackedProduct(const Task& task) {
    const Chain chain = chainOf(task.body);
    for (size_t i = 0; i < task.inputs.size(); ++i) {
        const bool isWeights = static_cast<int32_t>(i) == chain.weights;
        if (task.inputs[i].dtype != TN_F32) {
            refuse("a packed product of ", nameOf(task.inputs[i].dtype));
        }
        const bool fits = isWeights ? module::equal(task.inputs[i].format, packedWeights(task.body))
                                    : module::isLinear(task.inputs[i].format);
        if (!fits) {
            refuse("a packed product with an operand in the layout ", module::describe(task.inputs[i].format));
        }
    }
    if (task.outputs[0].dtype != TN_F32 || !module::isLinear(task.outputs[0].format)) {
        refuse("a packed product with a result in the layout ", module::describe(task.outputs[0].format));
    }
}

TaskPlan planPackedProduct(const Task& task, const PortShapes& shapes) {
    const Chain chain = chainOf(task.body);
    const Shape& x = shapes.inputs[static_cast<size_t>(chain.x)];
    if (x.dims.empty() || x.dims.back() != chain.depth) {
        invalid("a product of ", shapeText(x.dims), " with weights of depth ", chain.depth);
    }
    const int64_t rows = product(x.dims, 0, x.dims.size() - 1);
    TaskPlan result;
    result.inputPorts = chain.ports;
    result.outputPorts = {0};
    const Product kernel(chain, rows, shapes.threads);
    result.plan.workspace = kernel.workspace();
    result.plan.run = [kernel](const Buffers& b) {
        kernel.run(b);
        return Code::kOk;
    };
    return result;
}

} // namespace tenon::cpu
