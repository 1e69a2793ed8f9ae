// Short forms that layers' lower() functions share: attribute lists, scalars, axis masks, enumerator tables.
// Used by layers_*.cpp only; must not know layer classes.
#pragma once

#include "core/api/emitter.h"
#include "core/api/type_convert.h"

#include <initializer_list>
#include <string>
#include <utility>
#include <vector>

namespace tenon::api {

inline ir::AttributeMap attributes(std::initializer_list<std::pair<const char*, ir::AttributeValue>> list) {
    ir::AttributeMap map;
    for (const auto& [name, value] : list) {
        map.set(name, value);
    }
    return map;
}

inline ir::AttributeValue intValue(bool value) { return int64_t{value ? 1 : 0}; }

// Known integers as an attribute of the kind that holds extents.
ir::AttributeValue dimList(const Emitter& emitter, const std::vector<int64_t>& values);

// Axes whose bits are set, rising.
std::vector<int64_t> axesOf(uint32_t mask);
// Ok if every axis of the mask is below the rank (a rank that is not known takes any).
support::Status checkAxes(uint32_t mask, const ir::TensorType& type);
// The rank, or an error that names what needs it.
support::Result<int32_t> knownRank(const ir::TensorType& type, const char* what);
// Extent i as a number, or an error that names what needs it.
support::Result<int64_t> knownExtent(const Emitter& emitter, const ir::TensorType& type, int32_t i, const char* what);

// A scalar of any numeric type, rounded to it.
EmitValue scalar(Emitter& emitter, ir::DataType dtype, double value);
// Reshaped to constant extents; -1 once for what is left, 0 copies the extent at that place.
support::Result<EmitValue> reshaped(Emitter& emitter, const EmitValue& value, const std::vector<int64_t>& dims);
support::Result<EmitValue> unsqueezed(Emitter& emitter, const EmitValue& value, const std::vector<int64_t>& axes);
support::Result<EmitValue> squeezed(Emitter& emitter, const EmitValue& value, const std::vector<int64_t>& axes);
support::Result<EmitValue> casted(Emitter& emitter, const EmitValue& value, ir::DataType to);
support::Result<EmitValue> binary(Emitter& emitter, const char* op, const EmitValue& a, const EmitValue& b);

} // namespace tenon::api
