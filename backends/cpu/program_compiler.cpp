#include "backends/cpu/program_compiler.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace tenon::cpu {

namespace {

// One row per op: its step and what the step's parameters are called.
struct Row {
    std::string_view op;
    Step step;
    int32_t operands;
    int32_t cost = 1;
    std::string_view p0 = {};
    double fallback0 = 0;
    std::string_view p1 = {};
    double fallback1 = 0;
};

constexpr double kInfinity = std::numeric_limits<double>::infinity();

constexpr Row kRows[] = {
    {"unary.exp", Step::kExp, 1, 6},
    {"unary.log", Step::kLog, 1, 8},
    {"unary.sqrt", Step::kSqrt, 1, 3},
    {"unary.rsqrt", Step::kRsqrt, 1, 5},
    {"unary.recip", Step::kRecip, 1, 3},
    {"unary.abs", Step::kAbs, 1},
    {"unary.neg", Step::kNeg, 1},
    {"unary.sin", Step::kSin, 1, 10},
    {"unary.cos", Step::kCos, 1, 10},
    {"unary.tan", Step::kTan, 1, 60},
    {"unary.sinh", Step::kSinh, 1, 12},
    {"unary.cosh", Step::kCosh, 1, 10},
    {"unary.asin", Step::kAsin, 1, 12},
    {"unary.acos", Step::kAcos, 1, 12},
    {"unary.atan", Step::kAtan, 1, 12},
    {"unary.asinh", Step::kAsinh, 1, 20},
    {"unary.acosh", Step::kAcosh, 1, 20},
    {"unary.atanh", Step::kAtanh, 1, 20},
    {"unary.ceil", Step::kCeil, 1},
    {"unary.floor", Step::kFloor, 1},
    {"unary.round", Step::kRound, 1},
    {"unary.sign", Step::kSign, 1},
    {"unary.erf", Step::kErf, 1, 12},
    {"unary.not", Step::kNot, 1},
    {"unary.bitwise_not", Step::kBitwiseNot, 1},
    {"unary.isnan", Step::kIsNan, 1},
    {"unary.isinf", Step::kIsInf, 1, 1, "detect_positive", 1, "detect_negative", 1},
    {"activation.relu", Step::kRelu, 1},
    {"activation.sigmoid", Step::kSigmoid, 1, 8},
    {"activation.tanh", Step::kTanh, 1, 10},
    {"activation.softsign", Step::kSoftsign, 1, 3},
    {"activation.softplus", Step::kSoftplus, 1, 16},
    {"activation.mish", Step::kMish, 1, 24},
    {"activation.hard_swish", Step::kHardSwish, 1, 2},
    {"activation.leaky_relu", Step::kLeakyRelu, 1, 1, "alpha", 0.01},
    {"activation.elu", Step::kElu, 1, 8, "alpha", 1},
    {"activation.selu", Step::kSelu, 1, 8, "alpha", 1.67326319217681884765625, "gamma", 1.05070102214813232421875},
    {"activation.celu", Step::kCelu, 1, 10, "alpha", 1},
    {"activation.hard_sigmoid", Step::kHardSigmoid, 1, 2, "alpha", 0.2, "beta", 0.5},
    {"activation.scaled_tanh", Step::kScaledTanh, 1, 10, "alpha", 1, "beta", 1},
    {"activation.thresholded_relu", Step::kThresholdedRelu, 1, 1, "alpha", 1},
    {"activation.gelu_erf", Step::kGeluErf, 1, 8},
    {"activation.gelu_tanh", Step::kGeluTanh, 1, 10},
    {"activation.silu", Step::kSilu, 1, 8, "alpha", 1},
    {"activation.clip", Step::kClip, 1, 1, "min", -kInfinity, "max", kInfinity},
    {"binary.add", Step::kAdd, 2},
    {"binary.sub", Step::kSub, 2},
    {"binary.mul", Step::kMul, 2},
    {"binary.div", Step::kDiv, 2, 3},
    {"binary.max", Step::kMax, 2},
    {"binary.min", Step::kMin, 2},
    {"binary.pow", Step::kPow, 2, 40},
    {"binary.floor_div", Step::kFloorDiv, 2, 5},
    {"binary.mod", Step::kFloorMod, 2, 40},
    {"binary.and", Step::kAnd, 2},
    {"binary.or", Step::kOr, 2},
    {"binary.xor", Step::kXor, 2},
    {"binary.bitwise_and", Step::kAnd, 2},
    {"binary.bitwise_or", Step::kOr, 2},
    {"binary.bitwise_xor", Step::kXor, 2},
    {"binary.equal", Step::kEqual, 2},
    {"binary.less", Step::kLess, 2},
    {"binary.less_equal", Step::kLessEqual, 2},
    {"binary.greater", Step::kGreater, 2},
    {"binary.greater_equal", Step::kGreaterEqual, 2},
    {"prelu", Step::kPrelu, 2},
    {"where", Step::kWhere, 3},
    {"cast", Step::kToFloat, 1},
    {"identity", Step::kToFloat, 1},
    {"quantize", Step::kDiv, 2, 3},
    {"dequantize", Step::kMul, 2},
};

const Row* rowOf(std::string_view op) {
    const auto* found = std::find_if(std::begin(kRows), std::end(kRows), [&](const Row& row) { return row.op == op; });
    return found == std::end(kRows) ? nullptr : found;
}

constexpr TypeMask kNarrow = maskOf(TN_U8) | maskOf(TN_I8);

bool isComparison(Step step) {
    return step == Step::kEqual || step == Step::kLess || step == Step::kLessEqual || step == Step::kGreater ||
           step == Step::kGreaterEqual || step == Step::kIsNan || step == Step::kIsInf;
}

// Narrow integers are computed in 32 bits: only where the result is one of the operands, or a comparison, does that not show.
bool keepsNarrow(Step step) {
    return isComparison(step) || step == Step::kWhere || step == Step::kMax || step == Step::kMin ||
           step == Step::kAnd || step == Step::kOr || step == Step::kXor;
}

int64_t boundOf(double value) {
    return value <= -0x1p63  ? std::numeric_limits<int64_t>::min()
           : value >= 0x1p63 ? std::numeric_limits<int64_t>::max()
                             : static_cast<int64_t>(value);
}

void setParameters(ProgramStep& step, const Row& row, const module::NodeView& node, TnDataType type) {
    if (row.p0.empty()) {
        return;
    }
    const double p0 = node.floatOr(row.p0, row.fallback0);
    const double p1 = row.p1.empty() ? 0 : node.floatOr(row.p1, row.fallback1);
    step.p0 = static_cast<float>(p0);
    step.p1 = static_cast<float>(p1);
    step.low = boundOf(std::ceil(p0));
    step.high = boundOf(std::floor(p1));
    if (type == TN_I32) {
        step.low = std::clamp<int64_t>(step.low, INT32_MIN, INT32_MAX);
        step.high = std::clamp<int64_t>(step.high, INT32_MIN, INT32_MAX);
    }
}

class Compiler {
public:
    explicit Compiler(const module::GraphView& body) : mBody(body), mOfValue(body.valueCount(), -1) {}

