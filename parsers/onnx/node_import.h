// One node being imported: its inputs, attributes and outputs, and short ways to add operators.
// Used by every importer in ops/. Also is the IOnnxNode that importers of applications and modules see.
#pragma once

#include "parsers/onnx/import_context.h"

#include <deque>
#include <initializer_list>
#include <optional>
#include <string>
#include <vector>

namespace tenon::onnx {

using nvinfer1::ITensor;

// Attributes of an operator under construction. Keeps what OperatorAttribute points to.
class Attributes {
public:
    Attributes& with(const char* name, int64_t value);
    Attributes& with(const char* name, int32_t value) { return with(name, static_cast<int64_t>(value)); }
    Attributes& with(const char* name, bool value) { return with(name, static_cast<int64_t>(value)); }
    Attributes& with(const char* name, double value);
    Attributes& with(const char* name, const std::string& value);
    Attributes& with(const char* name, const char* value) { return with(name, std::string(value)); }
    Attributes& with(const char* name, std::vector<int64_t> values);
    Attributes& with(const char* name, std::vector<double> values);
    Attributes& with(const char* name, nvinfer1::DataType type);
    Attributes& with(const char* name, const ConstantTensor& tensor);
    const std::vector<OperatorAttribute>& list() const { return mList; }

private:
    std::vector<OperatorAttribute> mList;
    std::deque<std::string> mStrings;
    std::deque<std::vector<int64_t>> mIntegers;
    std::deque<std::vector<double>> mNumbers;
};

class NodeImport final : public IOnnxNode {
public:
    NodeImport(ImportContext& context, const tenon_onnx::NodeProto& node, ExternalData& external, std::string title)
        : mContext(context), mNode(node), mExternal(external), mTitle(std::move(title)) {}

    // --- what the node has
    const tenon_onnx::NodeProto& proto() const { return mNode; }
    const std::string& title() const { return mTitle; }
    const std::string& op() const { return mNode.op_type(); }
    int64_t opset() const { return mContext.opset(mNode.domain()); }
    size_t inputCount() const { return static_cast<size_t>(mNode.input_size()); }
    size_t outputCount() const { return static_cast<size_t>(mNode.output_size()); }
    bool hasInput(size_t i) const { return i < inputCount() && !mNode.input(static_cast<int>(i)).empty(); }
    bool hasOutput(size_t i) const { return i < outputCount() && !mNode.output(static_cast<int>(i)).empty(); }
    // Null, with the reason set, where a required input is missing.
    ITensor* input(size_t i);
    // Null without a reason where an optional input is left out.
    ITensor* optionalInput(size_t i) { return hasInput(i) ? input(i) : nullptr; }
    // Null where the input is not a constant.
    std::shared_ptr<const ConstantTensor> constant(size_t i) const;
    std::optional<std::vector<int64_t>> constantIntegers(size_t i) const;
    std::optional<double> constantScalar(size_t i) const;
    // -1: unknown.
    int32_t rank(const ITensor* tensor) const;

    bool has(const char* attribute) const { return findProto(attribute) != nullptr; }
    int64_t integer(const char* attribute, int64_t fallback) const;
    double number(const char* attribute, double fallback) const;
    std::string string(const char* attribute, const std::string& fallback) const;
    std::vector<int64_t> integers(const char* attribute, std::vector<int64_t> fallback = {}) const;
    std::vector<double> numbers(const char* attribute, std::vector<double> fallback = {}) const;
    // Null, with the reason set, where the attribute is missing or unreadable.
    std::shared_ptr<ConstantTensor> tensor(const char* attribute);

    // --- what it becomes
    // Adds a Tenon op. Null inputs leave optional operands out; null after an earlier failure is passed through.
    ITensor* add(const char* op, const std::vector<ITensor*>& inputs, const Attributes& attributes = {});
    std::vector<ITensor*> addMany(const char* op, const std::vector<ITensor*>& inputs, const Attributes& attributes,
                                  int32_t outputs);
    ITensor* constantOf(ConstantTensor tensor);
    ITensor* integersOf(const std::vector<int64_t>& values);
    ITensor* scalarOf(double value, nvinfer1::DataType type);
    // True if the tensor is there: then it is output i.
    bool output(size_t i, ITensor* tensor);
    bool fail(nvonnxparser::ErrorCode code, std::string reason);
    bool refuse(std::string reason) { return fail(nvonnxparser::ErrorCode::kUNSUPPORTED_NODE, std::move(reason)); }

    const Outcome& outcome() const { return mOutcome; }
    const std::vector<ITensor*>& outputs() const { return mOutputs; }
    ImportContext& context() { return mContext; }
    ExternalData& external() { return mExternal; }
    // A constant output (node Constant): no layer until somebody needs a tensor.
    void constantOutput(size_t i, std::shared_ptr<const ConstantTensor> constant);
    const std::map<size_t, std::shared_ptr<const ConstantTensor>>& constantOutputs() const { return mConstantOutputs; }

    // --- IOnnxNode
    char const* getName() const noexcept override { return mNode.name().c_str(); }
    char const* getOpType() const noexcept override { return mNode.op_type().c_str(); }
    char const* getDomain() const noexcept override { return mNode.domain().c_str(); }
    int64_t getOpset() const noexcept override { return opset(); }
    int32_t getNbInputs() const noexcept override { return mNode.input_size(); }
    char const* getInputName(int32_t index) const noexcept override;
    ITensor* getInput(int32_t index) noexcept override;
    bool getConstantInput(int32_t index, nvinfer1::Weights& values, nvinfer1::Dims& dims) noexcept override;
    int32_t getNbOutputs() const noexcept override { return mNode.output_size(); }
    char const* getOutputName(int32_t index) const noexcept override;
    void setOutput(int32_t index, ITensor& tensor) noexcept override { output(static_cast<size_t>(index), &tensor); }
    int32_t getNbAttributes() const noexcept override { return mNode.attribute_size(); }
    bool getAttribute(int32_t index, OperatorAttribute& attribute) noexcept override;
    bool findAttribute(char const* name, OperatorAttribute& attribute) noexcept override;
    void setError(char const* reason) noexcept override;

private:
    const tenon_onnx::AttributeProto* findProto(const char* name) const;

    ImportContext& mContext;
    const tenon_onnx::NodeProto& mNode;
    ExternalData& mExternal;
    std::string mTitle;
    Outcome mOutcome;
    std::vector<ITensor*> mOutputs;
    std::map<size_t, std::shared_ptr<const ConstantTensor>> mConstantOutputs;
    int32_t mLayers = 0;
    std::deque<std::vector<double>> mHeldNumbers;
    std::deque<std::vector<char const*>> mHeldStrings;
    std::deque<ConstantTensor> mHeldTensors;
};

} // namespace tenon::onnx
