// Pieces that the ABI's pictures are made of, and the memory behind them: texts, attributes, constants, extents.
// Used by the graph bridge (whole graphs) and the op bridge (attributes during inference). Calls no module.
#pragma once

#include "core/ir/attributes.h"
#include "core/ir/tensor_type.h"
#include "core/support/arena.h"
#include "tenon/module/abi.h"

#include <functional>
#include <string_view>
#include <vector>

namespace tenon::registry {

/// Turns expressions into intervals over a box.
class DimPictures {
public:
    /// Null `box`: the declared bounds of the symbols. Symbols that the box does not know have their declared bounds.
    /// Keeps a reference to the pool.
    DimPictures(const ir::ExprPool& pool, const ir::SymbolBox* box);

    /// An extent: never negative. An invalid expression is [0, no bound].
    TnDim extent(ir::DimExpr expr) const;
    /// Any integer. An invalid expression has no bounds at all.
    TnDim integer(ir::DimExpr expr) const;

private:
    const ir::ExprPool& mPool;
    ir::SymbolBox mBox;
};

/// Owns what pictures point to. Not thread-safe while it grows.
class PictureStorage {
public:
    TnString keep(std::string_view text);
    template <class T>
    T* array(size_t count) {
        return mArena.makeArray<T>(count).data();
    }
    template <class T>
    const T* copy(const std::vector<T>& from) {
        T* to = array<T>(from.size());
        std::copy(from.begin(), from.end(), to);
        return to;
    }

    /// `firstScalar`: the number of the next run-time integer; raised by as many as the attribute has.
    /// `entries`, unless null, receives their expressions.
    TnAttribute attribute(std::string_view name, const ir::AttributeValue& value, const DimPictures& dims,
                          int64_t& firstScalar, std::vector<ir::DimExpr>* entries);
    /// All of a map, in its order (by name).
    std::pair<const TnAttribute*, int64_t> attributes(const ir::AttributeMap& map, const DimPictures& dims,
                                                      int64_t& firstScalar, std::vector<ir::DimExpr>* entries);
    /// A constant as a value, static extents; its bytes are shown where `showData` and stay alive with this object.
    TnValue constant(const ir::ConstantPtr& constant, std::string_view name, bool showData);

private:
    support::Arena mArena;
    std::vector<ir::ConstantPtr> mConstants;
};

/// The type of a value, without name and data. More than TN_MAX_DIMS dimensions make the rank unknown.
TnValue valueOf(const ir::TensorType& type, const DimPictures& dims);

} // namespace tenon::registry