    CompiledProgram run() {
        for (size_t port = 0; port < mBody.inputs().size(); ++port) {
            const int32_t value = mBody.inputs()[port];
            const module::ValueView view = mBody.value(value);
            if (!view.isTensor() || !view.hasRank()) {
                refuse("a pointwise program over something that is no tensor of known rank");
            }
            mOfValue[static_cast<size_t>(value)] = addRegister(classOf(view.dtype(), "a pointwise program"));
            mProgram.registers.back().inputPort = static_cast<int32_t>(port);
        }
        for (size_t n = 0; n < mBody.nodeCount(); ++n) {
            compileNode(mBody.node(n));
        }
        for (size_t port = 0; port < mBody.outputs().size(); ++port) {
            const int32_t value = mBody.outputs()[port];
            const int32_t found = mOfValue[static_cast<size_t>(value)];
            if (found < 0) {
                invalid("an output of the region is made by no node of it");
            }
            mProgram.registers[static_cast<size_t>(found)].outputPorts.push_back(static_cast<int32_t>(port));
        }
        for (const ProgramStep& step : mProgram.steps) {
            mProgram.cost += step.cost;
        }
        return std::move(mProgram);
    }

private:
    int32_t addRegister(ElementClass type) {
        mProgram.registers.push_back({type, -1, {}});
        return static_cast<int32_t>(mProgram.registers.size()) - 1;
    }

