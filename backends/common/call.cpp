#include "backends/common/call.h"

namespace tenon::kernels {

std::vector<int64_t> Call::dims(std::string_view name) const {
    if (const TnAttribute* single = mNode.attribute(name, TN_ATTR_INT); single != nullptr) {
        return {single->i};
    }
    const module::DimsAttribute found = mNode.dims(name);
    Dims values;
    for (size_t i = 0; i < found.size(); ++i) {
        const bool isScalar = mNode.attribute(name, TN_ATTR_DIMS) != nullptr;
        if (isScalar && static_cast<size_t>(found.firstScalar()) + i >= mScalars.size()) {
            invalid("attribute '", name, "' of ", op(), " needs ", found.size(), " run-time integers, only ",
                    mScalars.size(), " were given for the whole task");
        }
        values.push_back(found.value(i, mScalars.data()));
    }
    return values;
}

std::vector<double> Call::floats(std::string_view name) const {
    const std::span<const double> values = mNode.floats(name);
    return {values.begin(), values.end()};
}

int64_t Call::axis(std::string_view name, int64_t fallback, size_t rank) const {
    return normalizeAxis(intOr(name, fallback), rank);
}

int64_t product(std::span<const int64_t> dims) {
    int64_t result = 1;
    for (int64_t dim : dims) {
        if (__builtin_mul_overflow(result, dim, &result)) {
            invalid("a tensor has more elements than 64 bits count");
        }
    }
    return result;
}

Dims rowMajorStrides(const Dims& dims) {
    Dims strides(dims.size(), 1);
    for (size_t d = dims.size(); d-- > 1;) {
        strides[d - 1] = strides[d] * dims[d];
    }
    return strides;
}

Dims broadcastStrides(const Dims& dims, const Dims& target) {
    if (dims.size() > target.size()) {
        invalid("shape ", shapeText(dims), " does not broadcast to ", shapeText(target));
    }
    const Dims own = rowMajorStrides(dims);
    Dims strides(target.size(), 0);
    const size_t shift = target.size() - dims.size();
    for (size_t d = 0; d < dims.size(); ++d) {
        if (dims[d] == target[d + shift]) {
            strides[d + shift] = dims[d] == 1 ? 0 : own[d];
        } else if (dims[d] != 1) {
            invalid("shape ", shapeText(dims), " does not broadcast to ", shapeText(target));
        }
    }
    return strides;
}

int64_t normalizeAxis(int64_t axis, size_t rank) {
    const auto signedRank = static_cast<int64_t>(rank);
    if (axis < -signedRank || axis >= signedRank) {
        invalid("axis ", axis, " is outside a tensor of rank ", signedRank);
    }
    return axis < 0 ? axis + signedRank : axis;
}

std::string shapeText(const Dims& dims) {
    std::string text = "[";
    for (size_t d = 0; d < dims.size(); ++d) {
        text += (d == 0 ? "" : ",") + std::to_string(dims[d]);
    }
    return text + "]";
}

} // namespace tenon::kernels
