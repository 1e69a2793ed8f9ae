#include "parsers/onnx/tensor_reader.h"

#include "parsers/onnx/text.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>

namespace tenon::onnx {

namespace {

using nvinfer1::DataType;
using nvonnxparser::ErrorCode;
using Proto = tenon_onnx::TensorProto;

constexpr int64_t kMaxElements = int64_t{1} << 40;

Outcome invalid(std::string reason) { return Outcome::failure(ErrorCode::kINVALID_VALUE, std::move(reason)); }

template <class T, class Field>
void copyField(const Field& field, std::vector<std::byte>& to) {
    to.resize(static_cast<size_t>(field.size()) * sizeof(T));
    for (int i = 0; i < field.size(); ++i) {
        T value = static_cast<T>(field.Get(i));
        std::memcpy(to.data() + static_cast<size_t>(i) * sizeof(T), &value, sizeof(T));
    }
}

// Elements as the typed fields of the message hold them.
Outcome typedElements(const Proto& proto, DataType type, std::vector<std::byte>& bytes) {
    switch (proto.data_type()) {
    case Proto::FLOAT:
        copyField<float>(proto.float_data(), bytes);
        return {};
    case Proto::DOUBLE:
        copyField<double>(proto.double_data(), bytes);
        return {};
    case Proto::INT64:
        copyField<int64_t>(proto.int64_data(), bytes);
        return {};
    case Proto::UINT64:
        copyField<uint64_t>(proto.uint64_data(), bytes);
        return {};
    case Proto::UINT32:
        copyField<uint32_t>(proto.uint64_data(), bytes);
        return {};
    case Proto::INT32:
        copyField<int32_t>(proto.int32_data(), bytes);
        return {};
    case Proto::INT16:
        copyField<int16_t>(proto.int32_data(), bytes);
        return {};
    case Proto::UINT16:
    case Proto::FLOAT16:
    case Proto::BFLOAT16:
        copyField<uint16_t>(proto.int32_data(), bytes);
        return {};
    default:
        break;
    }
    if (bitsOf(type) <= 8) {
        // One byte, or several packed elements of less than a byte, per entry.
        copyField<uint8_t>(proto.int32_data(), bytes);
        return {};
    }
    return invalid(cat("element type ", onnxTypeName(proto.data_type()), " cannot be read"));
}

} // namespace

nvinfer1::Dims ConstantTensor::shape() const {
    nvinfer1::Dims shape{};
    shape.nbDims = static_cast<int32_t>(dims.size());
    for (size_t i = 0; i < dims.size(); ++i) {
        shape.d[i] = dims[i];
    }
    return shape;
}

std::optional<std::vector<int64_t>> ConstantTensor::integers() const {
    std::vector<int64_t> values(static_cast<size_t>(count));
    auto copy = [&](auto example) {
        using T = decltype(example);
        for (int64_t i = 0; i < count; ++i) {
            T value;
            std::memcpy(&value, static_cast<const std::byte*>(data) + static_cast<size_t>(i) * sizeof(T), sizeof(T));
            values[static_cast<size_t>(i)] = static_cast<int64_t>(value);
        }
        return values;
    };
    switch (type) {
    case DataType::kINT64:
        return copy(int64_t{});
    case DataType::kINT32:
        return copy(int32_t{});
    case DataType::kBOOL:
    case DataType::kUINT8:
        return copy(uint8_t{});
    case DataType::kINT8:
        return copy(int8_t{});
    default:
        return std::nullopt;
    }
}

std::optional<std::vector<double>> ConstantTensor::numbers() const {
    std::vector<double> values(static_cast<size_t>(count));
    if (type == DataType::kFLOAT) {
        for (int64_t i = 0; i < count; ++i) {
            float value;
            std::memcpy(&value, static_cast<const float*>(data) + i, sizeof(value));
            values[static_cast<size_t>(i)] = static_cast<double>(value);
        }
        return values;
    }
    if (type == element_type::kDOUBLE) {
        std::memcpy(values.data(), data, values.size() * sizeof(double));
        return values;
    }
    std::optional<std::vector<int64_t>> whole = integers();
    if (!whole) {
        return std::nullopt;
    }
    return std::vector<double>(whole->begin(), whole->end());
}

std::optional<DataType> elementTypeOf(int32_t onnxType) {
    switch (onnxType) {
    case Proto::FLOAT:
        return DataType::kFLOAT;
    case Proto::FLOAT16:
        return DataType::kHALF;
    case Proto::BFLOAT16:
        return DataType::kBF16;
    case Proto::DOUBLE:
        return element_type::kDOUBLE;
    case Proto::INT8:
        return DataType::kINT8;
    case Proto::UINT8:
        return DataType::kUINT8;
    case Proto::INT16:
        return element_type::kINT16;
    case Proto::UINT16:
        return element_type::kUINT16;
    case Proto::INT32:
        return DataType::kINT32;
    case Proto::UINT32:
        return element_type::kUINT32;
    case Proto::INT64:
        return DataType::kINT64;
    case Proto::UINT64:
        return element_type::kUINT64;
    case Proto::BOOL:
        return DataType::kBOOL;
    case Proto::FLOAT8E4M3FN:
        return DataType::kFP8;
    case Proto::FLOAT8E5M2:
        return element_type::kFP8_E5M2;
    case Proto::INT4:
        return DataType::kINT4;
    case Proto::UINT4:
        return element_type::kUINT4;
    case Proto::FLOAT4E2M1:
        return DataType::kFP4;
    default:
        return std::nullopt;
    }
}

std::string onnxTypeName(int32_t onnxType) {
    static constexpr const char* kNames[] = {
        "UNDEFINED",      "FLOAT",      "UINT8",          "INT8",       "UINT16",   "INT16",
        "INT32",          "INT64",      "STRING",         "BOOL",       "FLOAT16",  "DOUBLE",
        "UINT32",         "UINT64",     "COMPLEX64",      "COMPLEX128", "BFLOAT16", "FLOAT8E4M3FN",
        "FLOAT8E4M3FNUZ", "FLOAT8E5M2", "FLOAT8E5M2FNUZ", "UINT4",      "INT4",     "FLOAT4E2M1"};
    if (onnxType >= 0 && onnxType < static_cast<int32_t>(std::size(kNames))) {
        return kNames[onnxType];
    }
    return cat("type ", onnxType);
}

int32_t bitsOf(DataType type) {
    if (type == element_type::kDOUBLE || type == DataType::kINT64 || type == element_type::kUINT64) {
        return 64;
    }
    if (type == DataType::kFLOAT || type == DataType::kINT32 || type == element_type::kUINT32) {
        return 32;
    }
    if (type == DataType::kHALF || type == DataType::kBF16 || type == element_type::kINT16 ||
        type == element_type::kUINT16) {
        return 16;
    }
    if (type == DataType::kINT4 || type == DataType::kFP4 || type == element_type::kUINT4) {
        return 4;
    }
    return 8;
}

struct ExternalData::Mapping {
    void* data = nullptr;
    size_t size = 0;
    ~Mapping() {
        if (data) {
            munmap(data, size);
        }
    }
};

Outcome ExternalData::read(const Proto& tensor, int64_t bytes, std::shared_ptr<const void>& owner, const void*& data) {
    std::string location;
    int64_t offset = 0;
    int64_t length = bytes;
    for (const tenon_onnx::StringStringEntryProto& entry : tensor.external_data()) {
        char* end = nullptr;
        errno = 0;
        if (entry.key() == "location") {
            location = entry.value();
        } else if (entry.key() == "offset" || entry.key() == "length") {
            int64_t value = std::strtoll(entry.value().c_str(), &end, 10);
            if (errno != 0 || end == entry.value().c_str() || *end != 0 || value < 0) {
                return invalid(cat("external data has ", entry.key(), " '", entry.value(), "', which is no size"));
            }
            (entry.key() == "offset" ? offset : length) = value;
        }
    }
    if (location.empty()) {
        return invalid("external data names no file");
    }
    if (mFolder.empty()) {
        return invalid(cat("external data '", location,
                           "' is needed, but the model came from memory without a path; parse from a file or give the "
                           "model's path"));
    }
    namespace fs = std::filesystem;
    fs::path relative = fs::path(location).lexically_normal();
    if (relative.is_absolute() || relative.empty() || *relative.begin() == "..") {
        return invalid(cat("external data '", location,
                           "' points outside the model's folder, which is refused; put the file beside the model"));
    }
    std::error_code error;
    fs::path base = fs::canonical(mFolder, error);
    fs::path file = error ? fs::path() : fs::canonical(base / relative, error);
    if (error) {
        return invalid(cat("external data file '", (fs::path(mFolder) / relative).string(),
                           "' cannot be opened: ", error.message()));
    }
    auto [endOfBase, ignored] = std::mismatch(base.begin(), base.end(), file.begin(), file.end());
    if (endOfBase != base.end()) {
        return invalid(cat("external data '", location, "' is a link out of the model's folder, which is refused"));
    }
    std::shared_ptr<Mapping> mapping;
    for (const auto& [name, known] : mMappings) {
        if (name == file.string()) {
            mapping = known;
        }
    }
    if (!mapping) {
        int descriptor = ::open(file.c_str(), O_RDONLY | O_CLOEXEC);
        struct stat status {};
        if (descriptor < 0 || fstat(descriptor, &status) != 0 || !S_ISREG(status.st_mode)) {
            std::string why = descriptor < 0 ? std::strerror(errno) : "not a regular file";
            if (descriptor >= 0) {
                ::close(descriptor);
            }
            return invalid(cat("external data file '", file.string(), "' cannot be opened: ", why));
        }
        mapping = std::make_shared<Mapping>();
        mapping->size = static_cast<size_t>(status.st_size);
        if (mapping->size > 0) {
            void* memory = mmap(nullptr, mapping->size, PROT_READ, MAP_PRIVATE, descriptor, 0);
            if (memory == MAP_FAILED) {
                ::close(descriptor);
                return invalid(
                    cat("external data file '", file.string(), "' cannot be mapped: ", std::strerror(errno)));
            }
            mapping->data = memory;
        }
        ::close(descriptor);
        mMappings.emplace_back(file.string(), mapping);
    }
    auto size = static_cast<int64_t>(mapping->size);
    if (length != bytes || offset > size || bytes > size - offset) {
        return invalid(cat("external data '", location, "' at offset ", offset, " has ",
                           std::max<int64_t>(size - offset, 0), " bytes, length says ", length,
                           ", and the tensor needs ", bytes));
    }
    owner = mapping;
    data = static_cast<const std::byte*>(mapping->data) + offset;
    return {};
}

Outcome readTensor(const Proto& proto, ExternalData& external, const std::shared_ptr<const void>& keep,
                   ConstantTensor& tensor) {
    std::optional<DataType> type = elementTypeOf(proto.data_type());
    if (!type) {
        return Outcome::failure(ErrorCode::kUNSUPPORTED_NODE_DATATYPE,
                                cat("elements of type ", onnxTypeName(proto.data_type()), " are not supported"));
    }
    tensor.type = *type;
    tensor.dims.assign(proto.dims().begin(), proto.dims().end());
    if (tensor.dims.size() > static_cast<size_t>(nvinfer1::Dims::MAX_DIMS)) {
        return invalid(cat("rank ", tensor.dims.size(), " exceeds the maximum of ", nvinfer1::Dims::MAX_DIMS));
    }
    tensor.count = 1;
    for (int64_t dim : tensor.dims) {
        if (dim < 0 || __builtin_mul_overflow(tensor.count, dim, &tensor.count) || tensor.count > kMaxElements) {
            return invalid(cat("extents [", join(tensor.dims, ", "), "] are negative or too large"));
        }
    }
    int64_t bytes = (tensor.count * bitsOf(*type) + 7) / 8;
    if (proto.data_location() == Proto::EXTERNAL) {
        Outcome outcome = external.read(proto, bytes, tensor.owner, tensor.data);
        if (!outcome.ok()) {
            return outcome;
        }
        auto address = reinterpret_cast<uintptr_t>(tensor.data);
        if (address % 8 != 0) {
            auto copy = std::make_shared<std::vector<std::byte>>(static_cast<const std::byte*>(tensor.data),
                                                                 static_cast<const std::byte*>(tensor.data) + bytes);
            tensor.owner = copy;
            tensor.data = copy->data();
        }
        return {};
    }
    if (proto.has_raw_data() && (!proto.raw_data().empty() || tensor.count == 0)) {
        if (static_cast<int64_t>(proto.raw_data().size()) != bytes) {
            return invalid(cat("raw data has ", proto.raw_data().size(), " bytes, ", tensor.count, " elements of ",
                               onnxTypeName(proto.data_type()), " need ", bytes));
        }
        const void* raw = proto.raw_data().data();
        if (keep && reinterpret_cast<uintptr_t>(raw) % 8 == 0) {
            tensor.owner = keep;
            tensor.data = raw;
            return {};
        }
        auto copy = std::make_shared<std::vector<std::byte>>(static_cast<size_t>(bytes));
        std::memcpy(copy->data(), raw, static_cast<size_t>(bytes));
        tensor.owner = copy;
        tensor.data = copy->data();
        return {};
    }
    auto elements = std::make_shared<std::vector<std::byte>>();
    Outcome outcome = typedElements(proto, *type, *elements);
    if (!outcome.ok()) {
        return outcome;
    }
    if (static_cast<int64_t>(elements->size()) != bytes) {
        return invalid(cat("the typed data has ", elements->size(), " bytes, ", tensor.count, " elements of ",
                           onnxTypeName(proto.data_type()), " need ", bytes));
    }
    elements->reserve(1); // so that an empty tensor has an address
    tensor.owner = elements;
    tensor.data = elements->data();
    return {};
}

} // namespace tenon::onnx