    int32_t emit(ProgramStep step, ElementClass result) {
        if (stepTable().of(step.step, step.type) == nullptr) {
            refuse(mOp, " of ", nameOf(mType), "; that element type has no such operation here");
        }
        step.to = addRegister(result);
        mProgram.steps.push_back(step);
        return step.to;
    }

    int32_t converted(int32_t from, ElementClass to) {
        const ElementClass type = mProgram.registers[static_cast<size_t>(from)].type;
        if (type == to) {
            return from;
        }
        ProgramStep step;
        step.step = to == ElementClass::kFloat  ? Step::kToFloat
                    : to == ElementClass::kInt  ? Step::kToInt
                    : to == ElementClass::kLong ? Step::kToLong
                                                : Step::kToBool;
        step.type = type;
        step.operands[0] = from;
        step.low = to == ElementClass::kInt ? std::numeric_limits<int32_t>::min() : std::numeric_limits<int64_t>::min();
        step.high =
            to == ElementClass::kInt ? std::numeric_limits<int32_t>::max() : std::numeric_limits<int64_t>::max();
        return emit(step, to);
    }

    int32_t cast(int32_t from, TnDataType fromType, TnDataType to) {
        const ElementClass type = mProgram.registers[static_cast<size_t>(from)].type;
        const ElementClass target = classOf(to, mOp);
        ProgramStep step;
        step.operands[0] = from;
        step.type = type;
        if (contains(kNarrow, to) && type == ElementClass::kFloat) {
            step.step = Step::kToInt;
            step.low = to == TN_U8 ? 0 : -128;
            step.high = to == TN_U8 ? 255 : 127;
            return emit(step, target);
        }
        if (contains(kNarrow, to) && fromType != to && to != TN_BOOL) {
            // The low bits, then what they mean.
            const int32_t wide = converted(from, ElementClass::kInt);
            if (mBody.nodeCount() > 1) {
                refuse("cast from ", nameOf(fromType), " to ", nameOf(to), " inside a region");
            }
            return wide;
        }
        const int32_t result = converted(from, target);
        if ((to == TN_F16 || to == TN_BF16) && fromType != to) {
            // A cast inside a region rounds as it would outside.
            step.operands[0] = result;
            step.type = ElementClass::kFloat;
            step.step = to == TN_F16 ? Step::kRoundToF16 : Step::kRoundToBf16;
            return emit(step, ElementClass::kFloat);
        }
        return result;
    }

