#include "tools/common/host_tensor.h"

#include "core/ir/half.h"
#include "core/ir/weights.h"
#include "core/support/file_map.h"
#include "core/support/text.h"
#include "parsers/onnx/onnx_ml.pb.h"
#include "tools/common/exit_code.h"

#include <algorithm>
#include <charconv>
#include <cstring>
#include <filesystem>
#include <iterator>

namespace tenon::tools {

namespace {

using support::cat;
using Proto = tenon_onnx::TensorProto;

constexpr int64_t kMaxElements = int64_t{1} << 36;

[[noreturn]] void damaged(const std::string& path, const std::string& why) {
    throw ToolError(ExitCode::kBadInput, cat("'", path, "': ", why));
}

void setDims(HostTensor& tensor, std::vector<int64_t> dims, const std::string& path) {
    int64_t count = 1;
    for (int64_t dim : dims) {
        if (dim < 0 || __builtin_mul_overflow(count, dim, &count) || count > kMaxElements) {
            damaged(path, cat("its extents ", shapeText(dims), " are negative or too large"));
        }
    }
    tensor.dims = std::move(dims);
    tensor.resize();
}

// --- .npy (format described in NumPy's numpy.lib.format)

constexpr std::string_view kNpyMagic = "\x93NUMPY";

struct NpyType {
    const char* text;
    const char* name;
    ir::DataType dtype;
};
constexpr NpyType kNpyTypes[] = {
    {"<f4", "float32", ir::DataType::kF32}, {"<f8", "float64", ir::DataType::kF64},
    {"<f2", "float16", ir::DataType::kF16}, {"|b1", "bool", ir::DataType::kBool},
    {"|i1", "int8", ir::DataType::kI8},     {"|u1", "uint8", ir::DataType::kU8},
    {"<i2", "int16", ir::DataType::kI16},   {"<u2", "uint16", ir::DataType::kU16},
    {"<i4", "int32", ir::DataType::kI32},   {"<u4", "uint32", ir::DataType::kU32},
    {"<i8", "int64", ir::DataType::kI64},   {"<u8", "uint64", ir::DataType::kU64},
};

std::string_view valueOf(std::string_view header, std::string_view key) {
    size_t at = header.find(cat("'", key, "':"));
    return at == std::string_view::npos ? std::string_view() : header.substr(at + key.size() + 3);
}

HostTensor readNpy(const std::string& path, std::string_view file) {
    if (file.size() < 12 || !file.starts_with(kNpyMagic)) {
        damaged(path, "not a .npy file");
    }
    auto byte = [&](size_t i) { return static_cast<size_t>(static_cast<uint8_t>(file[i])); };
    bool large = file[6] >= 2;
    size_t length = large ? byte(8) | byte(9) << 8 | byte(10) << 16 | byte(11) << 24 : byte(8) | byte(9) << 8;
    size_t start = large ? 12 : 10;
    if (length > file.size() - start) {
        damaged(path, "its header is truncated");
    }
    std::string_view header = file.substr(start, length);
    std::string_view data = file.substr(start + length);
    HostTensor tensor;
    std::string_view type = valueOf(header, "descr");
    bool known = false;
    for (const NpyType& entry : kNpyTypes) {
        if (type.substr(0, 8).find(cat("'", entry.text, "'")) != std::string_view::npos) {
            tensor.dtype = entry.dtype;
            known = true;
        }
    }
    if (!known) {
        damaged(path,
                cat("its element type", type.substr(0, 8), " is not supported (little-endian numbers and bool are)"));
    }
    if (valueOf(header, "fortran_order").substr(0, 6).find("True") != std::string_view::npos) {
        damaged(path, "column-major order is not supported; save numpy.ascontiguousarray(x)");
    }
    std::string_view shape = valueOf(header, "shape");
    shape = shape.substr(0, shape.find(')'));
    std::vector<int64_t> dims;
    for (size_t i = 0; i < shape.size();) {
        if (shape[i] < '0' || shape[i] > '9') {
            ++i;
            continue;
        }
        int64_t dim = 0;
        auto [end, error] = std::from_chars(shape.data() + i, shape.data() + shape.size(), dim);
        if (error != std::errc()) {
            damaged(path, "its shape cannot be read");
        }
        dims.push_back(dim);
        i = static_cast<size_t>(end - shape.data());
    }
    setDims(tensor, std::move(dims), path);
    if (data.size() != tensor.bytes.size()) {
        damaged(path, cat("it has ", data.size(), " bytes of data, its header promises ", tensor.bytes.size()));
    }
    std::memcpy(tensor.bytes.data(), data.data(), data.size());
    return tensor;
}

// --- .pb

std::optional<ir::DataType> fromOnnx(int32_t type) {
    switch (type) {
    case Proto::FLOAT:
        return ir::DataType::kF32;
    case Proto::DOUBLE:
        return ir::DataType::kF64;
    case Proto::FLOAT16:
        return ir::DataType::kF16;
    case Proto::BFLOAT16:
        return ir::DataType::kBF16;
    case Proto::INT8:
        return ir::DataType::kI8;
    case Proto::UINT8:
        return ir::DataType::kU8;
    case Proto::INT16:
        return ir::DataType::kI16;
    case Proto::UINT16:
        return ir::DataType::kU16;
    case Proto::INT32:
        return ir::DataType::kI32;
    case Proto::UINT32:
        return ir::DataType::kU32;
    case Proto::INT64:
        return ir::DataType::kI64;
    case Proto::UINT64:
        return ir::DataType::kU64;
    case Proto::BOOL:
        return ir::DataType::kBool;
    case Proto::FLOAT8E4M3FN:
        return ir::DataType::kF8E4M3;
    case Proto::FLOAT8E5M2:
        return ir::DataType::kF8E5M2;
    default:
        return std::nullopt;
    }
}

template <class T, class Field>
void copyField(const Field& field, HostTensor& tensor, const std::string& path) {
    if (static_cast<int64_t>(field.size()) != tensor.elements()) {
        damaged(path, cat("it has ", field.size(), " elements, its extents promise ", tensor.elements()));
    }
    for (int i = 0; i < field.size(); ++i) {
        T value = static_cast<T>(field.Get(i));
        std::memcpy(tensor.bytes.data() + static_cast<size_t>(i) * sizeof(T), &value, sizeof(T));
    }
}

HostTensor readProto(const std::string& path, std::string_view file) {
    Proto proto;
    if (!proto.ParseFromArray(file.data(), static_cast<int>(file.size()))) {
        damaged(path, "not a serialised TensorProto");
    }
    std::optional<ir::DataType> type = fromOnnx(proto.data_type());
    if (!type) {
        damaged(path, cat("elements of ONNX type ", proto.data_type(), " are not supported"));
    }
    HostTensor tensor;
    tensor.name = proto.name();
    tensor.dtype = *type;
    setDims(tensor, {proto.dims().begin(), proto.dims().end()}, path);
    if (proto.has_raw_data() || tensor.bytes.empty()) {
        if (proto.raw_data().size() != tensor.bytes.size()) {
            damaged(path, cat("it has ", proto.raw_data().size(), " bytes of data, its extents promise ",
                              tensor.bytes.size()));
        }
        std::copy_n(reinterpret_cast<const std::byte*>(proto.raw_data().data()), tensor.bytes.size(),
                    tensor.bytes.data());
        return tensor;
    }
    switch (proto.data_type()) {
    case Proto::FLOAT:
        copyField<float>(proto.float_data(), tensor, path);
        break;
    case Proto::DOUBLE:
        copyField<double>(proto.double_data(), tensor, path);
        break;
    case Proto::INT64:
        copyField<int64_t>(proto.int64_data(), tensor, path);
        break;
    case Proto::UINT64:
        copyField<uint64_t>(proto.uint64_data(), tensor, path);
        break;
    case Proto::UINT32:
        copyField<uint32_t>(proto.uint64_data(), tensor, path);
        break;
    case Proto::INT32:
        copyField<int32_t>(proto.int32_data(), tensor, path);
        break;
    case Proto::INT16:
    case Proto::UINT16:
    case Proto::FLOAT16:
    case Proto::BFLOAT16:
        copyField<uint16_t>(proto.int32_data(), tensor, path);
        break;
    default:
        copyField<uint8_t>(proto.int32_data(), tensor, path);
        break;
    }
    return tensor;
}

} // namespace

int64_t HostTensor::elements() const {
    int64_t count = 1;
    for (int64_t dim : dims) {
        count *= dim;
    }
    return count;
}

void HostTensor::resize() { bytes.assign(static_cast<size_t>((elements() * ir::bitsOf(dtype) + 7) / 8), std::byte{0}); }

double HostTensor::numberAt(int64_t index) const {
    ir::Constant view;
    view.dtype = dtype;
    view.dims = {elements()};
    view.data = bytes.data();
    view.bytes = static_cast<int64_t>(bytes.size());
    return view.numberAt(index);
}

void HostTensor::setNumberAt(int64_t index, double value) {
    const auto put = [&](auto typed) {
        std::memcpy(bytes.data() + static_cast<size_t>(index) * sizeof(typed), &typed, sizeof(typed));
    };
    const auto single = static_cast<float>(value);
    switch (dtype) {
    case ir::DataType::kF32:
        return put(single);
    case ir::DataType::kF64:
        return put(value);
    case ir::DataType::kF16:
        return put(ir::floatToHalf(single));
    case ir::DataType::kBF16:
        return put(ir::floatToBfloat16(single));
    case ir::DataType::kF8E4M3:
        return put(ir::floatToF8e4m3(single));
    case ir::DataType::kF8E5M2:
        return put(ir::floatToF8e5m2(single));
    case ir::DataType::kF8E8M0:
        return put(ir::floatToF8e8m0(single));
    case ir::DataType::kI8:
        return put(static_cast<int8_t>(value));
    case ir::DataType::kU8:
    case ir::DataType::kBool:
        return put(static_cast<uint8_t>(value));
    case ir::DataType::kI16:
        return put(static_cast<int16_t>(value));
    case ir::DataType::kU16:
        return put(static_cast<uint16_t>(value));
    case ir::DataType::kI32:
        return put(static_cast<int32_t>(value));
    case ir::DataType::kU32:
        return put(static_cast<uint32_t>(value));
    case ir::DataType::kI64:
        return put(static_cast<int64_t>(value));
    case ir::DataType::kU64:
        return put(static_cast<uint64_t>(value));
    case ir::DataType::kI4:
    case ir::DataType::kU4:
    case ir::DataType::kF4E2M1: {
        std::byte& pair = bytes[static_cast<size_t>(index / 2)];
        const auto nibble =
            std::byte(dtype == ir::DataType::kF4E2M1 ? ir::floatToF4e2m1(single) : static_cast<int8_t>(value) & 15);
        pair = index % 2 == 0 ? (pair & std::byte{0xf0}) | nibble : (pair & std::byte{0x0f}) | nibble << 4;
        return;
    }
    case ir::DataType::kString:
        return;
    }
}

std::optional<ir::DataType> typeOfNumpy(std::string_view name) {
    for (const NpyType& type : kNpyTypes) {
        if (name == type.name) {
            return type.dtype;
        }
    }
    return std::nullopt;
}

void requireType(const std::string& name, ir::DataType given, ir::DataType wanted, const std::string& place,
                 const char* taker) {
    if (given == wanted) {
        return;
    }
    const auto numpy = std::find_if(std::begin(kNpyTypes), std::end(kNpyTypes),
                                    [&](const NpyType& type) { return type.dtype == wanted; });
    throw ToolError(ExitCode::kBadInput,
                    cat("input '", name, "' has elements of ", ir::nameOf(given), place, ", the ", taker, " takes ",
                        ir::nameOf(wanted), "; ",
                        numpy == std::end(kNpyTypes) ? cat("give a .pb file of ", ir::nameOf(wanted))
                                                     : cat("convert the file (numpy: x.astype('", numpy->name, "'))")));
}

std::string shapeText(const std::vector<int64_t>& dims) { return dims.empty() ? "scalar" : support::join(dims, "x"); }

HostTensor readTensorFile(const std::string& path) {
    support::Result<support::FileMap> file = support::FileMap::open(path);
    if (!file.ok()) {
        throw ToolError(exitCodeOf(file.status()), file.status().message());
    }
    // Pipes have names that say nothing of what they bring.
    std::error_code error;
    const bool isPipe = std::filesystem::exists(path, error) && !std::filesystem::is_regular_file(path, error);
    if (isPipe && file->size() == 0) {
        damaged(path, "it is a pipe, and nothing came from it");
    }
    if (path.ends_with(".npy") || file->text().starts_with(kNpyMagic)) {
        return readNpy(path, file->text());
    }
    if (path.ends_with(".pb") || isPipe) {
        return readProto(path, file->text());
    }
    damaged(path, "tensors are read from .npy and .pb (TensorProto) files");
}

void writeNpy(const std::string& path, const HostTensor& tensor) {
    const char* type = nullptr;
    for (const NpyType& entry : kNpyTypes) {
        type = entry.dtype == tensor.dtype ? entry.text : type;
    }
    HostTensor widened;
    const HostTensor* source = &tensor;
    if (!type) {
        // Types that NumPy does not have are written as f32.
        widened.dims = tensor.dims;
        widened.resize();
        for (int64_t i = 0; i < tensor.elements(); ++i) {
            auto value = static_cast<float>(tensor.numberAt(i));
            std::memcpy(widened.bytes.data() + static_cast<size_t>(i) * sizeof(float), &value, sizeof(float));
        }
        source = &widened;
        type = "<f4";
    }
    std::string header = cat("{'descr': '", type, "', 'fortran_order': False, 'shape': (",
                             support::join(source->dims, ", "), source->dims.size() == 1 ? ",)" : ")", ", }");
    size_t padded = (10 + header.size() + 1 + 63) / 64 * 64;
    header.append(padded - 10 - header.size() - 1, ' ');
    header += '\n';
    std::string file("\x93NUMPY\x01\x00", 8);
    file += static_cast<char>(header.size() & 0xFF);
    file += static_cast<char>(header.size() >> 8);
    file += header;
    file.append(reinterpret_cast<const char*>(source->bytes.data()), source->bytes.size());
    support::Status written = support::writeFileAtomically(path, std::string_view(file));
    if (!written.ok()) {
        throw ToolError(ExitCode::kEnvironment, written.message());
    }
}

} // namespace tenon::tools
