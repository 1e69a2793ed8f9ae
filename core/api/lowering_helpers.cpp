#include "core/api/lowering_helpers.h"

#include "core/ir/half.h"

#include <cmath>
#include <cstring>

namespace tenon::api {

using support::cat;
using support::Result;
using support::Status;

ir::AttributeValue dimList(const Emitter& emitter, const std::vector<int64_t>& values) {
    ir::DimList list;
    for (const int64_t value : values) {
        list.dims.push_back(emitter.pool().constant(value));
    }
    return list;
}

std::vector<int64_t> axesOf(uint32_t mask) {
    std::vector<int64_t> axes;
    for (int64_t i = 0; i < 32; ++i) {
        if ((mask >> i & 1U) != 0) {
            axes.push_back(i);
        }
    }
    return axes;
}

Status checkAxes(uint32_t mask, const ir::TensorType& type) {
    for (const int64_t axis : axesOf(mask)) {
        if (type.ranked && axis >= type.rank()) {
            return support::invalidArgument("the axes mask names axis ", axis, ", but the tensor has ", type.rank(),
                                            " dimensions");
        }
    }
    return support::okStatus();
}

Result<int32_t> knownRank(const ir::TensorType& type, const char* what) {
    if (!type.ranked) {
        return support::invalidArgument(what, " needs an input whose number of dimensions is known at build time");
    }
    return type.rank();
}

Result<int64_t> knownExtent(const Emitter& emitter, const ir::TensorType& type, int32_t i, const char* what) {
    TN_ASSIGN_OR_RETURN(const int32_t rank, knownRank(type, what));
    if (i >= rank) {
        return support::invalidArgument(what, " needs dimension ", i, ", but the tensor has ", rank, " dimensions");
    }
    const ir::DimExpr extent = type.dims[static_cast<size_t>(i)];
    if (!extent.valid() || !emitter.pool().isConstant(extent)) {
        return support::invalidArgument(what, " needs dimension ", i, " to be known at build time");
    }
    return emitter.pool().constantValue(extent);
}

namespace {

template <class T>
ir::ConstantPtr scalarOf(ir::DataType dtype, T value) {
    return ir::makeConstant(dtype, {}, &value);
}

} // namespace

EmitValue scalar(Emitter& emitter, ir::DataType dtype, double value) {
    switch (dtype) {
    case ir::DataType::kF32:
        return emitter.constant(scalarOf(dtype, static_cast<float>(value)));
    case ir::DataType::kF64:
        return emitter.constant(scalarOf(dtype, value));
    case ir::DataType::kI64:
        return emitter.constant(scalarOf(dtype, static_cast<int64_t>(std::llround(value))));
    case ir::DataType::kI32:
        return emitter.constant(scalarOf(dtype, static_cast<int32_t>(std::llround(value))));
    case ir::DataType::kI16:
        return emitter.constant(scalarOf(dtype, static_cast<int16_t>(std::llround(value))));
    case ir::DataType::kI8:
        return emitter.constant(scalarOf(dtype, static_cast<int8_t>(std::llround(value))));
    case ir::DataType::kU8:
        return emitter.constant(scalarOf(dtype, static_cast<uint8_t>(std::llround(value))));
    case ir::DataType::kBool:
        return emitter.constant(scalarOf(dtype, static_cast<uint8_t>(value != 0 ? 1 : 0)));
    case ir::DataType::kF16:
        return emitter.constant(scalarOf(dtype, ir::floatToHalf(static_cast<float>(value))));
    case ir::DataType::kBF16:
        return emitter.constant(scalarOf(dtype, ir::floatToBfloat16(static_cast<float>(value))));
    case ir::DataType::kU16:
    case ir::DataType::kU32:
    case ir::DataType::kU64:
    case ir::DataType::kF8E4M3:
    case ir::DataType::kF8E5M2:
    case ir::DataType::kF8E8M0:
    case ir::DataType::kF4E2M1:
    case ir::DataType::kI4:
    case ir::DataType::kU4:
    case ir::DataType::kString:
        break;
    }
    // Rare types: the op that takes it refuses what does not fit.
    return emitter.constant(scalarOf(ir::DataType::kF32, static_cast<float>(value)));
}

Result<EmitValue> reshaped(Emitter& emitter, const EmitValue& value, const std::vector<int64_t>& dims) {
    return emitter.emit1("reshape", attributes({{"shape", dimList(emitter, dims)}}), {&value});
}

Result<EmitValue> unsqueezed(Emitter& emitter, const EmitValue& value, const std::vector<int64_t>& axes) {
    return emitter.emit1("unsqueeze", attributes({{"axes", axes}}), {&value});
}

Result<EmitValue> squeezed(Emitter& emitter, const EmitValue& value, const std::vector<int64_t>& axes) {
    return emitter.emit1("squeeze", attributes({{"axes", axes}}), {&value});
}

Result<EmitValue> casted(Emitter& emitter, const EmitValue& value, ir::DataType to) {
    if (value.type.dtype == to) {
        return value;
    }
    return emitter.emit1("cast", attributes({{"to", to}}), {&value});
}

Result<EmitValue> binary(Emitter& emitter, const char* op, const EmitValue& a, const EmitValue& b) {
    return emitter.emit1(cat("binary.", op), {}, {&a, &b});
}

} // namespace tenon::api
