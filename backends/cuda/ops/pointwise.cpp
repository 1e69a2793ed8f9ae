#include "backends/cuda/pointwise.h"

#include "backends/common/strided.h"
#include "backends/cuda/device_text.h"
#include "backends/cuda/op_table.h"

#include <cmath>
#include <limits>

namespace tenon::cuda {

namespace {

using module::GraphView;
using module::NodeView;
using module::ValueView;

std::string valueName(int32_t index) { return module::text("v", index); }
std::string wideOf(TnDataType type) { return module::text("Of<", cudaName(type), ">::Wide"); }

// `op` as a function's name: '.' becomes '_'.
std::string functionName(std::string_view op) {
    std::string name(op);
    for (char& c : name) {
        c = c == '.' ? '_' : c;
    }
    return name;
}

// The bounds of a clip as literals of the wide type; those of integers are cut to the type.
std::pair<std::string, std::string> boundsOf(TnDataType type, double low, double high) {
    if (contains(kFloats, type)) {
        return {literal(low), literal(high)};
    }
    if (type == TN_U64) {
        const auto bound = [](double value) {
            const uint64_t cut = value <= 0 ? 0 : value >= 0x1p64 ? UINT64_MAX : static_cast<uint64_t>(value);
            return std::to_string(cut) + "ULL";
        };
        return {bound(low), bound(high)};
    }
    const int bits = bitsOf(type);
    const bool isSigned = contains(kSignedInts, type);
    const double least = isSigned ? -std::ldexp(1.0, bits - 1) : 0.0;
    const double most = isSigned ? std::ldexp(1.0, bits - 1) - 1 : std::ldexp(1.0, bits) - 1;
    const auto bound = [](double value) -> std::string {
        if (value <= -0x1p63) {
            return "(-0x7fffffffffffffffLL - 1)";
        }
        return value >= 0x1p63 ? "0x7fffffffffffffffLL" : module::text("(", static_cast<int64_t>(value), "LL)");
    };
    return {bound(std::ceil(std::min(std::max(low, least), most))),
            bound(std::floor(std::min(std::max(high, least), most)))};
}

std::string activationArguments(const NodeView& node) {
    const std::string_view op = node.op();
    const auto number = [&](std::string_view name, double fallback) {
        return ", " + literal(node.floatOr(name, fallback));
    };
    if (op == "activation.leaky_relu") {
        return number("alpha", 0.01);
    }
    if (op == "activation.elu" || op == "activation.celu" || op == "activation.thresholded_relu" ||
        op == "activation.silu") {
        return number("alpha", 1);
    }
    if (op == "activation.selu") {
        return number("alpha", 1.67326319217681884765625) + number("gamma", 1.05070102214813232421875);
    }
    if (op == "activation.hard_sigmoid") {
        return number("alpha", 0.2) + number("beta", 0.5);
    }
    if (op == "activation.scaled_tanh") {
        return number("alpha", 1) + number("beta", 1);
    }
    return {};
}

// The expression of a node's result, in wide types.
std::string expressionOf(const NodeView& node) {
    const std::string_view op = node.op();
    const auto operand = [&](int32_t i) { return valueName(node.inputIndex(i)); };
    const TnDataType first = node.input(0).dtype();
    const TnDataType result = node.output(0).dtype();
    const std::string resultName(cudaName(result));
    if (op == "identity") {
        return operand(0);
    }
    if (op == "cast") {
        return module::text("widen(cast<", resultName, ">(", operand(0), ", ", node.intOr("saturate", 1) != 0, "))");
    }
    if (op == "quantize") {
        return module::text("widen(quantize<", resultName, ", ", cudaName(first), ">(", operand(0), ", ", operand(1),
                            ", ", node.hasInput(2) ? operand(2) : "0LL", ", ", node.intOr("saturate", 1) != 0, "))");
    }
    if (op == "dequantize") {
        return module::text("fixed<", resultName, ">(dequantize(", operand(0), ", ", operand(1), ", ",
                            node.hasInput(2) ? operand(2) : "0LL", "))");
    }
    if (op == "batch_norm") {
        std::string arguments = operand(0);
        for (int32_t i = 1; i < 5; ++i) {
            arguments += module::text(", (", wideOf(first), ")", operand(i));
        }
        return module::text("fixed<", resultName, ">(batch_norm(", arguments, ", ",
                            literal(node.floatOr("epsilon", 1e-5)), "))");
    }
    if (op == "activation.relu" || op == "activation.clip") {
        const double infinity = std::numeric_limits<double>::infinity();
        const bool isRelu = op == "activation.relu";
        const auto [low, high] = boundsOf(first, isRelu ? 0 : node.floatOr("min", -infinity),
                                          isRelu ? infinity : node.floatOr("max", infinity));
        return module::text("fixed<", resultName, ">(activation_clip(", operand(0), ", (", wideOf(first), ")", low,
                            ", (", wideOf(first), ")", high, "))");
    }
    std::string name = functionName(op);
    std::string arguments;
    for (int32_t i = 0; i < node.inputCount(); ++i) {
        arguments += (i == 0 ? "" : ", ") + operand(i);
    }
    if (op == "binary.mod" && node.intOr("fmod", 0) != 0) {
        name = "binary_mod_truncated";
    } else if (op == "unary.isinf") {
        arguments +=
            module::text(", ", node.intOr("detect_positive", 1) != 0, ", ", node.intOr("detect_negative", 1) != 0);
    } else {
        arguments += activationArguments(node);
    }
    return module::text("fixed<", resultName, ">(", name, "(", arguments, "))");
}

// How a node reads its operand: by numpy's rules, per channel, or along an axis.
enum class Reading { kBroadcast, kChannel, kAxis };
struct Reader {
    Reading reading = Reading::kBroadcast;
    int64_t fromEnd = 0; // the dimension, counted from the last
};

Reader readerOf(const NodeView& node, int32_t operand) {
    const int32_t rank = node.input(0).rank();
    if (operand > 0 && node.op() == "batch_norm") {
        return {Reading::kChannel, rank < 2 ? 0 : rank - 1};
    }
    if (operand > 0 && (node.op() == "quantize" || node.op() == "dequantize") && node.input(1).rank() > 0 && rank > 0) {
        return {Reading::kAxis,
                rank - normalizeAxis(node.intOr("axis", 1), static_cast<size_t>(std::max<int64_t>(rank, 1)))};
    }
    return {};
}

// Of a body's input; throws where two nodes read it differently.
Reader readerOfInput(const GraphView& body, int32_t value) {
    bool found = false;
    Reader reader;
    for (size_t n = 0; n < body.nodeCount(); ++n) {
        const NodeView node = body.node(n);
        for (int32_t i = 0; i < node.inputCount(); ++i) {
            if (!node.hasInput(i) || node.inputIndex(i) != value) {
                continue;
            }
            const Reader here = readerOf(node, i);
            if (found && (here.reading != reader.reading || here.fromEnd != reader.fromEnd)) {
                refuse("a region that reads one tensor in two ways");
            }
            reader = here;
            found = true;
        }
    }
    return reader;
}

// Strides of an input over the output's dimensions.
Dims stridesOver(const Shape& input, const Reader& reader, const Dims& out, std::string_view op) {
    Dims strides(out.size(), 0);
    if (reader.reading == Reading::kBroadcast) {
        if (input.dims.size() > out.size()) {
            invalid("shape ", shapeText(input.dims), " does not broadcast to ", shapeText(out));
        }
        Dims own(input.dims.size() + 1, 0);
        module::stridesOf(input.format, input.dims.data(), own.data());
        const size_t shift = out.size() - input.dims.size();
        for (size_t d = 0; d < input.dims.size(); ++d) {
            if (input.dims[d] == out[d + shift]) {
                strides[d + shift] = input.dims[d] == 1 ? 0 : own[d];
            } else if (input.dims[d] != 1) {
                invalid("shape ", shapeText(input.dims), " does not broadcast to ", shapeText(out));
            }
        }
        return strides;
    }
    if (input.elements == 1) {
        return strides;
    }
    const auto fromEnd = static_cast<size_t>(reader.fromEnd);
    if (fromEnd < 1 || fromEnd > out.size() || out[out.size() - fromEnd] != input.elements) {
        invalid(op, ": ", input.elements, " factors for shape ", shapeText(out));
    }
    strides[out.size() - fromEnd] = 1;
    return strides;
}

bool sameExtents(const ValueView& a, const ValueView& b) {
    if (a.rank() != b.rank()) {
        return false;
    }
    for (int32_t d = 0; d < a.rank(); ++d) {
        const TnDim& x = a.dim(d);
        const TnDim& y = b.dim(d);
        const bool same = x.min == y.min && x.max == y.max && (x.min == x.max || (x.expr == y.expr && x.expr >= 0));
        if (!same) {
            return false;
        }
    }
    return true;
}

void checkBinaryTypes(const NodeView& node) { requireSameTypes(node); }
void checkPow(const NodeView& node) { requireType(node, 1, kNumeric); }
void checkWhere(const NodeView& node) {
    requireType(node, 1, kWholeBytes);
    if (node.input(2).dtype() != node.input(1).dtype() || node.output(0).dtype() != node.input(1).dtype()) {
        refuse("where of ", nameOf(node.input(1).dtype()), " and ", nameOf(node.input(2).dtype()), " giving ",
               nameOf(node.output(0).dtype()), "; all three must be of one type");
    }
}
void checkCast(const NodeView& node) {
    if (!contains(kWholeBytes, node.output(0).dtype())) {
        refuse("cast to ", nameOf(node.output(0).dtype()), "; supported are ", namesOf(kWholeBytes));
    }
}
constexpr TypeMask kQuantized = maskOf(TN_I8) | maskOf(TN_U8) | maskOf(TN_I16) | maskOf(TN_U16);
constexpr TypeMask kQuantizedFloats = maskOf(TN_F8E4M3) | maskOf(TN_F8E5M2);
void checkScales(const NodeView& node) {
    requireType(node, 1, kFloats);
    if (node.input(1).rank() > 1) {
        refuse(node.op(), " with scales of rank ", node.input(1).rank());
    }
    if (node.hasInput(2) && node.input(2).rank() != node.input(1).rank()) {
        refuse(node.op(), " with a zero point of another rank than its scale");
    }
}
void checkQuantize(const NodeView& node) {
    checkScales(node);
    const TnDataType to = node.output(0).dtype();
    if (!contains(kQuantized | kQuantizedFloats, to) || (node.hasInput(2) && node.input(2).dtype() != to)) {
        refuse("quantize to ", nameOf(to), "; supported are ", namesOf(kQuantized | kQuantizedFloats),
               ", with a zero point of the same type");
    }
}
void checkDequantize(const NodeView& node) {
    checkScales(node);
    if (!contains(kFloats, node.output(0).dtype()) ||
        (node.hasInput(2) && node.input(2).dtype() != node.input(0).dtype())) {
        refuse("dequantize of ", nameOf(node.input(0).dtype()), " to ", nameOf(node.output(0).dtype()));
    }
}
void checkBatchNorm(const NodeView& node) {
    for (int32_t i = 1; i < node.inputCount(); ++i) {
        requireType(node, i, kFloats);
    }
}

} // namespace

std::string pointwiseExpression(const NodeView& node) { return expressionOf(node); }
std::string pointwiseName(int32_t index) { return valueName(index); }

bool isPointwise(std::string_view op) {
    const OpEntry* entry = OpTable::instance().find(op);
    return entry != nullptr && entry->plan == nullptr;
}

void checkPointwise(const Task& task) {
    const GraphView& body = task.body;
    if (body.inputs().size() > kMostInputs || body.outputs().size() > kMostOutputs || body.outputs().empty()) {
        refuse("a region of ", body.inputs().size(), " inputs and ", body.outputs().size(), " outputs; at most ",
               kMostInputs, " and ", kMostOutputs, " are supported");
    }
    for (const int32_t output : body.outputs()) {
        if (!sameExtents(body.value(output), body.value(body.outputs()[0]))) {
            refuse("a region whose outputs differ in shape");
        }
    }
    for (const int32_t input : body.inputs()) {
        readerOfInput(body, input);
    }
}

std::string printPointwise(const Task& task, bool wideIndex) {
    const GraphView& body = task.body;
    Source source(wideIndex);
    source.define("OPERANDS", std::to_string(body.inputs().size()));
    std::string parameters;
    std::string atOnce;
    std::string loads;
    std::string manyArguments;
    std::string statements;
    for (size_t i = 0; i < body.inputs().size(); ++i) {
        const std::string_view type = cudaName(task.inputs[i].dtype);
        const int32_t value = body.inputs()[i];
        parameters += module::text(i == 0 ? "" : ", ", "const ", type, " x", i);
        atOnce += module::text(i == 0 ? "" : ", ", "static_cast<const ", type, "*>(ports.in[", i, "])[at[", i, "]]");
        manyArguments += module::text(i == 0 ? "" : ", ", "f", i, ".each[e]");
        const std::string pointer = module::text("static_cast<const ", type, "*>(ports.in[", i, "]) + at[", i, "]");
        loads += module::text("    Pack<", type, ", MANY> f", i, ";\n    if (a.strides[", i,
                              "][a.rank - 1] != 0) {\n        f", i, " = *reinterpret_cast<const Pack<", type,
                              ", MANY>*>(", pointer, ");\n    } else {\n        const ", type, " one = *(", pointer,
                              ");\n#pragma unroll\n        for (int e = 0; e < MANY; ++e) {\n            f", i,
                              ".each[e] = one;\n        }\n    }\n");
        statements += module::text("    const auto ", valueName(value), " = (", wideOf(body.value(value).dtype()),
                                   ")widen(x", i, ");\n");
    }
    for (size_t n = 0; n < body.nodeCount(); ++n) {
        const NodeView node = body.node(n);
        statements += module::text("    const auto ", valueName(node.outputIndex(0)), " = ", expressionOf(node), ";\n");
    }
    std::string stores;
    for (size_t o = 0; o < body.outputs().size(); ++o) {
        const std::string_view type = cudaName(task.outputs[o].dtype);
        const std::string_view comma = parameters.empty() && o == 0 ? "" : ", ";
        parameters += module::text(comma, type, "& y", o);
        atOnce += module::text(comma, "static_cast<", type, "*>(ports.out[", o, "])[i]");
        manyArguments += module::text(comma, "r", o, ".each[e]");
        loads += module::text("    Pack<", type, ", MANY> r", o, ";\n");
        stores += module::text("    static_cast<Pack<", type, ", MANY>*>(ports.out[", o, "])[g] = r", o, ";\n");
        statements += module::text("    narrow(", valueName(body.outputs()[o]), ", y", o, ");\n");
    }
    source.declare(module::text("__device__ inline void compute(", parameters, ") {\n", statements, "}"));
    source.declare(
        module::text("__device__ inline void computeAt(const Ports& ports, const Index* at, Index i) {\n    compute(",
                     atOnce, ");\n}"));
    source.declare(module::text("template <int MANY>\n__device__ inline void computeMany(const PointwiseArgs& a, const "
                                "Ports& ports, const Index* at, "
                                "Index g) {\n",
                                loads, "#pragma unroll\n    for (int e = 0; e < MANY; ++e) {\n        compute(",
                                manyArguments, ");\n    }\n", stores, "}"));
    return source.text({kFunctionsText, kPointwiseText});
}

void planPointwise(const Task& task, const PortShapes& shapes, DevicePlan& plan) {
    const GraphView& body = task.body;
    const Shape& out = shapes.outputs[0];
    // Walked in the order in which outputs lie in memory, so that an output's offset is its number.
    Dims order;
    for (int32_t d = 0; d < out.format.rank; ++d) {
        order.push_back(out.format.order[d]);
    }
    const auto permuted = [&](const Dims& logical) {
        Dims result;
        for (const int64_t d : order) {
            result.push_back(logical[static_cast<size_t>(d)]);
        }
        return result;
    };
    for (const Shape& each : shapes.outputs) {
        if (each.dims != out.dims) {
            invalid("a region with outputs of shapes ", shapeText(out.dims), " and ", shapeText(each.dims));
        }
    }
    const Dims dims = permuted(out.dims);
    std::vector<Dims> strides{rowMajorStrides(dims)};
    for (size_t i = 0; i < shapes.inputs.size(); ++i) {
        const Reader reader = readerOfInput(body, body.inputs()[i]);
        strides.push_back(permuted(stridesOver(shapes.inputs[i], reader, out.dims, body.node(0).op())));
    }
    const StridedLoop loop = collapse(dims, strides);
    PointwiseArgs args{};
    args.count = out.elements;
    args.rank = static_cast<int>(loop.dims.size());
    fill(args.dims, loop.dims, kLoopDims);
    for (size_t i = 0; i < shapes.inputs.size(); ++i) {
        fill(args.strides[i], loop.strides[i + 1], kLoopDims);
    }
    // Several at a time where the innermost dimension is contiguous or repeated everywhere and they stay aligned.
    const auto fits = [&](int64_t many) {
        bool all = loop.dims.size() == 1 || loop.dims.back() % many == 0;
        for (size_t i = 0; i < shapes.inputs.size(); ++i) {
            const Dims& own = loop.strides[i + 1];
            all = all && (own.back() == 1 || own.back() == 0);
            for (size_t d = 0; d + 1 < own.size(); ++d) {
                all = all && (own.back() == 0 || own[d] % many == 0);
            }
        }
        return all;
    };
    const auto isNarrow = [](const Shape& shape) { return bytesOf(shape.dtype) <= 2; };
    // Eight of them only where there is work for all threads of a large device all the same.
    constexpr int64_t kManyElements = int64_t{1} << 22;
    if (out.elements >= kManyElements && isNarrow(out) && isNarrow(shapes.inputs[0]) && fits(8)) {
        plan.launch("pointwise8", (out.elements + 7) / 8, args);
    } else if (fits(4)) {
        plan.launch("pointwise4", (out.elements + 3) / 4, args);
    } else {
        plan.launch("pointwise", out.elements, args);
    }
}

void addPointwise(OpTable& table) {
    const auto add = [&](const KernelDef& checks, bool reducible = true) {
        table.add({.checks = checks, .reducible = reducible, .channelsLast = true});
    };
    for (const std::string_view op : {"unary.exp",
                                      "unary.log",
                                      "unary.sqrt",
                                      "unary.rsqrt",
                                      "unary.recip",
                                      "unary.sin",
                                      "unary.cos",
                                      "unary.tan",
                                      "unary.sinh",
                                      "unary.cosh",
                                      "unary.asin",
                                      "unary.acos",
                                      "unary.atan",
                                      "unary.asinh",
                                      "unary.acosh",
                                      "unary.atanh",
                                      "unary.ceil",
                                      "unary.floor",
                                      "unary.round",
                                      "unary.erf",
                                      "activation.sigmoid",
                                      "activation.tanh",
                                      "activation.softsign",
                                      "activation.softplus",
                                      "activation.mish",
                                      "activation.hard_swish",
                                      "activation.leaky_relu",
                                      "activation.elu",
                                      "activation.selu",
                                      "activation.celu",
                                      "activation.hard_sigmoid",
                                      "activation.scaled_tanh",
                                      "activation.thresholded_relu",
                                      "activation.gelu_erf",
                                      "activation.gelu_tanh",
                                      "activation.silu"}) {
        add({.op = op, .types = kFloats});
    }
    for (const std::string_view op : {"unary.abs", "unary.neg", "unary.sign", "activation.relu", "activation.clip"}) {
        add({.op = op, .types = kNumeric});
    }
    add({.op = "unary.not", .types = kBool});
    add({.op = "unary.bitwise_not", .types = kInts});
    add({.op = "unary.isnan", .types = kFloats, .output = OutputRule::kTruth});
    add({.op = "unary.isinf", .types = kFloats, .output = OutputRule::kTruth});
    const auto binary = [&](std::string_view op, TypeMask types, OutputRule output) {
        add({.op = op, .minInputs = 2, .maxInputs = 2, .types = types, .output = output, .check = checkBinaryTypes});
    };
    for (const std::string_view op :
         {"binary.add", "binary.sub", "binary.mul", "binary.div", "binary.floor_div", "binary.mod"}) {
        binary(op, kNumeric, OutputRule::kLikeInput0);
    }
    for (const std::string_view op : {"binary.max", "binary.min"}) {
        binary(op, kNumeric | kBool, OutputRule::kLikeInput0);
    }
    add({.op = "binary.pow", .minInputs = 2, .maxInputs = 2, .types = kNumeric, .check = checkPow});
    for (const std::string_view op : {"binary.and", "binary.or", "binary.xor"}) {
        binary(op, kBool, OutputRule::kTruth);
    }
    for (const std::string_view op :
         {"binary.bitwise_and", "binary.bitwise_or", "binary.bitwise_xor", "binary.shift_left", "binary.shift_right"}) {
        binary(op, kInts, OutputRule::kLikeInput0);
    }
    binary("binary.equal", kNumeric | kBool, OutputRule::kTruth);
    for (const std::string_view op : {"binary.less", "binary.less_equal", "binary.greater", "binary.greater_equal"}) {
        binary(op, kNumeric, OutputRule::kTruth);
    }
    add({.op = "where",
         .minInputs = 3,
         .maxInputs = 3,
         .types = kBool,
         .output = OutputRule::kAny,
         .check = checkWhere});
    add({.op = "prelu", .minInputs = 2, .maxInputs = 2, .types = kNumeric, .check = checkBinaryTypes});
    add({.op = "identity", .types = kWholeBytes});
    add({.op = "cast", .types = kWholeBytes, .output = OutputRule::kAny, .check = checkCast});
    add({.op = "batch_norm", .minInputs = 5, .maxInputs = 5, .types = kFloats, .check = checkBatchNorm});
    // Rounding to the tensor's own type is part of what quantize is.
    add({.op = "quantize",
         .minInputs = 2,
         .maxInputs = 3,
         .types = kFloats,
         .output = OutputRule::kAny,
         .check = checkQuantize},
        false);
    add({.op = "dequantize",
         .minInputs = 2,
         .maxInputs = 3,
         .types = kQuantized | kQuantizedFloats | maskOf(TN_I32),
         .output = OutputRule::kAny,
         .check = checkDequantize});
}

} // namespace tenon::cuda
