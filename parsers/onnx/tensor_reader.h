// TensorProto to constant tensors: every encoding, external data included, with every size checked.
// Used for initializers, Constant nodes and tensor attributes.
#pragma once

#include "parsers/onnx/onnx_ml.pb.h"
#include "parsers/onnx/problem.h"
#include "tenon/network.h"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace tenon::onnx {

// A constant of the model. `owner` keeps the bytes: a buffer, the model's message, or a mapped file.
struct ConstantTensor {
    nvinfer1::DataType type = nvinfer1::DataType::kFLOAT;
    std::vector<int64_t> dims;
    std::shared_ptr<const void> owner;
    const void* data = nullptr;
    int64_t count = 0;

    nvinfer1::Weights weights() const { return {type, data, count}; }
    nvinfer1::Dims shape() const;
    // Elements of an integer or bool tensor; empty optional for other types.
    std::optional<std::vector<int64_t>> integers() const;
    // Elements of a numeric tensor of 32 or 64 bit (f32, f64, i32, i64).
    std::optional<std::vector<double>> numbers() const;
};

std::optional<nvinfer1::DataType> elementTypeOf(int32_t onnxType);
std::string onnxTypeName(int32_t onnxType);
// Bits of an element; 0 for an unknown type.
int32_t bitsOf(nvinfer1::DataType type);

// Where external data is looked for and how far it may reach: files below the model's folder only.
class ExternalData {
public:
    // Empty: there is no folder, external data is refused.
    explicit ExternalData(std::string folder) : mFolder(std::move(folder)) {}
    Outcome read(const tenon_onnx::TensorProto& tensor, int64_t bytes, std::shared_ptr<const void>& owner,
                 const void*& data);

private:
    struct Mapping;
    std::string mFolder;
    std::vector<std::pair<std::string, std::shared_ptr<Mapping>>> mMappings;
};

// `keep` keeps the message's own bytes alive where they can be used in place.
Outcome readTensor(const tenon_onnx::TensorProto& proto, ExternalData& external,
                   const std::shared_ptr<const void>& keep, ConstantTensor& tensor);

} // namespace tenon::onnx
