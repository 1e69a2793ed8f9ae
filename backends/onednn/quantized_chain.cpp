#include "backends/onednn/quantized_chain.h"

#include "backends/common/ports.h"

#include <algorithm>

namespace tenon::onednn {

using kernels::portOf;
using kernels::refuse;

namespace {

bool isByte(TnDataType type) { return type == TN_I8 || type == TN_U8; }

bool isSingle(const module::ValueView& value) { return value.isStatic() && value.optElements() == 1; }

int32_t byteAt(const module::ValueView& value, size_t i) {
    const auto byte = static_cast<uint8_t>(value.bytes()[i]);
    return value.dtype() == TN_I8 ? static_cast<int8_t>(byte) : byte;
}

// The zero points of a quantize or dequantize: those that are shown, all zero where there are none.
std::vector<int32_t> zerosOf(const module::NodeView& node) {
    if (node.inputCount() < 3 || !node.hasInput(2)) {
        return {0};
    }
    std::vector<int32_t> zeros;
    for (size_t i = 0; i < node.input(2).bytes().size(); ++i) {
        zeros.push_back(byteAt(node.input(2), i));
    }
    if (zeros.empty()) {
        refuse("a zero point that is no constant");
    }
    return zeros;
}

Scale scaleOf(const module::NodeView& node) {
    const auto scales = node.input(1).data<float>();
    const std::vector<int32_t> zeros = zerosOf(node);
    if (scales.size() != 1 || zeros.size() != 1 || node.input(1).dtype() != TN_F32) {
        refuse(node.op(), " of activations with other than one constant scale");
    }
    return {scales[0], zeros[0]};
}

class Reader {
public:
    explicit Reader(const module::GraphView& body) : mBody(body) {}

    QuantizedChain run() {
        if (mBody.outputs().size() != 1) {
            refuse("a quantized region with ", mBody.outputs().size(), " outputs; one is possible");
        }
        for (size_t n = 0; n < mBody.nodeCount(); ++n) {
            const module::NodeView node = mBody.node(n);
            if (node.op() == "dequantize") {
                readDequantize(node);
                continue;
            }
            if (mChain.result) {
                refuse(node.op(), " of what was quantized");
            }
            if (node.op() == "conv" || node.op() == "matmul") {
                readHead(node);
            } else if (mValue < 0) {
                refuse(node.op(), " in front of the product");
            } else if (node.op() == "quantize") {
                if (node.inputIndex(0) != mValue || !isByte(node.output(0).dtype())) {
                    refuse("quantize to ", module::nameOf(node.output(0).dtype()));
                }
                mChain.result = scaleOf(node);
            } else {
                readFollower(node);
            }
            mValue = node.outputIndex(0);
        }
        if (mValue < 0 || mValue != mBody.outputs()[0]) {
            refuse("the region's output is not the end of its chain");
        }
        return std::move(mChain);
    }

private:
    const module::NodeView* dequantizeOf(int32_t value) const {
        const auto found = std::find_if(mDequantized.begin(), mDequantized.end(),
                                        [&](const module::NodeView& node) { return node.outputIndex(0) == value; });
        return found == mDequantized.end() ? nullptr : &*found;
    }

    // Of an operand, or of what was quantized just now.
    void readDequantize(const module::NodeView& node) {
        if (!isByte(node.input(0).dtype()) || node.output(0).dtype() != TN_F32) {
            refuse("dequantize of ", module::nameOf(node.input(0).dtype()));
        }
        if (mValue < 0 || node.inputIndex(0) != mValue) {
            if (portOf(mBody.inputs(), node.inputIndex(0)) < 0) {
                refuse("dequantize of what the region makes");
            }
            mDequantized.push_back(node);
            return;
        }
        const Scale scale = scaleOf(node);
        if (!mChain.result || mChain.result->scale != scale.scale || mChain.result->zero != scale.zero) {
            refuse("dequantize with other parameters than the quantize before it");
        }
        Follower follower;
        follower.kind = FollowerKind::kRequantize;
        follower.scale = scale;
        const bool isSigned = node.input(0).dtype() == TN_I8;
        follower.low = isSigned ? -128 : 0;
        follower.high = isSigned ? 127 : 255;
        mChain.followers.push_back(follower);
        mChain.result.reset();
        mValue = node.outputIndex(0);
    }

