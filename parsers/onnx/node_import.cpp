#include "parsers/onnx/node_import.h"

#include "parsers/onnx/text.h"

#include <cstring>

namespace tenon::onnx {

using nvonnxparser::ErrorCode;
using AttributeProto = tenon_onnx::AttributeProto;

Attributes& Attributes::with(const char* name, int64_t value) {
    mList.push_back(OperatorAttribute::ofInt(name, value));
    return *this;
}

Attributes& Attributes::with(const char* name, double value) {
    mList.push_back(OperatorAttribute::ofFloat(name, value));
    return *this;
}

Attributes& Attributes::with(const char* name, const std::string& value) {
    mStrings.push_back(value);
    mList.push_back(OperatorAttribute::ofString(name, mStrings.back().c_str()));
    return *this;
}

Attributes& Attributes::with(const char* name, std::vector<int64_t> values) {
    mIntegers.push_back(std::move(values));
    mList.push_back(
        OperatorAttribute::ofInts(name, mIntegers.back().data(), static_cast<int64_t>(mIntegers.back().size())));
    return *this;
}

Attributes& Attributes::with(const char* name, std::vector<double> values) {
    mNumbers.push_back(std::move(values));
    mList.push_back(
        OperatorAttribute::ofFloats(name, mNumbers.back().data(), static_cast<int64_t>(mNumbers.back().size())));
    return *this;
}

Attributes& Attributes::with(const char* name, nvinfer1::DataType type) {
    mList.push_back(OperatorAttribute::ofType(name, type));
    return *this;
}

Attributes& Attributes::with(const char* name, const ConstantTensor& tensor) {
    mList.push_back(OperatorAttribute::ofTensor(name, tensor.weights(), tensor.shape()));
    return *this;
}

bool NodeImport::fail(ErrorCode code, std::string reason) {
    // The first reason is the cause; what follows from it is noise.
    if (mOutcome.ok()) {
        mOutcome = Outcome::failure(code, std::move(reason));
    }
    return false;
}

ITensor* NodeImport::input(size_t i) {
    if (!hasInput(i)) {
        fail(ErrorCode::kINVALID_NODE, cat("input ", i, " is required but left out"));
        return nullptr;
    }
    const std::string& name = mNode.input(static_cast<int>(i));
    ITensor* tensor = mContext.tensor(name);
    if (!tensor) {
        fail(ErrorCode::kINVALID_NODE,
             cat("input ", i, " ('", name, "') could not be made a tensor: ", mContext.reasons.take()));
    }
    return tensor;
}

std::shared_ptr<const ConstantTensor> NodeImport::constant(size_t i) const {
    if (!hasInput(i)) {
        return nullptr;
    }
    const NamedValue* value = mContext.find(mNode.input(static_cast<int>(i)));
    return value ? value->constant : nullptr;
}

std::optional<std::vector<int64_t>> NodeImport::constantIntegers(size_t i) const {
    std::shared_ptr<const ConstantTensor> found = constant(i);
    return found ? found->integers() : std::nullopt;
}

std::optional<double> NodeImport::constantScalar(size_t i) const {
    std::shared_ptr<const ConstantTensor> found = constant(i);
    if (!found || found->count != 1) {
        return std::nullopt;
    }
    std::optional<std::vector<double>> values = found->numbers();
    return values ? std::optional<double>(values->front()) : std::nullopt;
}

int32_t NodeImport::rank(const ITensor* tensor) const { return tensor ? tensor->getDimensions().nbDims : -1; }

const AttributeProto* NodeImport::findProto(const char* name) const {
    for (const AttributeProto& attribute : mNode.attribute()) {
        if (attribute.name() == name) {
            return &attribute;
        }
    }
    return nullptr;
}

int64_t NodeImport::integer(const char* attribute, int64_t fallback) const {
    const AttributeProto* found = findProto(attribute);
    return found ? found->i() : fallback;
}

double NodeImport::number(const char* attribute, double fallback) const {
    const AttributeProto* found = findProto(attribute);
    return found ? static_cast<double>(found->f()) : fallback;
}

std::string NodeImport::string(const char* attribute, const std::string& fallback) const {
    const AttributeProto* found = findProto(attribute);
    return found ? found->s() : fallback;
}

std::vector<int64_t> NodeImport::integers(const char* attribute, std::vector<int64_t> fallback) const {
    const AttributeProto* found = findProto(attribute);
    return found ? std::vector<int64_t>(found->ints().begin(), found->ints().end()) : fallback;
}

std::vector<double> NodeImport::numbers(const char* attribute, std::vector<double> fallback) const {
    const AttributeProto* found = findProto(attribute);
    return found ? std::vector<double>(found->floats().begin(), found->floats().end()) : fallback;
}

std::shared_ptr<ConstantTensor> NodeImport::tensor(const char* attribute) {
    const AttributeProto* found = findProto(attribute);
    if (!found || !found->has_t()) {
        fail(ErrorCode::kUNSUPPORTED_NODE_ATTR, cat("attribute '", attribute, "' is missing or no tensor"));
        return nullptr;
    }
    auto tensor = std::make_shared<ConstantTensor>();
    Outcome outcome = readTensor(found->t(), mExternal, nullptr, *tensor);
    if (!outcome.ok()) {
        fail(outcome.code(), cat("attribute '", attribute, "': ", outcome.reason()));
        return nullptr;
    }
    return tensor;
}

ITensor* NodeImport::add(const char* op, const std::vector<ITensor*>& inputs, const Attributes& attributes) {
    std::vector<ITensor*> outputs = addMany(op, inputs, attributes, 1);
    return outputs.empty() ? nullptr : outputs[0];
}

std::vector<ITensor*> NodeImport::addMany(const char* op, const std::vector<ITensor*>& inputs,
                                          const Attributes& attributes, int32_t outputs) {
    if (!mOutcome.ok()) {
        return {};
    }
    std::vector<ITensor*> operands = inputs;
    while (!operands.empty() && !operands.back()) {
        operands.pop_back();
    }
    mContext.reasons.clear();
    IOperatorLayer* layer = mContext.network.addOperator(
        "", op, 0, attributes.list().data(), static_cast<int32_t>(attributes.list().size()), operands.data(),
        static_cast<int32_t>(operands.size()), outputs);
    if (!layer) {
        std::string reason = mContext.reasons.take();
        fail(ErrorCode::kINVALID_NODE, reason.empty() ? cat("op '", op, "' was refused") : reason);
        return {};
    }
    layer->setName(mLayers == 0 ? mTitle.c_str() : cat(mTitle, ".", mLayers).c_str());
    layer->setMetadata(mTitle.c_str());
    ++mLayers;
    std::vector<ITensor*> tensors;
    for (int32_t i = 0; i < outputs; ++i) {
        tensors.push_back(layer->getOutput(i));
    }
    return tensors;
}

ITensor* NodeImport::constantOf(ConstantTensor tensor) {
    return mContext.constantTensor(std::make_shared<ConstantTensor>(std::move(tensor)), "");
}

ITensor* NodeImport::integersOf(const std::vector<int64_t>& values) {
    auto owner = std::make_shared<std::vector<int64_t>>(values);
    owner->reserve(1);
    ConstantTensor tensor;
    tensor.type = nvinfer1::DataType::kINT64;
    tensor.dims = {static_cast<int64_t>(values.size())};
    tensor.data = owner->data();
    tensor.count = static_cast<int64_t>(values.size());
    tensor.owner = owner;
    return constantOf(std::move(tensor));
}

ITensor* NodeImport::scalarOf(double value, nvinfer1::DataType type) {
    auto owner = std::make_shared<float>(static_cast<float>(value));
    ConstantTensor tensor;
    tensor.type = nvinfer1::DataType::kFLOAT;
    tensor.data = owner.get();
    tensor.count = 1;
    tensor.owner = owner;
    ITensor* scalar = constantOf(std::move(tensor));
    if (type == nvinfer1::DataType::kFLOAT || !scalar) {
        return scalar;
    }
    return add("cast", {scalar}, Attributes().with("to", type));
}

bool NodeImport::output(size_t i, ITensor* tensor) {
    if (!tensor || !mOutcome.ok()) {
        return fail(ErrorCode::kINTERNAL_ERROR, cat("output ", i, " was not made"));
    }
    if (mOutputs.size() <= i) {
        mOutputs.resize(i + 1);
    }
    mOutputs[i] = tensor;
    return true;
}

void NodeImport::constantOutput(size_t i, std::shared_ptr<const ConstantTensor> constant) {
    mConstantOutputs[i] = std::move(constant);
}

char const* NodeImport::getInputName(int32_t index) const noexcept {
    return index >= 0 && index < mNode.input_size() ? mNode.input(index).c_str() : "";
}

ITensor* NodeImport::getInput(int32_t index) noexcept {
    return index < 0 ? nullptr : optionalInput(static_cast<size_t>(index));
}

bool NodeImport::getConstantInput(int32_t index, nvinfer1::Weights& values, nvinfer1::Dims& dims) noexcept {
    std::shared_ptr<const ConstantTensor> found = index < 0 ? nullptr : constant(static_cast<size_t>(index));
    if (!found) {
        return false;
    }
    values = found->weights();
    dims = found->shape();
    mContext.constants.push_back(std::move(found));
    return true;
}

char const* NodeImport::getOutputName(int32_t index) const noexcept {
    return index >= 0 && index < mNode.output_size() ? mNode.output(index).c_str() : "";
}

bool NodeImport::getAttribute(int32_t index, OperatorAttribute& attribute) noexcept {
    if (index < 0 || index >= mNode.attribute_size()) {
        return false;
    }
    const AttributeProto& proto = mNode.attribute(index);
    const char* name = proto.name().c_str();
    switch (proto.type()) {
    case AttributeProto::INT:
        attribute = OperatorAttribute::ofInt(name, proto.i());
        return true;
    case AttributeProto::FLOAT:
        attribute = OperatorAttribute::ofFloat(name, static_cast<double>(proto.f()));
        return true;
    case AttributeProto::STRING:
        attribute = OperatorAttribute::ofString(name, proto.s().c_str());
        return true;
    case AttributeProto::INTS:
        attribute = OperatorAttribute::ofInts(name, proto.ints().data(), proto.ints_size());
        return true;
    case AttributeProto::FLOATS:
        mHeldNumbers.emplace_back(proto.floats().begin(), proto.floats().end());
        attribute = OperatorAttribute::ofFloats(name, mHeldNumbers.back().data(), proto.floats_size());
        return true;
    case AttributeProto::STRINGS: {
        std::vector<char const*>& texts = mHeldStrings.emplace_back();
        for (const std::string& text : proto.strings()) {
            texts.push_back(text.c_str());
        }
        attribute = OperatorAttribute::ofStrings(name, texts.data(), proto.strings_size());
        return true;
    }
    case AttributeProto::TENSOR: {
        ConstantTensor& tensor = mHeldTensors.emplace_back();
        if (!readTensor(proto.t(), mExternal, nullptr, tensor).ok()) {
            return false;
        }
        attribute = OperatorAttribute::ofTensor(name, tensor.weights(), tensor.shape());
        return true;
    }
    default:
        return false;
    }
}

bool NodeImport::findAttribute(char const* name, OperatorAttribute& attribute) noexcept {
    for (int i = 0; name && i < mNode.attribute_size(); ++i) {
        if (mNode.attribute(i).name() == name) {
            return getAttribute(i, attribute);
        }
    }
    return false;
}

void NodeImport::setError(char const* reason) noexcept {
    fail(ErrorCode::kUNSUPPORTED_NODE, reason ? reason : "no reason given");
}

} // namespace tenon::onnx
