// Importers for ONNX operators that an application or a module brings: an object that is shown a node and adds to the
// network what computes it. Used with IParser::registerImporter and by modules (TnOnnxImporter); speaks to
// INetworkDefinition only.
#pragma once

#include "tenon/network.h"

namespace tenon {

// One node of a model, as an importer sees it. Implemented by the parser; valid while the importer runs. Texts and
// arrays belong to the parser.
class IOnnxNode {
public:
    virtual char const* getName() const noexcept = 0;
    virtual char const* getOpType() const noexcept = 0;
    virtual char const* getDomain() const noexcept = 0;
    // The version of the node's domain that the model imports.
    virtual int64_t getOpset() const noexcept = 0;

    virtual int32_t getNbInputs() const noexcept = 0;
    // "" for an optional input that is left out.
    virtual char const* getInputName(int32_t index) const noexcept = 0;
    // The tensor of an input, made from the initializer where it is one. Null if left out or out of range.
    virtual ITensor* getInput(int32_t index) noexcept = 0;
    // The values of an input that is constant, valid as long as the network's weights. False if it is not constant.
    virtual bool getConstantInput(int32_t index, Weights& values, Dims& dims) noexcept = 0;

    virtual int32_t getNbOutputs() const noexcept = 0;
    virtual char const* getOutputName(int32_t index) const noexcept = 0;
    // Says which tensor an output is. Every output with a name needs one.
    virtual void setOutput(int32_t index, ITensor& tensor) noexcept = 0;

    virtual int32_t getNbAttributes() const noexcept = 0;
    // False for an index out of range or an attribute that OperatorAttribute cannot hold (a graph).
    virtual bool getAttribute(int32_t index, OperatorAttribute& attribute) noexcept = 0;
    virtual bool findAttribute(char const* name, OperatorAttribute& attribute) noexcept = 0;

    // States why the node cannot be imported; shown with the node's name and type. The importer then returns false.
    virtual void setError(char const* reason) noexcept = 0;

protected:
    virtual ~IOnnxNode() noexcept = default;

private:
    virtual void tenonReserved0() noexcept {}
    virtual void tenonReserved1() noexcept {}
    virtual void tenonReserved2() noexcept {}
    virtual void tenonReserved3() noexcept {}
};

} // namespace tenon

namespace nvonnxparser {

// Imports the nodes of one operator. Implemented by applications and by modules; must outlive the parsers that use it.
class IOnnxNodeImporter : public nvinfer1::IVersionedInterface {
public:
    nvinfer1::InterfaceInfo getInterfaceInfo() const noexcept override { return {"TENON ONNX IMPORTER", 1, 0}; }

    // Adds to the network what computes the node and names its outputs with IOnnxNode::setOutput. False, after
    // IOnnxNode::setError, if it cannot. Called on the thread that parses, by several parsers at once.
    virtual bool importNode(tenon::IOnnxNode& node, nvinfer1::INetworkDefinition& network) noexcept = 0;

    ~IOnnxNodeImporter() noexcept override = default;
};

} // namespace nvonnxparser

namespace tenon {

// Says which operator of which op-set versions an importer is for. Texts are copied, the importer is not owned.
struct OnnxImporter {
    char const* domain{""}; // "" is the standard domain
    char const* opType{};
    int64_t minOpset{1};
    int64_t maxOpset{INT64_MAX};
    nvonnxparser::IOnnxNodeImporter* importer{};
};

} // namespace tenon