    void readHead(const module::NodeView& node) {
        const module::NodeView* const x = dequantizeOf(node.inputIndex(0));
        const module::NodeView* const w = dequantizeOf(node.inputIndex(1));
        if (mValue >= 0 || x == nullptr || w == nullptr) {
            refuse(node.op(), " of operands that are not quantized");
        }
        mChain.head = node;
        mChain.source = portOf(mBody.inputs(), x->inputIndex(0));
        mChain.weights = portOf(mBody.inputs(), w->inputIndex(0));
        mChain.sourceScale = scaleOf(*x);
        if (w->input(0).dtype() != TN_I8) {
            refuse("weights of ", module::nameOf(w->input(0).dtype()), "; i8 is possible");
        }
        const std::vector<int32_t> zeros = zerosOf(*w);
        const bool isShifted = std::any_of(zeros.begin(), zeros.end(), [](int32_t zero) { return zero != 0; });
        if (isShifted && zeros.size() != 1) {
            refuse("weights with several zero points");
        }
        mChain.weightZero = zeros[0];
        const auto scales = w->input(1).data<float>();
        mChain.weightScales.assign(scales.begin(), scales.end());
        if (scales.empty()) {
            refuse("weights whose scales are no constants");
        }
        if (scales.size() > 1) {
            checkAxis(node, *w);
        }
        if (node.inputCount() > 2 && node.hasInput(2)) {
            addBias(node.inputIndex(2));
        }
    }

    // Scales lie along the output channels.
    static void checkAxis(const module::NodeView& head, const module::NodeView& weights) {
        const int32_t rank = weights.input(0).rank();
        int64_t axis = weights.intOr("axis", 1);
        axis += axis < 0 ? rank : 0;
        const bool isConv = head.op() == "conv";
        const int64_t wanted = isConv ? 0 : head.intOr("trans_b", 0) != 0 ? rank - 2 : rank - 1;
        if (axis != wanted || (!isConv && rank != 2)) {
            refuse("weights with a scale for each index of dimension ", axis);
        }
    }

    void addBias(int32_t value) {
        const int32_t port = portOf(mBody.inputs(), value);
        if (port < 0 || mBody.value(value).dtype() != TN_F32) {
            refuse("a bias that is no f32 input of the region");
        }
        if (mChain.followers.empty()) {
            mChain.biases.push_back(port);
            return;
        }
        Follower follower;
        follower.kind = FollowerKind::kBias;
        follower.port = port;
        mChain.followers.push_back(follower);
    }

    void readFollower(const module::NodeView& node) {
        if (node.op() != "binary.add") {
            if (node.inputCount() != 1 || node.inputIndex(0) != mValue) {
                refuse(node.op(), " does not continue the region's chain");
            }
            Follower follower;
            follower.activation = activationOf(node);
            mChain.followers.push_back(follower);
            return;
        }
        const bool first = node.inputIndex(0) == mValue;
        const int32_t other = node.inputIndex(first ? 1 : 0);
        if ((!first && node.inputIndex(1) != mValue) || other == mValue) {
            refuse("an addition does not continue the region's chain");
        }
        if (mBody.value(other).isConstant()) {
            addBias(other);
            return;
        }
        if (mChain.residual() >= 0) {
            refuse("two residuals");
        }
        Follower follower;
        follower.kind = FollowerKind::kResidual;
        const module::NodeView* const dequantize = dequantizeOf(other);
        if (dequantize != nullptr) {
            follower.scale = scaleOf(*dequantize);
        }
        follower.port = portOf(mBody.inputs(), dequantize != nullptr ? dequantize->inputIndex(0) : other);
        if (follower.port < 0) {
            refuse("a residual that is no input of the region");
        }
        mChain.followers.push_back(follower);
    }

    module::GraphView mBody;
    QuantizedChain mChain;
    std::vector<module::NodeView> mDequantized;
    int32_t mValue = -1; // the end of the chain so far
};

bool isIntegerProduct(const module::NodeView& node) {
    return node.op() == "matmul_integer" || node.op() == "conv_integer";
}

// [scale = mul(a, b)], matmul_integer or conv_integer, cast, mul by the scale, [add], [activation]
class IntegerReader {
public:
    explicit IntegerReader(const module::GraphView& body) : mBody(body) {}