    void compileNode(const module::NodeView& node) {
        const Row* row = rowOf(node.op());
        if (row == nullptr) {
            refuse(node.op(), " is not pointwise");
        }
        mOp = std::string(node.op());
        if (node.inputCount() < row->operands || node.outputCount() != 1 || node.outputIndex(0) < 0) {
            refuse(mOp, " with ", node.inputCount(), " inputs and ", node.outputCount(), " outputs");
        }
        int32_t operands[3] = {-1, -1, -1};
        TnDataType types[3] = {};
        for (int32_t i = 0; i < row->operands; ++i) {
            if (!node.hasInput(i) || mOfValue[static_cast<size_t>(node.inputIndex(i))] < 0) {
                invalid(mOp, " without its input ", i);
            }
            operands[i] = mOfValue[static_cast<size_t>(node.inputIndex(i))];
            types[i] = node.input(i).dtype();
        }
        const int32_t valueOperand = row->step == Step::kWhere ? 1 : 0;
        mType = types[valueOperand];
        const auto result = static_cast<size_t>(node.outputIndex(0));
        const TnDataType resultType = node.output(0).dtype();
        if (mOp == "identity") {
            mOfValue[result] = operands[0];
            return;
        }
        if (mOp == "cast") {
            mOfValue[result] = cast(operands[0], types[0], resultType);
            return;
        }
        if (mOp == "quantize" || mOp == "dequantize") {
            mOfValue[result] = mOp == "quantize" ? quantize(node, operands[0], operands[1])
                                                 : dequantize(node, operands[0], operands[1]);
            return;
        }
        if (row->step == Step::kPow) {
            // The exponent may be of another type.
            requireFloat(types[0]);
            operands[1] = converted(operands[1], ElementClass::kFloat);
        } else {
            for (int32_t i = valueOperand + 1; i < row->operands; ++i) {
                if (types[i] != mType) {
                    refuse(mOp, " of ", nameOf(mType), " and ", nameOf(types[i]));
                }
            }
        }
        if (contains(kNarrow, mType) && !keepsNarrow(row->step)) {
            refuse(mOp, " of ", nameOf(mType), "; supported are f32, f16, bf16, i32, i64");
        }
        ProgramStep step;
        step.step = row->step == Step::kFloorMod && node.intOr("fmod", 0) != 0 ? Step::kTruncatedMod : row->step;
        step.type = classOf(mType, mOp);
        std::copy(std::begin(operands), std::end(operands), std::begin(step.operands));
        step.cost = row->cost;
        setParameters(step, *row, node, mType);
        const ElementClass resultClass = isComparison(step.step) ? ElementClass::kBool : step.type;
        if (resultClass != classOf(resultType, mOp)) {
            refuse(mOp, " of ", nameOf(mType), " giving ", nameOf(resultType));
        }
        mOfValue[result] = emit(step, resultClass);
    }

    // One step of arithmetic between floats.
    int32_t compute(Step which, int32_t a, int32_t b = -1, int32_t cost = 1) {
        ProgramStep step;
        step.step = which;
        step.type = ElementClass::kFloat;
        step.operands[0] = a;
        step.operands[1] = b;
        step.cost = cost;
        return emit(step, ElementClass::kFloat);
    }

    // The zero point as a float; -1: there is none, or it is zero.
    int32_t zeroOf(const module::NodeView& node) {
        if (node.inputCount() < 3 || !node.hasInput(2)) {
            return -1;
        }
        const module::ValueView zero = node.input(2);
        const auto shown = zero.data<uint8_t>();
        if (shown.size() == 1 && shown[0] == 0) {
            return -1;
        }
        const int32_t from = mOfValue[static_cast<size_t>(node.inputIndex(2))];
        if (from < 0) {
            invalid(mOp, " without its zero point");
        }
        return converted(from, ElementClass::kFloat);
    }

    // Between f32 and bytes, with one scale and zero point for all elements.
    void requireOneScale(const module::NodeView& node, const module::ValueView& bytes, const module::ValueView& reals) {
        if (!contains(kNarrow, bytes.dtype()) || reals.dtype() != TN_F32 || node.input(1).dtype() != TN_F32) {
            refuse(mOp, " between ", nameOf(reals.dtype()), " and ", nameOf(bytes.dtype()),
                   "; f32 and i8, u8 are possible");
        }
        for (int32_t i = 1; i < node.inputCount(); ++i) {
            const bool single =
                !node.hasInput(i) || node.input(i).rank() == 0 ||
                (node.input(i).rank() == 1 && node.input(i).isStatic() && node.input(i).optElements() == 1);
            if (!single) {
                refuse(mOp, " with several scales");
            }
        }
    }

