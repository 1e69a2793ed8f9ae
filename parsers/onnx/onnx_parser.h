// nvonnxparser::IParser over the pieces of this folder: bytes to message, message to network, problems to errors.
// Used by module.cpp only.
#pragma once

#include "parsers/onnx/graph_importer.h"
#include "tenon/module/module.hpp"

#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace tenon::onnx {

class OnnxParser final : public nvonnxparser::IParser {
public:
    OnnxParser(nvinfer1::INetworkDefinition& network, nvinfer1::ILogger* logger,
               std::vector<ForeignImporter> moduleImporters);

    bool parse(void const* model, size_t size, char const* path) noexcept override;
    bool parseFromFile(char const* file, int verbosity) noexcept override;
    bool supportsModel(void const* model, size_t size, SubGraphCollection_t& parts, char const* path) noexcept override;
    bool parseWithWeightDescriptors(void const* model, size_t size) noexcept override {
        return parse(model, size, nullptr);
    }
    bool supportsOperator(char const* name) const noexcept override;
    int getNbErrors() const noexcept override { return static_cast<int>(mProblems.size()); }
    nvonnxparser::IParserError const* getError(int index) const noexcept override;
    void clearErrors() noexcept override { mProblems.clear(); }
    char const* const* getUsedVCPluginLibraries(int64_t& count) const noexcept override;
    void setFlags(nvonnxparser::OnnxParserFlags flags) noexcept override { mFlags = flags; }
    nvonnxparser::OnnxParserFlags getFlags() const noexcept override { return mFlags; }
    void clearFlag(nvonnxparser::OnnxParserFlag flag) noexcept override {
        mFlags &= ~(1U << static_cast<uint32_t>(flag));
    }
    void setFlag(nvonnxparser::OnnxParserFlag flag) noexcept override { mFlags |= 1U << static_cast<uint32_t>(flag); }
    bool getFlag(nvonnxparser::OnnxParserFlag flag) const noexcept override {
        return (mFlags >> static_cast<uint32_t>(flag)) & 1U;
    }
    nvinfer1::ITensor const* getLayerOutputTensor(char const* name, int64_t i) noexcept override;
    bool supportsModelV2(void const* model, size_t size, char const* path) noexcept override;
    int64_t getNbSubgraphs() noexcept override { return static_cast<int64_t>(mParts.size()); }
    bool isSubgraphSupported(int64_t index) noexcept override;
    int64_t* getSubgraphNodes(int64_t index, int64_t& length) noexcept override;
    bool loadModelProto(void const* model, size_t size, char const* path) noexcept override;
    bool loadInitializer(char const* name, void const* data, size_t size) noexcept override;
    bool parseModelProto() noexcept override;
    bool setBuilderConfig(nvinfer1::IBuilderConfig const* config) noexcept override;
    bool registerImporter(tenon::OnnxImporter const& importer) noexcept override;

private:
    struct Part {
        std::vector<int64_t> nodes;
        bool supported = false;
    };

    // Runs `work`, turning any exception (memory, protobuf) into a problem.
    template <class F>
    bool guarded(F&& work) noexcept;
    std::shared_ptr<tenon_onnx::ModelProto> readMessage(void const* model, size_t size);
    std::shared_ptr<tenon_onnx::ModelProto> readFile(const std::string& name);
    // The parsed message, null where it is none, if it is a model; `size`: of its bytes.
    std::shared_ptr<tenon_onnx::ModelProto> accepted(std::shared_ptr<tenon_onnx::ModelProto> message, uint64_t size);
    bool importModel(std::shared_ptr<tenon_onnx::ModelProto> model, const std::string& folder,
                     nvinfer1::INetworkDefinition& network, bool dryRun, std::vector<bool>* imported);
    void fail(nvonnxparser::ErrorCode code, std::string text);
    void log(nvinfer1::ILogger::Severity severity, const std::string& text) const noexcept;
    void logProblems(size_t from) const noexcept;

    nvinfer1::INetworkDefinition& mNetwork;
    nvinfer1::ILogger* mLogger;
    std::vector<ForeignImporter> mModuleImporters;
    std::vector<ForeignImporter> mApplicationImporters;
    nvonnxparser::OnnxParserFlags mFlags = 1U
                                           << static_cast<uint32_t>(nvonnxparser::OnnxParserFlag::kNATIVE_INSTANCENORM);
    std::vector<std::unique_ptr<Problem>> mProblems;
    std::vector<Part> mParts;
    std::vector<std::unique_ptr<ImportContext>>
        mContexts; // of models that went into the network: they own its constants
    std::vector<std::shared_ptr<const void>> mKept;
    std::shared_ptr<tenon_onnx::ModelProto> mLoaded;
    std::string mLoadedFolder;
    std::map<std::string, std::shared_ptr<const ConstantTensor>> mGiven;
};

} // namespace tenon::onnx
