// A tensor in host memory with its name, for files and comparison; readers and writers of .npy and .pb.
// Used by verbs. Element types are the core's.
#pragma once

#include "core/ir/data_type.h"

#include <cstddef>
#include <cstdint>
#include <string>
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
};

// By extension: .npy or .pb (a TensorProto). Throws ToolError(kBadInput).
HostTensor readTensorFile(const std::string& path);
// .npy, atomically. Throws ToolError.
void writeNpy(const std::string& path, const HostTensor& tensor);

// "1x3x224x224"
std::string shapeText(const std::vector<int64_t>& dims);

} // namespace tenon::tools