    // Constants, where both are shown: one step instead of several.
    bool readParameters(const module::NodeView& node, ProgramStep& step) const {
        const auto scale = node.input(1).data<float>();
        const bool hasZero = node.inputCount() > 2 && node.hasInput(2);
        if (scale.size() != 1 || !(scale[0] > 1e-30F && scale[0] < 1e30F) ||
            (hasZero && node.input(2).bytes().size() != 1)) {
            return false;
        }
        step.p0 = scale[0];
        if (hasZero) {
            const auto byte = static_cast<uint8_t>(node.input(2).bytes()[0]);
            step.p1 = node.input(2).dtype() == TN_I8 ? static_cast<int8_t>(byte) : byte;
        }
        return true;
    }

    int32_t dequantize(const module::NodeView& node, int32_t x, int32_t scale) {
        requireOneScale(node, node.input(0), node.output(0));
        ProgramStep whole;
        whole.step = Step::kFromCodes;
        whole.type = ElementClass::kInt;
        whole.operands[0] = x;
        if (readParameters(node, whole)) {
            return emit(whole, ElementClass::kFloat);
        }
        int32_t value = converted(x, ElementClass::kFloat);
        if (const int32_t zero = zeroOf(node); zero >= 0) {
            value = compute(Step::kSub, value, zero);
        }
        return compute(Step::kMul, value, scale);
    }

    int32_t quantize(const module::NodeView& node, int32_t x, int32_t scale) {
        requireOneScale(node, node.output(0), node.input(0));
        ProgramStep step;
        step.type = ElementClass::kFloat;
        const bool isSigned = node.output(0).dtype() == TN_I8;
        step.low = isSigned ? -128 : 0;
        step.high = isSigned ? 127 : 255;
        if (readParameters(node, step)) {
            step.step = Step::kToCodes;
            step.operands[0] = x;
            step.cost = 2;
            return emit(step, ElementClass::kInt);
        }
        int32_t value = compute(Step::kRound, compute(Step::kDiv, x, scale, 3));
        if (const int32_t zero = zeroOf(node); zero >= 0) {
            value = compute(Step::kAdd, value, zero);
        }
        step.step = Step::kToInt;
        step.operands[0] = value;
        return emit(step, ElementClass::kInt);
    }

    void requireFloat(TnDataType type) const {
        if (classOf(type, mOp) != ElementClass::kFloat) {
            refuse(mOp, " of ", nameOf(type), "; supported are f32, f16, bf16");
        }
    }

    module::GraphView mBody;
    std::vector<int32_t> mOfValue; // register of each value
    CompiledProgram mProgram;
    std::string mOp;
    TnDataType mType = TN_F32;
};

} // namespace

bool isPointwise(std::string_view op) { return rowOf(op) != nullptr; }

std::optional<ProgramStep> floatStep(const module::NodeView& node) {
    const Row* const row = rowOf(node.op());
    const bool isFloat = row != nullptr && node.inputCount() == 1 && node.outputCount() == 1 && row->operands == 1 &&
                         node.input(0).dtype() == TN_F32 && node.output(0).dtype() == TN_F32;
    if (!isFloat || row->op == "cast" || row->op == "identity") {
        return std::nullopt;
    }
    ProgramStep step;
    step.step = row->step;
    step.cost = row->cost;
    setParameters(step, *row, node, TN_F32);
    return stepTable().of(step.step, step.type) == nullptr ? std::nullopt : std::optional<ProgramStep>(step);
}

ElementClass classOf(TnDataType type, std::string_view op) {
    switch (type) {
    case TN_F32:
    case TN_F16:
    case TN_BF16:
        return ElementClass::kFloat;
    case TN_I32:
    case TN_U8:
    case TN_I8:
        return ElementClass::kInt;
    case TN_I64:
        return ElementClass::kLong;
    case TN_BOOL:
        return ElementClass::kBool;
    default:
        refuse(op, " of ", nameOf(type),
               "; supported are f32, f16, bf16, i32, i64, bool and, where nothing is computed, u8, i8");
    }
}

CompiledProgram compileProgram(const module::GraphView& body) {
    if (body.nodeCount() == 0 || body.nodeCount() > 200) {
        refuse("a region of ", body.nodeCount(), " nodes; a pointwise program has 1 to 200");
    }
    return Compiler(body).run();
}

} // namespace tenon::cpu
