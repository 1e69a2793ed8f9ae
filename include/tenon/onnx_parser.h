// The ONNX parser's interface: reads a model into a network. Namespace nvonnxparser; the factories are at the end.
// The parser itself is a module; this header knows nothing of it.
#pragma once

#include "tenon/builder_config.h"
#include "tenon/onnx_importer.h"
#include "tenon/runtime.h"

#include <cstddef>
#include <utility>
#include <vector>

#define NV_ONNX_PARSER_MAJOR 0
#define NV_ONNX_PARSER_MINOR 1
#define NV_ONNX_PARSER_PATCH 0

static constexpr int32_t NV_ONNX_PARSER_VERSION =
    (NV_ONNX_PARSER_MAJOR * 10000) + (NV_ONNX_PARSER_MINOR * 100) + NV_ONNX_PARSER_PATCH;

// Node indices of a part of a model, and whether that part can be imported.
using SubGraph_t = std::pair<std::vector<size_t>, bool>;
using SubGraphCollection_t = std::vector<SubGraph_t>;

namespace nvonnxparser {

template <typename T>
constexpr inline int32_t EnumMax();

enum class ErrorCode : int {
    kSUCCESS = 0,
    kINTERNAL_ERROR = 1,
    kMEM_ALLOC_FAILED = 2,
    kMODEL_DESERIALIZE_FAILED = 3,
    kINVALID_VALUE = 4,
    kINVALID_GRAPH = 5,
    kINVALID_NODE = 6,
    kUNSUPPORTED_GRAPH = 7,
    kUNSUPPORTED_NODE = 8,
    kUNSUPPORTED_NODE_ATTR = 9,
    kUNSUPPORTED_NODE_INPUT = 10,
    kUNSUPPORTED_NODE_DATATYPE = 11,
    kUNSUPPORTED_NODE_DYNAMIC = 12,
    kUNSUPPORTED_NODE_SHAPE = 13,
    kREFIT_FAILED = 14,
};

template <>
constexpr inline int32_t EnumMax<ErrorCode>() {
    return 15;
}

enum class OnnxParserFlag : int32_t {
    kNATIVE_INSTANCENORM = 0,
    kENABLE_UINT8_AND_ASYMMETRIC_QUANTIZATION_DLA = 1,
    kREPORT_CAPABILITY_DLA = 2,
    kENABLE_PLUGIN_OVERRIDE = 3,
    kADJUST_FOR_DLA = 4,
};

template <>
constexpr inline int32_t EnumMax<OnnxParserFlag>() {
    return 5;
}

using OnnxParserFlags = uint32_t;

// One problem of a model. Owned by the parser, valid until clearErrors() or the next parse.
class IParserError {
public:
    virtual ErrorCode code() const noexcept = 0;
    // What is wrong, where, why and what to try.
    virtual char const* desc() const noexcept = 0;
    // Where in the parser the problem was found.
    virtual char const* file() const noexcept = 0;
    virtual int line() const noexcept = 0;
    virtual char const* func() const noexcept = 0;
    // Index of the model's node, or -1.
    virtual int node() const noexcept = 0;
    virtual char const* nodeName() const noexcept = 0;
    virtual char const* nodeOperator() const noexcept = 0;
    // The model-local functions around the node, outermost first.
    virtual char const* const* localFunctionStack() const noexcept = 0;
    virtual int32_t localFunctionStackSize() const noexcept = 0;

protected:
    virtual ~IParserError() = default;
};

// Fills one network. Deleted by its user; the network and its weights need the parser until the last build.
// Every problem of a model is found in one pass. Not thread-safe.
class IParser {
public:
    // `model_path` is where external data is looked for. False if there was any error.
    virtual bool parse(void const* serialized_onnx_model, size_t serialized_onnx_model_size,
                       char const* model_path = nullptr) noexcept = 0;
    // `verbosity` is there for TensorRT's sake: the logger decides what it shows.
    virtual bool parseFromFile(char const* onnxModelFile, int verbosity) noexcept = 0;

    virtual bool supportsModel(void const* serialized_onnx_model, size_t serialized_onnx_model_size,
                               SubGraphCollection_t& sub_graph_collection,
                               char const* model_path = nullptr) noexcept = 0;
    virtual bool parseWithWeightDescriptors(void const* serialized_onnx_model,
                                            size_t serialized_onnx_model_size) noexcept = 0;
    // Whether there is an importer for the operator; a node of it may still be refused.
    virtual bool supportsOperator(char const* op_name) const noexcept = 0;

    virtual int getNbErrors() const noexcept = 0;
    virtual IParserError const* getError(int index) const noexcept = 0;
    virtual void clearErrors() noexcept = 0;

    virtual ~IParser() noexcept = default;

    virtual char const* const* getUsedVCPluginLibraries(int64_t& nbPluginLibs) const noexcept = 0;

