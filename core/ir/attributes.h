// Attributes of nodes: a small ordered map from name to value.
// Used by layers of the API, op definitions, the IR and its text form. API objects and IR nodes hold the same struct.
#pragma once

#include "core/ir/dim_expr.h"
#include "core/ir/weights.h"

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace tenon::ir {

// A list of integers that are known at run time at the latest (shape of a reshape, starts of a slice).
struct DimList {
    std::vector<DimExpr> dims;
    friend bool operator==(const DimList&, const DimList&) = default;
};

using AttributeValue = std::variant<int64_t, double, std::string, std::vector<int64_t>, std::vector<double>,
                                    std::vector<std::string>, DataType, DimList, ConstantPtr>;

// Ordered by name: iteration, printing and hashing are deterministic.
class AttributeMap {
public:
    void set(std::string name, AttributeValue value) { mValues.insert_or_assign(std::move(name), std::move(value)); }
    void erase(std::string_view name);
    const AttributeValue* find(std::string_view name) const;
    bool has(std::string_view name) const { return find(name) != nullptr; }
    template <class T>
    const T* get(std::string_view name) const {
        const AttributeValue* value = find(name);
        return value ? std::get_if<T>(value) : nullptr;
    }
    int64_t intOr(std::string_view name, int64_t fallback) const;
    double floatOr(std::string_view name, double fallback) const; // accepts an int
    std::string stringOr(std::string_view name, std::string_view fallback) const;
    std::vector<int64_t> intsOr(std::string_view name, std::vector<int64_t> fallback) const;

    auto begin() const { return mValues.begin(); }
    auto end() const { return mValues.end(); }
    size_t size() const { return mValues.size(); }
    friend bool operator==(const AttributeMap&,
                           const AttributeMap&) = default; // constants by content handle, see weights.h

private:
    std::map<std::string, AttributeValue, std::less<>> mValues;
};

} // namespace tenon::ir
