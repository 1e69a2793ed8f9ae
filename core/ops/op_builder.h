// Writes an OpDef as a sentence: OpBuilder("softmax", "...").input("x").integer("axis", -1, "...").build(infer).
// Used by op families only. Knows nothing of graphs.
#pragma once

#include "core/ops/op_def.h"

#include <string>
#include <utility>
#include <vector>

namespace tenon::ops {

// Legal values of an integer attribute, or of each of a list.
struct IntRange {
    int64_t min = INT64_MIN;
    int64_t max = INT64_MAX;
};
// Counts and sizes stay below 2^31, so that sums and products of a few of them cannot overflow.
inline constexpr IntRange kPositive{1, INT32_MAX};
inline constexpr IntRange kNotNegative{0, INT32_MAX};
inline constexpr IntRange kAnyInt{};

class OpBuilder {
public:
    using Infer = std::function<support::Status(InferContext&)>;

    OpBuilder(std::string name, std::string doc) {
        mDef.name = std::move(name);
        mDef.doc = std::move(doc);
    }

    OpBuilder& input(std::string name, std::string doc = {}) {
        mDef.inputs.push_back({std::move(name), false, std::move(doc)});
        return *this;
    }
    OpBuilder& optionalInput(std::string name, std::string doc = {}) {
        mDef.inputs.push_back({std::move(name), true, std::move(doc)});
        return *this;
    }
    // The last input: as many as one likes, at least one.
    OpBuilder& variadicInput(std::string name, std::string doc = {}) {
        mDef.variadic = true;
        return input(std::move(name), std::move(doc));
    }
    OpBuilder& outputs(int32_t min, int32_t max) {
        mDef.minOutputs = min;
        mDef.maxOutputs = max;
        return *this;
    }

    OpBuilder& integer(std::string name, int64_t fallback, std::string doc, IntRange range = kAnyInt) {
        return add(std::move(name), AttributeKind::kInt, fallback, std::move(doc), range);
    }
    OpBuilder& requiredInteger(std::string name, std::string doc, IntRange range = kAnyInt) {
        add(std::move(name), AttributeKind::kInt, std::nullopt, std::move(doc), range);
        mDef.attributes.back().required = true;
        return *this;
    }
    OpBuilder& flag(std::string name, bool fallback, std::string doc) {
        return integer(std::move(name), fallback ? 1 : 0, std::move(doc), {0, 1});
    }
    OpBuilder& number(std::string name, double fallback, std::string doc) {
        return add(std::move(name), AttributeKind::kFloat, fallback, std::move(doc));
    }
    OpBuilder& text(std::string name, std::string fallback, std::vector<std::string> choices, std::string doc) {
        add(std::move(name), AttributeKind::kString, std::move(fallback), std::move(doc));
        mDef.attributes.back().choices = std::move(choices);
        return *this;
    }
    OpBuilder& requiredText(std::string name, std::string doc) {
        add(std::move(name), AttributeKind::kString, std::nullopt, std::move(doc));
        mDef.attributes.back().required = true;
        return *this;
    }
    // No fallback value: what absence means is in `doc`.
    OpBuilder& integers(std::string name, std::string doc, IntRange range = kAnyInt) {
        return add(std::move(name), AttributeKind::kInts, std::nullopt, std::move(doc), range);
    }
    OpBuilder& requiredIntegers(std::string name, std::string doc, IntRange range = kAnyInt) {
        integers(std::move(name), std::move(doc), range);
        mDef.attributes.back().required = true;
        return *this;
    }
    OpBuilder& numbers(std::string name, std::string doc) {
        return add(std::move(name), AttributeKind::kFloats, std::nullopt, std::move(doc));
    }
    OpBuilder& dtype(std::string name, std::optional<ir::DataType> fallback, std::string doc, bool required = false) {
        std::optional<ir::AttributeValue> value;
        if (fallback) {
            value = *fallback;
        }
        add(std::move(name), AttributeKind::kDataType, std::move(value), std::move(doc));
        mDef.attributes.back().required = required;
        return *this;
    }
    OpBuilder& tensor(std::string name, std::string doc, bool required) {
        add(std::move(name), AttributeKind::kTensor, std::nullopt, std::move(doc));
        mDef.attributes.back().required = required;
        return *this;
    }
    OpBuilder& dims(std::string name, std::string doc) {
        return add(std::move(name), AttributeKind::kDims, std::nullopt, std::move(doc));
    }
    // An optional input with the attribute that its known contents become.
    OpBuilder& shapeOperand(std::string name, AttributeKind kind, std::string doc, IntRange range = kAnyInt) {
        mDef.shapeOperands.push_back({static_cast<int32_t>(mDef.inputs.size()), name, kind});
        optionalInput(name, "the attribute of this name, as a tensor");
        return add(std::move(name), kind, std::nullopt, std::move(doc), range);
    }

    OpBuilder& pointwise() {
        mDef.pointwise = true;
        return *this;
    }
    OpBuilder& commutative() {
        mDef.commutative = true;
        return *this;
    }
    OpBuilder& view() {
        mDef.view = true;
        return *this;
    }
    OpBuilder& anyKind() {
        mDef.anyKind = true;
        return *this;
    }

    OpDef build(Infer infer) {
        mDef.infer = std::move(infer);
        return std::move(mDef);
    }

private:
    OpBuilder& add(std::string name, AttributeKind kind, std::optional<ir::AttributeValue> fallback, std::string doc,
                   IntRange range = kAnyInt) {
        AttributeSpec spec;
        spec.name = std::move(name);
        spec.kind = kind;
        spec.fallback = std::move(fallback);
        spec.doc = std::move(doc);
        spec.min = range.min;
        spec.max = range.max;
        mDef.attributes.push_back(std::move(spec));
        return *this;
    }

    OpDef mDef;
};

} // namespace tenon::ops
