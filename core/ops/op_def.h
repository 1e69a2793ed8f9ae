// An op's one definition: schema, inference, traits. Single source for verifier, docs and conformance coverage.
// Written by core/ops/<family>.cpp and, through the ABI, by modules. Read by everybody. Immutable once registered.
#pragma once

#include "core/ir/attributes.h"
#include "core/ops/infer_context.h"
#include "core/support/status.h"

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace tenon::ops {

enum class AttributeKind : uint8_t { kInt, kFloat, kString, kInts, kFloats, kStrings, kDataType, kDims, kTensor };

struct AttributeSpec {
    std::string name;
    AttributeKind kind = AttributeKind::kInt;
    bool required = false;
    std::optional<ir::AttributeValue> fallback; // meaning when absent
    int32_t since = 1;                          // op set
    std::string doc;
    std::vector<std::string> choices; // of a kString: the legal values; empty: any
    int64_t min = INT64_MIN;          // of a kInt and of each element of a kInts
    int64_t max = INT64_MAX;
};

// An operand that defines shapes: where its contents are known, a pass moves them into `attribute` and drops the input,
// so that kernels only ever see the attribute.
struct ShapeOperand {
    int32_t input = 0;
    std::string attribute;
    AttributeKind kind = AttributeKind::kDims; // kDims; or kInts / kInt / kFloats where only constants make sense
};

struct InputSpec {
    std::string name;
    bool optional = false;
    std::string doc;
};

enum class Effect : uint8_t { kPure, kStateful, kEffectful };

struct OpDef {
    std::string name;   // "conv", "unary.exp"; ops of modules "domain.op"
    std::string family; // groups ops in the documentation
    std::string doc;    // one paragraph: formula, shapes, dtypes
    int32_t since = 1;
    std::vector<InputSpec> inputs;
    bool variadic = false; // the last input repeats
    int32_t minOutputs = 1;
    int32_t maxOutputs = 1;
    std::vector<AttributeSpec> attributes;
    std::vector<ShapeOperand> shapeOperands;
    Effect effect = Effect::kPure;
    bool pointwise = false;   // output element depends on the input elements at the same (broadcast) index only
    bool commutative = false; // in its first two inputs
    bool view = false;        // output has the input's linear bytes (reshape, squeeze, identity)
    bool anyKind = false;     // takes sequences and optionals too; others see tensors only
    // Empty where the types are not a function of the context (fused: of its region; plugin: of its creator).
    std::function<support::Status(InferContext&)> infer;

    const AttributeSpec* attribute(std::string_view attributeName) const;
};

} // namespace tenon::ops
