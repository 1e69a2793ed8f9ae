// Importers for ONNX operators that an application or a library brings: a function that is shown a node and adds to the
// network what computes it. Used with IParser::registerImporter; speaks to INetworkDefinition only.
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

// True if the node was imported. Must not throw. Called from the thread that parses.
using OnnxImportFunction = bool (*)(IOnnxNode* node, INetworkDefinition* network, void* userData);

// An importer for one operator over a range of op-set versions. Texts are copied.
struct OnnxImporter {
    char const* domain{""}; // "" is the standard domain
    char const* opType{};
    int64_t minOpset{1};
    int64_t maxOpset{INT64_MAX};
    OnnxImportFunction function{};
    void* userData{}; // must live as long as the parser
};

} // namespace tenon
