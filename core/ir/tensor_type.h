// The type of a value: element type and symbolic extents; or a sequence or an optional of those.
// Used by values, inference and the verifier. Extents are handles into the graph's ExprPool.
#pragma once

#include "core/ir/data_type.h"
#include "core/ir/dim_expr.h"

#include <cstdint>
#include <vector>

namespace tenon::ir {

enum class ValueKind : uint8_t { kTensor, kSequence, kOptional };

// For a sequence or optional the type of its elements, as far as known.
struct TensorType {
    ValueKind kind = ValueKind::kTensor;
    DataType dtype = DataType::kF32;
    bool ranked = true;        // false: rank unknown, dims empty
    std::vector<DimExpr> dims; // an invalid handle: extent not known at build time
    int32_t rank() const { return ranked ? static_cast<int32_t>(dims.size()) : -1; }
    friend bool operator==(const TensorType&, const TensorType&) = default;
};

} // namespace tenon::ir
