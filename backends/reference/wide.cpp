#include "backends/reference/wide.h"

namespace tenon::reference {

void loadFloats(TnDataType type, const void* from, int64_t first, int64_t stride, int64_t count, double* to) {
    dispatchFloat(type, [&](auto tag) {
        using T = typename decltype(tag)::Type;
        const T* source = static_cast<const T*>(from) + first;
        if (stride == 1) {
            for (int64_t i = 0; i < count; ++i) {
                to[i] = widen(source[i]);
            }
        } else {
            for (int64_t i = 0; i < count; ++i) {
                to[i] = widen(source[i * stride]);
            }
        }
    });
}

void storeFloats(TnDataType type, const double* from, int64_t count, void* to, int64_t first, int64_t stride) {
    dispatchFloat(type, [&](auto tag) {
        using T = typename decltype(tag)::Type;
        T* target = static_cast<T*>(to) + first;
        for (int64_t i = 0; i < count; ++i) {
            narrow(from[i], target[i * stride]);
        }
    });
}

void loadInts(TnDataType type, const void* from, int64_t first, int64_t stride, int64_t count, int64_t* to) {
    dispatchInt(type, [&](auto tag) {
        using T = typename decltype(tag)::Type;
        const T* source = static_cast<const T*>(from) + first;
        for (int64_t i = 0; i < count; ++i) {
            to[i] = static_cast<int64_t>(source[i * stride]);
        }
    });
}

void storeInts(TnDataType type, const int64_t* from, int64_t count, void* to, int64_t first, int64_t stride) {
    dispatchInt(type, [&](auto tag) {
        using T = typename decltype(tag)::Type;
        T* target = static_cast<T*>(to) + first;
        for (int64_t i = 0; i < count; ++i) {
            target[i * stride] = static_cast<T>(from[i]);
        }
    });
}

} // namespace tenon::reference
