// Constants, ranges, fills.
#include "parsers/onnx/importer_registry.h"
#include "parsers/onnx/text.h"

#include <cstring>

namespace tenon::onnx {

namespace {

using nvonnxparser::ErrorCode;

template <class T, class List>
ConstantTensor listTensor(nvinfer1::DataType type, const List& values, bool scalar) {
    auto owner = std::make_shared<std::vector<T>>(values.begin(), values.end());
    owner->reserve(1);
    ConstantTensor tensor;
    tensor.type = type;
    tensor.count = static_cast<int64_t>(owner->size());
    if (!scalar) {
        tensor.dims = {tensor.count};
    }
    tensor.data = owner->data();
    tensor.owner = owner;
    return tensor;
}

bool constant(NodeImport& node) {
    std::shared_ptr<ConstantTensor> value;
    if (node.has("value")) {
        value = node.tensor("value");
    } else if (node.has("value_float")) {
        value = std::make_shared<ConstantTensor>(
            listTensor<float>(nvinfer1::DataType::kFLOAT, std::vector<double>{node.number("value_float", 0)}, true));
    } else if (node.has("value_floats")) {
        value = std::make_shared<ConstantTensor>(
            listTensor<float>(nvinfer1::DataType::kFLOAT, node.numbers("value_floats"), false));
    } else if (node.has("value_int")) {
        value = std::make_shared<ConstantTensor>(
            listTensor<int64_t>(nvinfer1::DataType::kINT64, std::vector<int64_t>{node.integer("value_int", 0)}, true));
    } else if (node.has("value_ints")) {
        value = std::make_shared<ConstantTensor>(
            listTensor<int64_t>(nvinfer1::DataType::kINT64, node.integers("value_ints"), false));
    } else {
        return node.fail(ErrorCode::kUNSUPPORTED_NODE_ATTR,
                         "a constant needs one of value, value_float(s), value_int(s); strings and sparse tensors are "
                         "not supported");
    }
    if (!value) {
        return false;
    }
    node.constantOutput(0, std::move(value));
    return true;
}

bool constantOfShape(NodeImport& node) {
    ConstantTensor value;
    if (node.has("value")) {
        std::shared_ptr<ConstantTensor> given = node.tensor("value");
        if (!given) {
            return false;
        }
        value = *given;
    } else {
        value = listTensor<float>(nvinfer1::DataType::kFLOAT, std::vector<double>{0}, false);
    }
    if (value.count != 1) {
        return node.fail(ErrorCode::kUNSUPPORTED_NODE_ATTR,
                         cat("attribute 'value' has ", value.count, " elements, one is needed"));
    }
    value.dims = {1};
    return node.output(0, node.add("fill", {node.input(0)}, Attributes().with("value", value)));
}

bool range(NodeImport& node) {
    return node.output(0, node.add("range", {node.input(0), node.input(1), node.input(2)}));
}

bool eyeLike(NodeImport& node) {
    ITensor* x = node.input(0);
    if (!x) {
        return false;
    }
    nvinfer1::DataType type = x->getType();
    if (node.has("dtype")) {
        std::optional<nvinfer1::DataType> asked = elementTypeOf(static_cast<int32_t>(node.integer("dtype", 0)));
        if (!asked) {
            return node.fail(ErrorCode::kUNSUPPORTED_NODE_DATATYPE, "attribute 'dtype' is no supported element type");
        }
        type = *asked;
    }
    return node.output(0, node.add("eye_like", {x}, Attributes().with("dtype", type).with("k", node.integer("k", 0))));
}

} // namespace

void addGenerateImporters(ImporterTable& table) {
    table.add("Constant", 1, constant);
    table.add("ConstantOfShape", 9, constantOfShape);
    table.add("Range", 11, range);
    table.add("EyeLike", 9, eyeLike);
}

} // namespace tenon::onnx