    virtual void setFlags(OnnxParserFlags onnxParserFlags) noexcept = 0;
    virtual OnnxParserFlags getFlags() const noexcept = 0;
    virtual void clearFlag(OnnxParserFlag onnxParserFlag) noexcept = 0;
    virtual void setFlag(OnnxParserFlag onnxParserFlag) noexcept = 0;
    virtual bool getFlag(OnnxParserFlag onnxParserFlag) const noexcept = 0;

    // The tensor that became output i of the named node; null if there is none.
    virtual nvinfer1::ITensor const* getLayerOutputTensor(char const* name, int64_t i) noexcept = 0;

    // Splits a model into parts that can and cannot be imported; the three that follow describe the parts.
    virtual bool supportsModelV2(void const* serializedOnnxModel, size_t serializedOnnxModelSize,
                                 char const* modelPath = nullptr) noexcept = 0;
    virtual int64_t getNbSubgraphs() noexcept = 0;
    virtual bool isSubgraphSupported(int64_t const index) noexcept = 0;
    virtual int64_t* getSubgraphNodes(int64_t const index, int64_t& subgraphLength) noexcept = 0;

    // A model and its initializers, given apart; parseModelProto() then fills the network.
    virtual bool loadModelProto(void const* serializedOnnxModel, size_t serializedOnnxModelSize,
                                char const* modelPath = nullptr) noexcept = 0;
    virtual bool loadInitializer(char const* name, void const* data, size_t size) noexcept = 0;
    virtual bool parseModelProto() noexcept = 0;

    // Lets the parser see how the network will be built.
    virtual bool setBuilderConfig(nvinfer1::IBuilderConfig const* const builderConfig) noexcept = 0;

    // Tenon's own: an importer of this parser only. It is asked before the parser's own importers and before those of
    // modules; of several that fit, the one registered last. False, with an error, for an incomplete registration.
    virtual bool registerImporter(tenon::OnnxImporter const& /*importer*/) noexcept { return false; }

    void destroy() noexcept { delete this; }

private:
    virtual void tenonReserved0() noexcept {}
    virtual void tenonReserved1() noexcept {}
    virtual void tenonReserved2() noexcept {}
    virtual void tenonReserved3() noexcept {}
};

// Refits an engine with the weights of a model. Deleted by its user.
class IParserRefitter {
public:
    virtual bool refitFromBytes(void const* serializedOnnxModel, size_t serializedOnnxModelSize,
                                char const* modelPath = nullptr) noexcept = 0;
    virtual bool refitFromFile(char const* onnxModelFile) noexcept = 0;
    virtual int32_t getNbErrors() const noexcept = 0;
    virtual IParserError const* getError(int32_t index) const noexcept = 0;
    virtual void clearErrors() = 0;
    virtual ~IParserRefitter() noexcept = default;
    virtual bool loadModelProto(void const* serializedOnnxModel, size_t serializedOnnxModelSize,
                                char const* modelPath = nullptr) noexcept = 0;
    virtual bool loadInitializer(char const* name, void const* data, size_t size) noexcept = 0;
    virtual bool refitModelProto() noexcept = 0;

private:
    virtual void tenonReserved0() noexcept {}
    virtual void tenonReserved1() noexcept {}
};

} // namespace nvonnxparser

extern "C" {
// `network` is an nvinfer1::INetworkDefinition*, `logger` an nvinfer1::ILogger*. Null, with an error logged, if the
// parser's module is not there.
TENSORRTAPI void* TENON_ENTRY(tenon_createOnnxParser, createNvOnnxParser_INTERNAL)(void* network, void* logger,
                                                                                   int version) noexcept;
TENSORRTAPI void* TENON_ENTRY(tenon_createOnnxParserRefitter,
                              createNvOnnxParserRefitter_INTERNAL)(void* refitter, void* logger,
                                                                   int32_t version) noexcept;
TENSORRTAPI int TENON_ENTRY(tenon_getOnnxParserVersion, getNvOnnxParserVersion)() noexcept;
}

namespace nvonnxparser {
inline namespace TENON_ENTRY_NAMESPACE {

// A parser that fills `network`. The caller deletes it. Null on failure.
inline IParser* createParser(nvinfer1::INetworkDefinition& network, nvinfer1::ILogger& logger) noexcept {
    return static_cast<IParser*>(
        TENON_ENTRY(tenon_createOnnxParser, createNvOnnxParser_INTERNAL)(&network, &logger, NV_ONNX_PARSER_VERSION));
}

inline IParserRefitter* createParserRefitter(nvinfer1::IRefitter& refitter, nvinfer1::ILogger& logger) noexcept {
    return static_cast<IParserRefitter*>(
        TENON_ENTRY(tenon_createOnnxParserRefitter, createNvOnnxParserRefitter_INTERNAL)(&refitter, &logger,
                                                                                         NV_ONNX_PARSER_VERSION));
}

} // namespace TENON_ENTRY_NAMESPACE
} // namespace nvonnxparser

namespace tenon {
using namespace nvonnxparser::TENON_ENTRY_NAMESPACE;
using nvonnxparser::IParser;
using nvonnxparser::IParserError;
} // namespace tenon
