// Unary and binary arithmetic, comparisons, logic, Where, Cast.
#include "parsers/onnx/importer_registry.h"
#include "parsers/onnx/text.h"

#include <string>

namespace tenon::onnx {

namespace {

using nvonnxparser::ErrorCode;

// The op "unary.<name>" of a node whose ONNX name is given here once.
struct Named {
    const char* onnx;
    const char* op;
    int64_t since;
};

constexpr Named kUnary[] = {
    {"Exp", "unary.exp", 1},
    {"Log", "unary.log", 1},
    {"Sqrt", "unary.sqrt", 1},
    {"Reciprocal", "unary.recip", 1},
    {"Abs", "unary.abs", 1},
    {"Neg", "unary.neg", 1},
    {"Sin", "unary.sin", 7},
    {"Cos", "unary.cos", 7},
    {"Tan", "unary.tan", 7},
    {"Sinh", "unary.sinh", 9},
    {"Cosh", "unary.cosh", 9},
    {"Asin", "unary.asin", 7},
    {"Acos", "unary.acos", 7},
    {"Atan", "unary.atan", 7},
    {"Asinh", "unary.asinh", 9},
    {"Acosh", "unary.acosh", 9},
    {"Atanh", "unary.atanh", 9},
    {"Ceil", "unary.ceil", 1},
    {"Floor", "unary.floor", 1},
    {"Round", "unary.round", 11},
    {"Sign", "unary.sign", 9},
    {"Erf", "unary.erf", 9},
    {"Not", "unary.not", 1},
    {"IsNaN", "unary.isnan", 9},
    {"BitwiseNot", "unary.bitwise_not", 18},
};

constexpr Named kBinary[] = {
    {"Add", "binary.add", 1},
    {"Sub", "binary.sub", 1},
    {"Mul", "binary.mul", 1},
    {"Div", "binary.div", 1},
    {"Pow", "binary.pow", 1},
    {"And", "binary.and", 1},
    {"Or", "binary.or", 1},
    {"Xor", "binary.xor", 1},
    {"Equal", "binary.equal", 1},
    {"Less", "binary.less", 1},
    {"Greater", "binary.greater", 1},
    {"LessOrEqual", "binary.less_equal", 12},
    {"GreaterOrEqual", "binary.greater_equal", 12},
    {"BitwiseAnd", "binary.bitwise_and", 18},
    {"BitwiseOr", "binary.bitwise_or", 18},
    {"BitwiseXor", "binary.bitwise_xor", 18},
};

const char* opOf(const Named* table, size_t count, const std::string& onnx) {
    for (size_t i = 0; i < count; ++i) {
        if (onnx == table[i].onnx) {
            return table[i].op;
        }
    }
    return nullptr;
}

bool unary(NodeImport& node) {
    return node.output(0, node.add(opOf(kUnary, std::size(kUnary), node.op()), {node.input(0)}));
}

bool binary(NodeImport& node) {
    return node.output(0, node.add(opOf(kBinary, std::size(kBinary), node.op()), {node.input(0), node.input(1)}));
}

// Before opset 7 operands were broadcast only on request, the second aligned at `axis`.
bool binary1(NodeImport& node) {
    ITensor* a = node.input(0);
    ITensor* b = node.input(1);
    if (node.integer("broadcast", 0) != 0 && node.has("axis") && node.rank(b) >= 0 && node.rank(a) >= 0) {
        int64_t axis = node.integer("axis", 0);
        axis += axis < 0 ? node.rank(a) : 0;
        int64_t trailing = node.rank(a) - axis - node.rank(b);
        if (trailing < 0) {
            return node.fail(ErrorCode::kUNSUPPORTED_NODE_ATTR,
                             cat("attribute 'axis' ", axis, " does not fit the operands' ranks"));
        }
        std::vector<int64_t> axes;
        for (int64_t i = 0; i < trailing; ++i) {
            axes.push_back(node.rank(b) + i);
        }
        if (!axes.empty()) {
            b = node.add("unsqueeze", {b}, Attributes().with("axes", axes));
        }
    }
    return node.output(0, node.add(opOf(kBinary, std::size(kBinary), node.op()), {a, b}));
}

bool isInf(NodeImport& node) {
    return node.output(0, node.add("unary.isinf", {node.input(0)},
                                   Attributes()
                                       .with("detect_positive", node.integer("detect_positive", 1))
                                       .with("detect_negative", node.integer("detect_negative", 1))));
}

bool mod(NodeImport& node) {
    return node.output(
        0, node.add("binary.mod", {node.input(0), node.input(1)}, Attributes().with("fmod", node.integer("fmod", 0))));
}

bool bitShift(NodeImport& node) {
    std::string direction = node.string("direction", "");
    if (direction != "LEFT" && direction != "RIGHT") {
        return node.fail(ErrorCode::kUNSUPPORTED_NODE_ATTR,
                         cat("attribute 'direction' is '", direction, "'; LEFT and RIGHT exist"));
    }
    return node.output(
        0, node.add(direction == "LEFT" ? "binary.shift_left" : "binary.shift_right", {node.input(0), node.input(1)}));
}

// Max, Min, Sum and Mean over any number of operands.
ITensor* variadic(NodeImport& node, const char* op) {
    ITensor* result = node.input(0);
    for (size_t i = 1; i < node.inputCount(); ++i) {
        result = node.add(op, {result, node.input(i)});
    }
    return result;
}

// With one operand the node copies it; an output must not be its input.
bool variadicOutput(NodeImport& node, ITensor* result) {
    return node.output(0, node.inputCount() == 1 ? node.add("identity", {result}) : result);
}

bool maximum(NodeImport& node) { return variadicOutput(node, variadic(node, "binary.max")); }
bool minimum(NodeImport& node) { return variadicOutput(node, variadic(node, "binary.min")); }
bool sum(NodeImport& node) { return variadicOutput(node, variadic(node, "binary.add")); }

bool mean(NodeImport& node) {
    ITensor* total = variadic(node, "binary.add");
    if (!total) {
        return false;
    }
    return node.output(
        0, node.add("binary.div", {total, node.scalarOf(static_cast<double>(node.inputCount()), total->getType())}));
}

bool where(NodeImport& node) {
    return node.output(0, node.add("where", {node.input(0), node.input(1), node.input(2)}));
}

bool cast(NodeImport& node) {
    std::optional<nvinfer1::DataType> type = elementTypeOf(static_cast<int32_t>(node.integer("to", 0)));
    if (!type) {
        return node.fail(
            ErrorCode::kUNSUPPORTED_NODE_DATATYPE,
            cat("a cast to ", onnxTypeName(static_cast<int32_t>(node.integer("to", 0))), " is not supported"));
    }
    return node.output(0, node.add("cast", {node.input(0)},
                                   Attributes().with("to", *type).with("saturate", node.integer("saturate", 1))));
}

bool castLike(NodeImport& node) {
    ITensor* like = node.input(1);
    if (!like) {
        return false;
    }
    return node.output(
        0, node.add("cast", {node.input(0)},
                    Attributes().with("to", like->getType()).with("saturate", node.integer("saturate", 1))));
}

bool identity(NodeImport& node) { return node.output(0, node.add("identity", {node.input(0)})); }

// At inference a dropout passes its input on; the mask is all ones.
bool dropout(NodeImport& node) {
    if (node.opset() >= 12 && node.hasInput(2)) {
        std::optional<std::vector<int64_t>> training = node.constantIntegers(2);
        std::optional<double> ratio = node.hasInput(1) ? node.constantScalar(1) : 0.5;
        bool off = (training && training->size() == 1 && training->front() == 0) || (ratio && *ratio == 0);
        if (!off) {
            return node.fail(ErrorCode::kUNSUPPORTED_NODE,
                             "dropout in training mode is random; export the model in evaluation mode");
        }
    }
    ITensor* x = node.input(0);
    if (!node.output(0, node.add("identity", {x}))) {
        return false;
    }
    if (node.hasOutput(1)) {
        ConstantTensor one;
        auto value = std::make_shared<uint8_t>(uint8_t{1});
        one.type = nvinfer1::DataType::kBOOL;
        one.data = value.get();
        one.owner = value;
        one.count = 1;
        ITensor* mask = node.add("expand", {node.constantOf(std::move(one)), node.add("shape", {x})});
        if (node.opset() < 10 && mask) {
            mask = node.add("cast", {mask}, Attributes().with("to", x->getType()));
        }
        return node.output(1, mask);
    }
    return true;
}

} // namespace

void addElementwiseImporters(ImporterTable& table) {
    for (const Named& entry : kUnary) {
        table.add(entry.onnx, entry.since, unary);
    }
    for (const Named& entry : kBinary) {
        table.add(entry.onnx, entry.since, entry.since < 7 ? binary1 : binary);
        if (entry.since < 7) {
            table.add(entry.onnx, 7, binary);
        }
    }
    table.add("IsInf", 10, isInf);
    table.add("Mod", 10, mod);
    table.add("BitShift", 11, bitShift);
    table.add("Max", 1, maximum);
    table.add("Min", 1, minimum);
    table.add("Sum", 1, sum);
    table.add("Mean", 1, mean);
    table.add("Where", 9, where);
    table.add("Cast", 6, cast);
    table.add("CastLike", 15, castLike);
    table.add("Identity", 1, identity);
    table.add("Dropout", 7, dropout);
}

} // namespace tenon::onnx
