#include "registry/picture_storage.h"

#include "registry/text_sink.h"

#include <algorithm>

namespace tenon::registry {

using ir::DimExpr;

namespace {

int64_t clampInto(int64_t value, int64_t low, int64_t high) { return value < low ? low : value > high ? high : value; }

TnDim constantDim(int64_t value, DimExpr expr) { return {value, value, value, expr.id, 0}; }

} // namespace

DimPictures::DimPictures(const ir::ExprPool& pool, const ir::SymbolBox* box) : mPool(pool) {
    if (box != nullptr) {
        mBox = *box;
    }
    for (size_t i = 0; i < pool.symbols().size(); ++i) {
        const ir::Symbol& symbol = pool.symbols()[i];
        const ir::Interval bounds = i < mBox.bounds.size() ? mBox.bounds[i] : symbol.bounds;
        // Without a word on what to optimise for: the upper bound, or the lower one where there is no upper.
        int64_t opt = symbol.opt >= symbol.bounds.min ? symbol.opt : bounds.max == INT64_MAX ? bounds.min : bounds.max;
        opt = clampInto(i < mBox.opt.size() ? mBox.opt[i] : opt, bounds.min, bounds.max);
        if (i < mBox.bounds.size()) {
            mBox.bounds[i] = bounds;
        } else {
            mBox.bounds.push_back(bounds);
        }
        if (i < mBox.opt.size()) {
            mBox.opt[i] = opt;
        } else {
            mBox.opt.push_back(opt);
        }
    }
}

TnDim DimPictures::extent(DimExpr expr) const {
    if (!expr.valid()) {
        return {0, 0, INT64_MAX, -1, 0};
    }
    TnDim dim = integer(expr);
    dim.min = std::max<int64_t>(dim.min, 0);
    dim.max = std::max(dim.max, dim.min);
    dim.opt = clampInto(dim.opt, dim.min, dim.max);
    return dim;
}

TnDim DimPictures::integer(DimExpr expr) const {
    if (!expr.valid()) {
        return {INT64_MIN, 0, INT64_MAX, -1, 0};
    }
    if (mPool.isConstant(expr)) {
        return constantDim(mPool.constantValue(expr), expr);
    }
    const ir::Interval bounds = mPool.bounds(expr, mBox);
    return {bounds.min, clampInto(mPool.evaluate(expr, mBox.opt), bounds.min, bounds.max), bounds.max, expr.id, 0};
}

TnValue valueOf(const ir::TensorType& type, const DimPictures& dims) {
    TnValue value{};
    value.struct_size = sizeof(value);
    value.kind = static_cast<TnValueKind>(type.kind);
    value.dtype = static_cast<TnDataType>(type.dtype);
    value.rank = type.rank() <= TN_MAX_DIMS ? type.rank() : -1;
    for (int32_t i = 0; i < value.rank; ++i) {
        value.dims[i] = dims.extent(type.dims[static_cast<size_t>(i)]);
    }
    return value;
}

TnString PictureStorage::keep(std::string_view text) { return toTn(mArena.copyText(text)); }

TnValue PictureStorage::constant(const ir::ConstantPtr& constant, std::string_view name, bool showData) {
    TnValue value{};
    value.struct_size = sizeof(value);
    value.kind = TN_VALUE_TENSOR;
    value.dtype = static_cast<TnDataType>(constant->dtype);
    value.rank = constant->dims.size() <= TN_MAX_DIMS ? static_cast<int32_t>(constant->dims.size()) : -1;
    for (int32_t i = 0; i < value.rank; ++i) {
        value.dims[i] = constantDim(constant->dims[static_cast<size_t>(i)], DimExpr{});
    }
    value.name = keep(name);
    value.is_constant = 1;
    if (showData) {
        mConstants.push_back(constant);
        value.data = constant->data;
        value.data_bytes = constant->bytes;
    }
    return value;
}

TnAttribute PictureStorage::attribute(std::string_view name, const ir::AttributeValue& value, const DimPictures& dims,
                                      int64_t& firstScalar, std::vector<DimExpr>* entries) {
    TnAttribute out{};
    out.struct_size = sizeof(out);
    out.name = keep(name);
    if (const auto* integer = std::get_if<int64_t>(&value)) {
        out.kind = TN_ATTR_INT;
        out.i = *integer;
    } else if (const auto* number = std::get_if<double>(&value)) {
        out.kind = TN_ATTR_FLOAT;
        out.f = *number;
    } else if (const auto* text = std::get_if<std::string>(&value)) {
        out.kind = TN_ATTR_STRING;
        out.s = keep(*text);
    } else if (const auto* ints = std::get_if<std::vector<int64_t>>(&value)) {
        out.kind = TN_ATTR_INTS;
        out.count = static_cast<int64_t>(ints->size());
        out.ints = copy(*ints);
    } else if (const auto* floats = std::get_if<std::vector<double>>(&value)) {
        out.kind = TN_ATTR_FLOATS;
        out.count = static_cast<int64_t>(floats->size());
        out.floats = copy(*floats);
    } else if (const auto* texts = std::get_if<std::vector<std::string>>(&value)) {
        out.kind = TN_ATTR_STRINGS;
        out.count = static_cast<int64_t>(texts->size());
        TnString* to = array<TnString>(texts->size());
        for (size_t i = 0; i < texts->size(); ++i) {
            to[i] = keep((*texts)[i]);
        }
        out.strings = to;
    } else if (const auto* dtype = std::get_if<ir::DataType>(&value)) {
        out.kind = TN_ATTR_DTYPE;
        out.i = static_cast<int64_t>(*dtype);
    } else if (const auto* list = std::get_if<ir::DimList>(&value)) {
        out.kind = TN_ATTR_DIMS;
        out.count = static_cast<int64_t>(list->dims.size());
        out.first_scalar = firstScalar;
        TnDim* to = array<TnDim>(list->dims.size());
        for (size_t i = 0; i < list->dims.size(); ++i) {
            to[i] = dims.integer(list->dims[i]);
            if (entries != nullptr) {
                entries->push_back(list->dims[i]);
            }
        }
        firstScalar += out.count;
        out.dims = to;
    } else if (const auto* tensor = std::get_if<ir::ConstantPtr>(&value)) {
        out.kind = TN_ATTR_TENSOR;
        TnValue* to = array<TnValue>(1);
        *to = *tensor != nullptr ? constant(*tensor, {}, true) : TnValue{};
        out.tensor = *tensor != nullptr ? to : nullptr;
    }
    return out;
}

std::pair<const TnAttribute*, int64_t> PictureStorage::attributes(const ir::AttributeMap& map, const DimPictures& dims,
                                                                  int64_t& firstScalar, std::vector<DimExpr>* entries) {
    TnAttribute* to = array<TnAttribute>(map.size());
    size_t count = 0;
    for (const auto& [name, value] : map) {
        to[count++] = attribute(name, value, dims, firstScalar, entries);
    }
    return {to, static_cast<int64_t>(count)};
}

} // namespace tenon::registry
