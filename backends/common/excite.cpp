#include "backends/common/excite.h"

#include "backends/common/ports.h"

#include <algorithm>
#include <span>
#include <vector>

namespace tenon::kernels {

namespace {

using module::GraphView;
using module::NodeView;
using module::ValueView;

class Reader {
public:
    explicit Reader(const GraphView& body) : mBody(body) {}

    std::optional<Excite> read() {
        const size_t count = mBody.nodeCount();
        if (count < 4 || mBody.outputs().size() != 1) {
            return std::nullopt;
        }
        const NodeView first = mBody.node(0);
        mValue = first.inputIndex(0);
        const int32_t x = mValue;
        mResult.x = portOf(mBody.inputs(), x);
        mResult.squeezes = isMean(first);
        if (mResult.squeezes) {
            mValue = first.outputIndex(0);
            ++mNext;
            skipReshape();
        }
        if (mResult.x < 0 || !readLayer(mResult.layers[0]) || !readLayer(mResult.layers[1]) ||
            mResult.layers[0].outputs != mResult.layers[1].inputs ||
            (mResult.squeezes && mResult.layers[1].outputs != mResult.layers[0].inputs)) {
            return std::nullopt;
        }
        skipReshape();
        if (mNext < count && mResult.squeezes) {
            const NodeView scale = mBody.node(mNext);
            mResult.scales =
                scale.op() == "binary.mul" && ((scale.inputIndex(0) == x && scale.inputIndex(1) == mValue) ||
                                               (scale.inputIndex(1) == x && scale.inputIndex(0) == mValue));
            mValue = mResult.scales ? scale.outputIndex(0) : mValue;
            mNext += mResult.scales ? 1 : 0;
        }
        return mNext == count && mBody.outputs()[0] == mValue ? std::optional<Excite>(mResult) : std::nullopt;
    }

private:
    static bool isMean(const NodeView& node) {
        if (node.op() != "reduce.mean" || node.inputCount() != 1) {
            return false;
        }
        const int32_t rank = node.input(0).rank();
        const std::span<const int64_t> axes = node.ints("axes");
        bool spatial = rank >= 3 && static_cast<int32_t>(axes.size()) == rank - 2;
        for (size_t i = 0; i < axes.size(); ++i) {
            spatial = spatial && axes[i] == static_cast<int64_t>(i) + 2;
        }
        return spatial;
    }

    void skipReshape() {
        if (mNext < mBody.nodeCount() && mBody.node(mNext).op() == "reshape" &&
            mBody.node(mNext).inputIndex(0) == mValue) {
            mValue = mBody.node(mNext).outputIndex(0);
            ++mNext;
        }
    }

    bool readLayer(ExciteLayer& layer) {
        if (mNext >= mBody.nodeCount()) {
            return false;
        }
        const NodeView product = mBody.node(mNext);
        const bool isConv = product.op() == "conv";
        if ((!isConv && product.op() != "matmul") || product.inputIndex(0) != mValue || !product.hasInput(1)) {
            return false;
        }
        const ValueView weights = product.input(1);
        layer.weights = portOf(mBody.inputs(), product.inputIndex(1));
        bool fits = layer.weights >= 0 && weights.isConstant() && weights.isStatic() && weights.rank() >= 2 &&
                    (isConv ? weights.rank() == product.input(0).rank() && product.intOr("group", 1) == 1
                            : weights.rank() == 2 && product.intOr("trans_a", 0) == 0);
        for (int32_t d = 2; fits && d < weights.rank(); ++d) {
            fits = weights.dim(d).opt == 1;
        }
        if (isConv && fits) {
            const std::vector<int64_t> pads = product.intsOr("pads", 2 * static_cast<size_t>(weights.rank() - 2), 0);
            fits = product.stringOr("auto_pad", "explicit") == "explicit" &&
                   std::all_of(pads.begin(), pads.end(), [](int64_t pad) { return pad == 0; });
        }
        if (!fits || !hasOnePosition(product.input(0)) || !hasOnePosition(product.output(0))) {
            return false;
        }
        layer.transposed = isConv || product.intOr("trans_b", 0) != 0;
        layer.outputs = weights.dim(layer.transposed ? 0 : 1).opt;
        layer.inputs = weights.dim(layer.transposed ? 1 : 0).opt;
        if (isConv && product.hasInput(2)) {
            layer.bias = portOf(mBody.inputs(), product.inputIndex(2));
            fits = layer.bias >= 0 && product.input(2).isStatic() && product.input(2).optElements() == layer.outputs;
        }
        mValue = product.outputIndex(0);
        ++mNext;
        return fits && readBias(layer) && readActivation(layer);
    }

    static bool hasOnePosition(const ValueView& value) {
        bool one = value.hasRank() && value.rank() >= 2;
        for (int32_t d = 2; one && d < value.rank(); ++d) {
            one = value.isStatic(d) && value.dim(d).opt == 1;
        }
        return one;
    }

    bool readBias(ExciteLayer& layer) {
        if (mNext >= mBody.nodeCount() || mBody.node(mNext).op() != "binary.add") {
            return true;
        }
        const NodeView sum = mBody.node(mNext);
        const bool isFirst = sum.inputIndex(0) == mValue;
        const int32_t other = isFirst ? 1 : 0;
        if ((!isFirst && sum.inputIndex(1) != mValue) || layer.bias >= 0) {
            return false;
        }
        layer.bias = portOf(mBody.inputs(), sum.inputIndex(other));
        mValue = sum.outputIndex(0);
        ++mNext;
        const ValueView bias = sum.input(other);
        return layer.bias >= 0 && bias.isStatic() && bias.optElements() == layer.outputs;
    }

    bool readActivation(ExciteLayer& layer) {
        if (mNext >= mBody.nodeCount()) {
            return false;
        }
        const NodeView node = mBody.node(mNext);
        if (node.inputCount() != 1 || node.inputIndex(0) != mValue || node.op() == "reshape") {
            return false;
        }
        layer.activation = static_cast<int32_t>(mNext);
        mValue = node.outputIndex(0);
        ++mNext;
        return true;
    }

    const GraphView& mBody;
    Excite mResult;
    int32_t mValue = -1;
    size_t mNext = 0;
};

} // namespace

std::optional<Excite> readExcite(const GraphView& body) { return Reader(body).read(); }

} // namespace tenon::kernels
