#include "parsers/onnx/onnx_parser.h"

#include "parsers/onnx/importer_registry.h"
#include "parsers/onnx/text.h"
#include "tenon/builder.h"

#include <fcntl.h>
#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/io/zero_copy_stream_impl.h>
#include <sys/stat.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <limits>

namespace tenon::onnx {

namespace {

using nvonnxparser::ErrorCode;
using Severity = nvinfer1::ILogger::Severity;

// Messages nest about twice per graph level; this stops a crafted file from exhausting the stack.
constexpr int kMaxNesting = 200;
// Of a file, in bytes: weights are copied from there to where they stay.
constexpr int kReadAtOnce = 256 << 10;
constexpr auto kMostBytes = static_cast<uint64_t>(std::numeric_limits<int>::max()); // that protobuf reads

std::string folderOf(const char* path) {
    if (!path || !*path) {
        return "";
    }
    std::string folder = std::filesystem::path(path).parent_path().string();
    return folder.empty() ? "." : folder;
}

// Null where the bytes are no message of this kind. The stream is behind what was read afterwards.
std::shared_ptr<tenon_onnx::ModelProto> messageIn(google::protobuf::io::ZeroCopyInputStream& bytes) {
    auto message = std::make_shared<tenon_onnx::ModelProto>();
    google::protobuf::io::CodedInputStream stream(&bytes);
    stream.SetRecursionLimit(kMaxNesting);
    stream.SetTotalBytesLimit(std::numeric_limits<int>::max());
    return message->ParseFromCodedStream(&stream) && stream.ConsumedEntireMessage() ? message : nullptr;
}

} // namespace

OnnxParser::OnnxParser(nvinfer1::INetworkDefinition& network, nvinfer1::ILogger* logger,
                       std::vector<ForeignImporter> moduleImporters)
    : mNetwork(network), mLogger(logger), mModuleImporters(std::move(moduleImporters)) {}

void OnnxParser::log(Severity severity, const std::string& text) const noexcept {
    if (mLogger) {
        mLogger->log(severity, text.c_str());
    }
}

void OnnxParser::fail(ErrorCode code, std::string text) {
    auto problem = std::make_unique<Problem>();
    problem->kind = code;
    problem->text = std::move(text);
    mProblems.push_back(std::move(problem));
}

void OnnxParser::logProblems(size_t from) const noexcept {
    for (size_t i = from; i < mProblems.size(); ++i) {
        log(Severity::kERROR, "[onnx] " + mProblems[i]->text);
    }
}

template <class F>
bool OnnxParser::guarded(F&& work) noexcept {
    size_t before = mProblems.size();
    bool done = false;
    try {
        done = work();
    } catch (const std::bad_alloc&) {
        fail(ErrorCode::kMEM_ALLOC_FAILED, "out of memory while reading the model");
    } catch (const std::exception& error) {
        fail(ErrorCode::kINTERNAL_ERROR, cat("while reading the model: ", error.what()));
    }
    logProblems(before);
    return done && mProblems.size() == before;
}

std::shared_ptr<tenon_onnx::ModelProto> OnnxParser::readMessage(void const* model, size_t size) {
    if (!model || size == 0 || size > kMostBytes) {
        return accepted(nullptr, model ? size : 0);
    }
    google::protobuf::io::ArrayInputStream bytes(model, static_cast<int>(size));
    return accepted(messageIn(bytes), size);
}

std::shared_ptr<tenon_onnx::ModelProto> OnnxParser::readFile(const std::string& name) {
    const int descriptor = ::open(name.c_str(), O_RDONLY | O_CLOEXEC);
    if (descriptor < 0) {
        fail(ErrorCode::kMODEL_DESERIALIZE_FAILED, cat("'", name, "' cannot be opened: ", std::strerror(errno)));
        return nullptr;
    }
    google::protobuf::io::FileInputStream bytes(descriptor, kReadAtOnce);
    bytes.SetCloseOnDelete(true);
    struct stat status {};
    if (::fstat(descriptor, &status) == 0 && static_cast<uint64_t>(status.st_size) > kMostBytes) {
        return accepted(nullptr, static_cast<uint64_t>(status.st_size));
    }
    std::shared_ptr<tenon_onnx::ModelProto> message = messageIn(bytes);
    const void* rest = nullptr;
    for (int count = 0; !message && bytes.Next(&rest, &count);) {
        // How much there is of what is no model; a pipe does not say that.
    }
    if (bytes.GetErrno() != 0) {
        fail(ErrorCode::kMODEL_DESERIALIZE_FAILED,
             cat("'", name, "' cannot be read: ", std::strerror(bytes.GetErrno())));
        return nullptr;
    }
    return accepted(std::move(message), static_cast<uint64_t>(bytes.ByteCount()));
}

std::shared_ptr<tenon_onnx::ModelProto> OnnxParser::accepted(std::shared_ptr<tenon_onnx::ModelProto> message,
                                                             uint64_t size) {
    if (size == 0) {
        fail(ErrorCode::kMODEL_DESERIALIZE_FAILED, "the model is empty; is the file complete?");
    } else if (!message && size >= kMostBytes) {
        fail(ErrorCode::kMODEL_DESERIALIZE_FAILED,
             cat("the model has ", size, " bytes; protobuf reads at most 2 GiB, store its weights as external data"));
    } else if (!message) {
        fail(ErrorCode::kMODEL_DESERIALIZE_FAILED,
             cat("the ", size, " bytes are no ONNX model: the file is truncated, damaged, or of another kind"));
    } else if (!message->has_graph()) {
        fail(ErrorCode::kMODEL_DESERIALIZE_FAILED,
             "the file parses as a model but holds no graph; is it an ONNX model?");
    } else {
        return message;
    }
    return nullptr;
}

bool OnnxParser::importModel(std::shared_ptr<tenon_onnx::ModelProto> model, const std::string& folder,
                             nvinfer1::INetworkDefinition& network, bool dryRun, std::vector<bool>* imported) {
    auto context = std::make_unique<ImportContext>(network);
    ExternalData external(folder);
    ImportOptions options;
    options.applicationImporters = mApplicationImporters;
    options.moduleImporters = mModuleImporters;
    options.plugins = &network.getBuilder().getPluginRegistry();
    options.pluginOverride = getFlag(nvonnxparser::OnnxParserFlag::kENABLE_PLUGIN_OVERRIDE);
    options.dryRun = dryRun;
    options.givenInitializers = mGiven;
    GraphImporter importer(*model, model, external, *context, options);
    bool done = importer.run();
    for (std::unique_ptr<Problem>& problem : importer.takeProblems()) {
        mProblems.push_back(std::move(problem));
    }
    if (!dryRun && !importer.superseded().empty()) {
        log(nvinfer1::ILogger::Severity::kWARNING,
            cat("several constants have one name, as '", importer.superseded(), "'; the last of each was taken"));
    }
    if (imported) {
        *imported = importer.imported();
    }
    if (!dryRun && done && !model->graph().name().empty()) {
        network.setName(model->graph().name().c_str());
    }
    if (!dryRun) {
        // The network points to the constants of every model that it was given.
        mContexts.push_back(std::move(context));
        mKept.push_back(model);
    }
    return done;
}

bool OnnxParser::parse(void const* model, size_t size, char const* path) noexcept {
    return guarded([&] {
        std::shared_ptr<tenon_onnx::ModelProto> message = readMessage(model, size);
        return message && importModel(message, folderOf(path), mNetwork, false, nullptr);
    });
}

bool OnnxParser::parseFromFile(char const* file, int) noexcept {
    return guarded([&] {
        std::string name = file ? file : "";
        std::error_code error;
        if (std::filesystem::is_directory(name, error)) {
            fail(ErrorCode::kMODEL_DESERIALIZE_FAILED,
                 cat("'", name, "' is a directory; give the path of a .onnx file"));
            return false;
        }
        std::shared_ptr<tenon_onnx::ModelProto> message = readFile(name);
        return message && importModel(message, folderOf(name.c_str()), mNetwork, false, nullptr);
    });
}

bool OnnxParser::supportsModelV2(void const* model, size_t size, char const* path) noexcept {
    mParts.clear();
    bool supported = guarded([&] {
        std::shared_ptr<tenon_onnx::ModelProto> message = readMessage(model, size);
        if (!message) {
            return false;
        }
        // A network of its own: the user's stays as it is.
        std::unique_ptr<nvinfer1::INetworkDefinition> scratch(
            mNetwork.getBuilder().createNetworkV2(mNetwork.getFlags()));
        std::vector<bool> imported;
        bool all = scratch && importModel(message, folderOf(path), *scratch, true, &imported);
        for (size_t i = 0; i < imported.size(); ++i) {
            if (mParts.empty() || mParts.back().supported != imported[i]) {
                mParts.push_back({{}, imported[i]});
            }
            mParts.back().nodes.push_back(static_cast<int64_t>(i));
        }
        return all;
    });
    return supported;
}

bool OnnxParser::supportsModel(void const* model, size_t size, SubGraphCollection_t& parts, char const* path) noexcept {
    bool supported = supportsModelV2(model, size, path);
    parts.clear();
    for (const Part& part : mParts) {
        parts.emplace_back(std::vector<size_t>(part.nodes.begin(), part.nodes.end()), part.supported);
    }
    return supported;
}

bool OnnxParser::isSubgraphSupported(int64_t index) noexcept {
    return index >= 0 && index < getNbSubgraphs() && mParts[static_cast<size_t>(index)].supported;
}

int64_t* OnnxParser::getSubgraphNodes(int64_t index, int64_t& length) noexcept {
    if (index < 0 || index >= getNbSubgraphs()) {
        length = 0;
        return nullptr;
    }
    Part& part = mParts[static_cast<size_t>(index)];
    length = static_cast<int64_t>(part.nodes.size());
    return part.nodes.data();
}

bool OnnxParser::supportsOperator(char const* name) const noexcept {
    if (!name) {
        return false;
    }
    bool known = false;
    builtinImporters().find(name, INT64_MAX, known);
    auto named = [&](const ForeignImporter& importer) { return importer.op == name; };
    return known || std::any_of(mModuleImporters.begin(), mModuleImporters.end(), named) ||
           std::any_of(mApplicationImporters.begin(), mApplicationImporters.end(), named);
}

nvonnxparser::IParserError const* OnnxParser::getError(int index) const noexcept {
    return index >= 0 && index < getNbErrors() ? mProblems[static_cast<size_t>(index)].get() : nullptr;
}

char const* const* OnnxParser::getUsedVCPluginLibraries(int64_t& count) const noexcept {
    count = 0;
    return nullptr;
}

nvinfer1::ITensor const* OnnxParser::getLayerOutputTensor(char const* name, int64_t i) noexcept {
    if (!name || mContexts.empty()) {
        return nullptr;
    }
    const auto& outputs = mContexts.back()->layerOutputs;
    auto found = outputs.find(cat(name, "/", i));
    return found == outputs.end() ? nullptr : found->second;
}

bool OnnxParser::loadModelProto(void const* model, size_t size, char const* path) noexcept {
    return guarded([&] {
        mLoaded = readMessage(model, size);
        mLoadedFolder = folderOf(path);
        mGiven.clear();
        return mLoaded != nullptr;
    });
}

bool OnnxParser::loadInitializer(char const* name, void const* data, size_t size) noexcept {
    return guarded([&] {
        if (!mLoaded || !name) {
            fail(ErrorCode::kINVALID_VALUE, "loadInitializer needs a name and a model given by loadModelProto first");
            return false;
        }
        for (const tenon_onnx::TensorProto& proto : mLoaded->graph().initializer()) {
            if (proto.name() != name) {
                continue;
            }
            std::optional<nvinfer1::DataType> type = elementTypeOf(proto.data_type());
            auto tensor = std::make_shared<ConstantTensor>();
            tensor->dims.assign(proto.dims().begin(), proto.dims().end());
            tensor->count = 1;
            for (int64_t dim : tensor->dims) {
                if (dim < 0 || __builtin_mul_overflow(tensor->count, dim, &tensor->count)) {
                    tensor->count = -1;
                    break;
                }
            }
            int64_t bits = 0;
            if (!type || tensor->count < 0 || proto.dims_size() > nvinfer1::Dims::MAX_DIMS ||
                __builtin_mul_overflow(tensor->count, int64_t{bitsOf(*type)}, &bits) || bits > INT64_MAX - 7 ||
                size != static_cast<size_t>((bits + 7) / 8) || (!data && size > 0)) {
                fail(ErrorCode::kINVALID_VALUE, cat("initializer '", name, "' of rank ", proto.dims_size(), ": ", size,
                                                    " bytes do not fit its type and extents"));
                return false;
            }
            tensor->type = *type;
            tensor->data = data;
            mGiven[name] = std::move(tensor);
            return true;
        }
        fail(ErrorCode::kINVALID_VALUE, cat("the model has no initializer '", name, "'"));
        return false;
    });
}

bool OnnxParser::parseModelProto() noexcept {
    return guarded([&] {
        if (!mLoaded) {
            fail(ErrorCode::kINVALID_VALUE, "parseModelProto needs a model given by loadModelProto first");
            return false;
        }
        return importModel(std::move(mLoaded), mLoadedFolder, mNetwork, false, nullptr);
    });
}

bool OnnxParser::setBuilderConfig(nvinfer1::IBuilderConfig const* config) noexcept { return config != nullptr; }

bool OnnxParser::registerImporter(tenon::OnnxImporter const& importer) noexcept {
    return guarded([&] {
        if (!importer.importer || !importer.opType || !*importer.opType || importer.maxOpset < importer.minOpset) {
            fail(ErrorCode::kINVALID_VALUE, "an importer needs an object, an op type and a range of opsets");
            return false;
        }
        mApplicationImporters.push_back({importer.domain ? importer.domain : "", importer.opType, importer.minOpset,
                                         importer.maxOpset, INT32_MAX, importer.importer});
        return true;
    });
}

} // namespace tenon::onnx
