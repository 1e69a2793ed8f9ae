#include "core/ir/attributes.h"

namespace tenon::ir {

void AttributeMap::erase(std::string_view name) {
    if (const auto found = mValues.find(name); found != mValues.end()) {
        mValues.erase(found);
    }
}

const AttributeValue* AttributeMap::find(std::string_view name) const {
    const auto found = mValues.find(name);
    return found == mValues.end() ? nullptr : &found->second;
}

int64_t AttributeMap::intOr(std::string_view name, int64_t fallback) const {
    const int64_t* const value = get<int64_t>(name);
    return value != nullptr ? *value : fallback;
}

double AttributeMap::floatOr(std::string_view name, double fallback) const {
    if (const double* const value = get<double>(name)) {
        return *value;
    }
    const int64_t* const integer = get<int64_t>(name);
    return integer != nullptr ? static_cast<double>(*integer) : fallback;
}

std::string AttributeMap::stringOr(std::string_view name, std::string_view fallback) const {
    const std::string* const value = get<std::string>(name);
    return value != nullptr ? *value : std::string(fallback);
}

std::vector<int64_t> AttributeMap::intsOr(std::string_view name, std::vector<int64_t> fallback) const {
    const auto* const value = get<std::vector<int64_t>>(name);
    if (value != nullptr) {
        return *value;
    }
    return fallback;
}

} // namespace tenon::ir
