// What is known while a model becomes a network: tensors by name, constants, opset versions, problems.
// Used by graph_importer and, through NodeImport, by every importer. Speaks to INetworkDefinition only.
#pragma once

#include "parsers/onnx/tensor_reader.h"

#include <deque>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

namespace tenon::onnx {

// A named value of the model: a tensor of the network, a constant that becomes one when asked for, or lost because its node failed.
struct NamedValue {
    nvinfer1::ITensor* tensor = nullptr;
    std::shared_ptr<const ConstantTensor> constant;
    bool lost = false;
};

// Collects what the network reports while a node is imported, so that the parser's error has the reason.
class ReasonCollector final : public nvinfer1::IErrorRecorder {
public:
    std::string take();

    // Takes whole texts: see IErrorRecorder::kMAX_DESC_LENGTH.
    nvinfer1::InterfaceInfo getInterfaceInfo() const noexcept override { return {"IErrorRecorder", 1, 1}; }
    int32_t getNbErrors() const noexcept override { return static_cast<int32_t>(mReasons.size()); }
    nvinfer1::ErrorCode getErrorCode(int32_t) const noexcept override { return nvinfer1::ErrorCode::kINVALID_ARGUMENT; }
    ErrorDesc getErrorDesc(int32_t index) const noexcept override;
    bool hasOverflowed() const noexcept override { return false; }
    void clear() noexcept override { mReasons.clear(); }
    bool reportError(nvinfer1::ErrorCode code, ErrorDesc description) noexcept override;
    RefCount incRefCount() noexcept override { return ++mReferences; }
    RefCount decRefCount() noexcept override { return --mReferences; }

private:
    std::vector<std::string> mReasons;
    RefCount mReferences = 0;
};

class ImportContext {
public:
    explicit ImportContext(nvinfer1::INetworkDefinition& definition) : network(definition) {}

    nvinfer1::INetworkDefinition& network;
    std::map<std::string, int64_t> opsets; // by domain; the standard domain is ""
    std::map<std::string, NamedValue> values;
    std::vector<std::shared_ptr<const ConstantTensor>>
        constants; // the network does not copy weights: they live as long as the parser
    std::map<std::string, nvinfer1::ITensor*> layerOutputs; // "node name/index" for getLayerOutputTensor
    ReasonCollector reasons;

    int64_t opset(const std::string& domain) const;
    const NamedValue* find(const std::string& name) const;
    // The tensor of a value; constants become a constant layer on first use. Null where there is none.
    nvinfer1::ITensor* tensor(const std::string& name);
    nvinfer1::ITensor* constantTensor(std::shared_ptr<const ConstantTensor> constant, const std::string& name);
};

} // namespace tenon::onnx
