// Searches for the foremost elements, compiled once per instruction set.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "backends/cpu/simd/order.cpp"
#include <hwy/foreach_target.h>

#include <hwy/highway.h>

#include "backends/cpu/simd/order.h"

#include <cstring>

HWY_BEFORE_NAMESPACE();
namespace tenon::cpu {
namespace HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

using FloatTag = hn::ScalableTag<float>;
using KeyTag = hn::ScalableTag<int32_t>;
using KeyVec = hn::Vec<KeyTag>;

constexpr int32_t kNoNumber = 0x7FC00000;
constexpr int32_t kAllButSign = 0x7FFFFFFF;

// The bits of a float, the lower ones of negative floats turned round, are in its order; adding zero makes both zeros one.
HWY_INLINE KeyVec KeyOf(const float* x, KeyVec turn) {
    const FloatTag d;
    const KeyTag keys;
    const auto v = hn::LoadU(d, x);
    const KeyVec number = hn::BitCast(keys, hn::Add(v, hn::Zero(d)));
    const KeyVec bits = hn::IfThenElse(hn::RebindMask(keys, hn::IsNaN(v)), hn::Set(keys, kNoNumber), number);
    return hn::Xor(hn::Xor(bits, hn::And(hn::ShiftRight<31>(bits), hn::Set(keys, kAllButSign))), turn);
}
HWY_INLINE int32_t KeyOf(float x, int32_t turn) {
    const float number = x + 0.0F;
    int32_t bits;
    std::memcpy(&bits, &number, sizeof bits);
    bits = x != x ? kNoNumber : bits;
    return bits ^ (bits < 0 ? kAllButSign : 0) ^ turn;
}

template <bool kLast, class Key>
HWY_INLINE auto Leads(Key next, Key known) {
    return kLast ? hn::Not(hn::Gt(known, next)) : hn::Gt(next, known);
}

template <bool kLast>
HWY_INLINE Foremost Row(const float* x, int64_t count, int32_t turn) {
    const KeyTag d;
    const auto lanes = static_cast<int64_t>(hn::Lanes(d));
    Foremost found;
    int64_t i = 0;
    if (count >= lanes) {
        const KeyVec turns = hn::Set(d, turn);
        KeyVec keys = hn::Set(d, found.key);
        KeyVec steps = hn::Zero(d);
        int32_t step = 0;
        for (; i + lanes <= count; i += lanes, ++step) {
            const KeyVec next = KeyOf(x + i, turns);
            const auto leads = Leads<kLast>(next, keys);
            keys = hn::IfThenElse(leads, next, keys);
            steps = hn::IfThenElse(leads, hn::Set(d, step), steps);
        }
        HWY_ALIGN int32_t key[HWY_MAX_BYTES / sizeof(int32_t)];
        HWY_ALIGN int32_t at[HWY_MAX_BYTES / sizeof(int32_t)];
        hn::Store(keys, d, key);
        hn::Store(steps, d, at);
        for (int64_t lane = 0; lane < lanes; ++lane) {
            const int64_t place = at[lane] * lanes + lane;
            const bool isNearer = lane == 0 || (kLast ? place > found.place : place < found.place);
            if (key[lane] > found.key || (key[lane] == found.key && isNearer)) {
                found = {key[lane], place};
            }
        }
    }
    for (; i < count; ++i) {
        const int32_t key = KeyOf(x[i], turn);
        if (key > found.key || (kLast && key == found.key)) {
            found = {key, i};
        }
    }
    return found;
}

template <bool kLast>
HWY_INLINE void Columns(int32_t* keys, int32_t* places, const float* x, int32_t row, int32_t turn, int64_t count) {
    const KeyTag d;
    const auto lanes = static_cast<int64_t>(hn::Lanes(d));
    const KeyVec turns = hn::Set(d, turn);
    const KeyVec rows = hn::Set(d, row);
    int64_t i = 0;
    for (; i + lanes <= count; i += lanes) {
        const KeyVec next = KeyOf(x + i, turns);
        const KeyVec known = hn::LoadU(d, keys + i);
        const auto leads = Leads<kLast>(next, known);
        hn::StoreU(hn::IfThenElse(leads, next, known), d, keys + i);
        hn::StoreU(hn::IfThenElse(leads, rows, hn::LoadU(d, places + i)), d, places + i);
    }
    for (; i < count; ++i) {
        const int32_t key = KeyOf(x[i], turn);
        if (key > keys[i] || (kLast && key == keys[i])) {
            keys[i] = key;
            places[i] = row;
        }
    }
}

Foremost InRow(const float* x, int64_t count, bool wantsLeast, bool wantsLast) {
    const int32_t turn = wantsLeast ? -1 : 0;
    return wantsLast ? Row<true>(x, count, turn) : Row<false>(x, count, turn);
}

void IntoColumns(int32_t* keys, int32_t* places, const float* x, int32_t row, bool wantsLeast, bool wantsLast,
                 int64_t count) {
    const int32_t turn = wantsLeast ? -1 : 0;
    wantsLast ? Columns<true>(keys, places, x, row, turn, count) : Columns<false>(keys, places, x, row, turn, count);
}

int64_t WordsAbove(int32_t key, const float* x, int64_t count, bool wantsLeast, uint32_t place, uint64_t* to,
                   int64_t room, int64_t* read) {
    const KeyTag d;
    const auto lanes = static_cast<int64_t>(hn::Lanes(d));
    const int32_t turn = wantsLeast ? -1 : 0;
    const KeyVec turns = hn::Set(d, turn);
    const KeyVec limit = hn::Set(d, key);
    int64_t words = 0;
    const auto add = [&](int32_t own, int64_t i) {
        const uint32_t upper = static_cast<uint32_t>(own) ^ 0x80000000U;
        const uint32_t lower = 0xFFFFFFFFU - (place + static_cast<uint32_t>(i));
        to[words++] = uint64_t{upper} << 32 | lower;
    };
    int64_t i = 0;
    HWY_ALIGN int32_t own[HWY_MAX_BYTES / sizeof(int32_t)];
    for (; i + lanes <= count && words + lanes <= room; i += lanes) {
        const KeyVec keys = KeyOf(x + i, turns);
        if (HWY_LIKELY(hn::AllFalse(d, hn::Gt(keys, limit)))) {
            continue;
        }
        hn::Store(keys, d, own);
        for (int64_t lane = 0; lane < lanes; ++lane) {
            if (own[lane] > key) {
                add(own[lane], i + lane);
            }
        }
    }
    if (i + lanes > count) {
        for (; i < count && words < room; ++i) {
            const int32_t rest = KeyOf(x[i], turn);
            if (rest > key) {
                add(rest, i);
            }
        }
    }
    *read = i;
    return words;
}

const OrderTable& Order() {
    static const OrderTable table{InRow, IntoColumns, WordsAbove};
    return table;
}

} // namespace HWY_NAMESPACE
} // namespace tenon::cpu
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace tenon::cpu {

HWY_EXPORT(Order);
const OrderTable& orderTable() { return HWY_DYNAMIC_DISPATCH(Order)(); }

} // namespace tenon::cpu
#endif