    QuantizedChain run() {
        if (mBody.outputs().size() != 1) {
            refuse("an integer product with ", mBody.outputs().size(), " outputs; one is possible");
        }
        for (size_t n = 0; n < mBody.nodeCount(); ++n) {
            const module::NodeView node = mBody.node(n);
            const bool follows = mValue >= 0 && (node.inputIndex(0) == mValue ||
                                                 (node.inputCount() > 1 && node.inputIndex(1) == mValue));
            if (isIntegerProduct(node)) {
                readHead(node);
            } else if (!follows && node.op() == "binary.mul") {
                mScale = node.outputIndex(0);
                mFactors = {portOf(mBody.inputs(), node.inputIndex(0)), portOf(mBody.inputs(), node.inputIndex(1))};
                continue;
            } else if (!follows) {
                refuse(node.op(), " does not continue the region's chain");
            } else {
                readFollower(node);
            }
            mValue = node.outputIndex(0);
        }
        if (mValue < 0 || mValue != mBody.outputs()[0] || mChain.scalePorts.empty()) {
            refuse("an integer product whose result stays an integer");
        }
        for (const std::vector<int32_t>* ports : {&mChain.scalePorts, &mChain.biases}) {
            for (const int32_t port : *ports) {
                if (port < 0 || !isPerColumn(mBody.value(mBody.inputs()[static_cast<size_t>(port)]))) {
                    refuse("a scale or bias that is no input of the region, or differs within a column");
                }
            }
        }
        return std::move(mChain);
    }

private:
    // One number, or one for each index of the dimension that weights make.
    bool isPerColumn(const module::ValueView& value) const {
        const int32_t rank = mChain.head.output(0).rank();
        const int32_t missing = rank - value.rank();
        for (int32_t d = 0; d < value.rank(); ++d) {
            if (!value.isStatic(d) ||
                (value.dim(d).opt != 1 && d + missing != (mChain.isConvolution() ? 1 : rank - 1))) {
                return false;
            }
        }
        return missing >= 0;
    }

    void readHead(const module::NodeView& node) {
        mChain.head = node;
        mChain.source = portOf(mBody.inputs(), node.inputIndex(0));
        mChain.weights = portOf(mBody.inputs(), node.inputIndex(1));
        mChain.weightScales = {1};
        if (mValue >= 0 || mChain.source < 0 || mChain.weights < 0 || node.input(1).dtype() != TN_I8) {
            refuse("a product of other than one source and i8 weights");
        }
        if (node.inputCount() > 2 && node.hasInput(2)) {
            mChain.zeroPort = portOf(mBody.inputs(), node.inputIndex(2));
            if (!isSingle(node.input(2)) || mChain.zeroPort < 0) {
                refuse("a zero point for each row");
            }
        }
        if (node.inputCount() > 3 && node.hasInput(3)) {
            const auto zeros = node.input(3).bytes();
            const bool isZero = std::all_of(zeros.begin(), zeros.end(), [](std::byte b) { return b == std::byte{0}; });
            if (zeros.empty() || (!isZero && zeros.size() != 1)) {
                refuse("weights with several zero points, or with one that is not known");
            }
            mChain.weightZero = static_cast<int8_t>(zeros[0]);
        }
    }

    void readFollower(const module::NodeView& node) {
        const int32_t other = node.inputCount() < 2          ? -1
                              : node.inputIndex(0) == mValue ? node.inputIndex(1)
                                                             : node.inputIndex(0);
        if (node.op() == "cast" && !mIsReal && node.output(0).dtype() == TN_F32) {
            mIsReal = true;
        } else if (node.op() == "binary.mul" && mIsReal && mChain.scalePorts.empty()) {
            mChain.scalePorts = other == mScale ? mFactors : std::vector<int32_t>{portOf(mBody.inputs(), other)};
        } else if (node.op() == "binary.add" && !mChain.scalePorts.empty() && mChain.biases.empty() &&
                   mChain.followers.empty() && portOf(mBody.inputs(), other) >= 0 && mBody.value(other).isConstant()) {
            mChain.biases.push_back(portOf(mBody.inputs(), other));
        } else if (node.inputCount() == 1 && !mChain.scalePorts.empty() && mChain.followers.empty()) {
            Follower follower;
            follower.activation = activationOf(node);
            mChain.followers.push_back(follower);
        } else {
            refuse(node.op(), " does not continue the region's chain");
        }
    }

    module::GraphView mBody;
    QuantizedChain mChain;
    int32_t mValue = -1;
    int32_t mScale = -1; // made inside the region from two factors
    std::vector<int32_t> mFactors;
    bool mIsReal = false;
};

bool isIntegerBody(const module::GraphView& body) {
    for (size_t n = 0; n < body.nodeCount(); ++n) {
        if (isIntegerProduct(body.node(n))) {
            return true;
        }
    }
    return false;
}

} // namespace

int32_t QuantizedChain::residual() const {
    for (const Follower& follower : followers) {
        if (follower.kind == FollowerKind::kResidual) {
            return follower.port;
        }
    }
    return -1;
}

bool isQuantizedBody(const module::GraphView& body) {
    return body.nodeCount() > 1 && (body.node(0).op() == "dequantize" || isIntegerBody(body));
}

QuantizedChain readQuantizedChain(const module::GraphView& body) {
    return isIntegerBody(body) ? IntegerReader(body).run() : Reader(body).run();
}

} // namespace tenon::onednn
