// Maxima of windows, compiled once per instruction set.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "backends/cpu/simd/channel_maximum.cpp"
#include <hwy/foreach_target.h>

#include <hwy/highway.h>

#include "backends/cpu/simd/channel_maximum.h"

#include <cstring>
#include <limits>

HWY_BEFORE_NAMESPACE();
namespace tenon::cpu {
namespace HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

using FloatTag = hn::ScalableTag<float>;
using WordTag = hn::ScalableTag<uint32_t>;
using FloatVec = hn::Vec<FloatTag>;

// What is no number stays, on whichever side it is.
HWY_INLINE FloatVec Larger(FloatVec known, FloatVec next) {
    return hn::IfThenElse(hn::Or(hn::Lt(known, next), hn::IsNaN(next)), next, known);
}
HWY_INLINE float Larger(float known, float next) { return known < next || next != next ? next : known; }

// A vector of f32, or one of twice as many bf16: each is the upper half of an f32, so that two vectors of these are compared.
template <bool kBrain>
struct Largest {
    FloatVec even;
    FloatVec odd;

    HWY_INLINE void clear() { even = odd = hn::Set(FloatTag(), -std::numeric_limits<float>::infinity()); }

    HWY_INLINE void take(const void* from) {
        const FloatTag d;
        const WordTag words;
        if constexpr (kBrain) {
            const auto both = hn::LoadU(words, static_cast<const uint32_t*>(from));
            even = Larger(even, hn::BitCast(d, hn::ShiftLeft<16>(both)));
            odd = Larger(odd, hn::BitCast(d, hn::And(both, hn::Set(words, 0xFFFF0000U))));
        } else {
            even = Larger(even, hn::LoadU(d, static_cast<const float*>(from)));
        }
    }

    HWY_INLINE void write(void* to) const {
        const FloatTag d;
        const WordTag words;
        if constexpr (kBrain) {
            const auto lower = hn::ShiftRight<16>(hn::BitCast(words, even));
            hn::StoreU(hn::Or(lower, hn::BitCast(words, odd)), words, static_cast<uint32_t*>(to));
        } else {
            hn::StoreU(even, d, static_cast<float*>(to));
        }
    }
};

template <bool kBrain>
HWY_INLINE float At(const char* from) {
    if constexpr (kBrain) {
        uint16_t half;
        std::memcpy(&half, from, sizeof half);
        const uint32_t bits = uint32_t{half} << 16;
        float value;
        std::memcpy(&value, &bits, sizeof value);
        return value;
    } else {
        float value;
        std::memcpy(&value, from, sizeof value);
        return value;
    }
}

template <bool kBrain>
HWY_INLINE void Row(const MaximumRow& r) {
    constexpr int64_t kBytes = kBrain ? 2 : 4;
    const auto vector = static_cast<int64_t>(hn::Lanes(FloatTag())) * 4;
    const int64_t pixel = r.channels * kBytes;
    auto* y = static_cast<char*>(r.y);
    for (int64_t o = 0; o < r.outputs; ++o, y += pixel) {
        const int64_t left = o * r.stride - r.pad;
        int64_t first = 0;
        while (first < r.columns && left + first * r.dilation < 0) {
            ++first;
        }
        int64_t last = r.columns;
        while (last > first && left + (last - 1) * r.dilation >= r.width) {
            --last;
        }
        const char* const window = static_cast<const char*>(r.x) + (left + first * r.dilation) * pixel;
        const int64_t lines = last > first ? r.lines : 0;
        int64_t at = 0;
        for (; at + vector <= pixel; at += vector) {
            Largest<kBrain> largest;
            largest.clear();
            for (int64_t i = 0; i < lines; ++i) {
                const char* from = window + i * r.line * kBytes + at;
                for (int64_t k = first; k < last; ++k, from += r.dilation * pixel) {
                    largest.take(from);
                }
            }
            largest.write(y + at);
        }
        for (; at < pixel; at += kBytes) {
            float largest = -std::numeric_limits<float>::infinity();
            for (int64_t i = 0; i < lines; ++i) {
                const char* from = window + i * r.line * kBytes + at;
                for (int64_t k = first; k < last; ++k, from += r.dilation * pixel) {
                    largest = Larger(largest, At<kBrain>(from));
                }
            }
            // Of bf16 the upper half, which is the second one in memory.
            char bits[sizeof largest];
            std::memcpy(bits, &largest, sizeof bits);
            std::memcpy(y + at, bits + sizeof bits - kBytes, kBytes);
        }
    }
}

void Maximum(const MaximumRow& row) { row.isBrain ? Row<true>(row) : Row<false>(row); }

} // namespace HWY_NAMESPACE
} // namespace tenon::cpu
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace tenon::cpu {

HWY_EXPORT(Maximum);
void maximumRow(const MaximumRow& row) { HWY_DYNAMIC_DISPATCH(Maximum)(row); }

} // namespace tenon::cpu
#endif
