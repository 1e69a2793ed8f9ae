// A tensor in host memory with its name, for files and comparison; readers and writers of .npy and .pb.
// Used by verbs. Element types are the core's.
#pragma once

#include "core/ir/data_type.h"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace tenon::tools {

struct HostTensor {
    std::string name;
    ir::DataType dtype = ir::DataType::kF32;
    std::vector<int64_t> dims;
    std::vector<std::byte> bytes;

    int64_t elements() const;
    void resize(); // bytes for dims and dtype
    double numberAt(int64_t index) const;
    void setNumberAt(int64_t index, double value); // in its type's next value
};

// By extension: .npy or .pb (a TensorProto). Throws ToolError(kBadInput).
HostTensor readTensorFile(const std::string& path);
// .npy, atomically. Throws ToolError.
void writeNpy(const std::string& path, const HostTensor& tensor);

// Of what NumPy calls "float32".
std::optional<ir::DataType> typeOfNumpy(std::string_view name);
// Throws ToolError(kBadInput) where input `name` has elements of another type than `wanted`, with what converts its file. `place`: where it comes from,
// " in 'test_data_set_0'", or nothing; `taker`: what takes it, "model".
void requireType(const std::string& name, ir::DataType given, ir::DataType wanted, const std::string& place,
                 const char* taker);

// "1x3x224x224"
std::string shapeText(const std::vector<int64_t>& dims);

} // namespace tenon::tools
