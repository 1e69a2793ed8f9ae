// Vector loops over rows of floats that look for the foremost elements: arg.max, arg.min, topk.
//
// Elements are compared by keys, whole numbers in the order that the ops define: what is no number is above all numbers, both zeros are equal, and
// where the least are wanted the order is turned round. Who uses it: ops/order.cpp. What it must not know: tensors, ops.
#pragma once

#include <cstdint>
#include <limits>

namespace tenon::cpu {

struct Foremost {
    int32_t key = std::numeric_limits<int32_t>::min(); // below that of any element
    int64_t place = 0;
};

struct OrderTable {
    // The foremost of a row; of equals the first, or the last.
    Foremost (*inRow)(const float* x, int64_t count, bool wantsLeast, bool wantsLast);
    // Per position: the key of the foremost so far, and the number of the row that it was in.
    void (*intoColumns)(int32_t* keys, int32_t* places, const float* x, int32_t row, bool wantsLeast, bool wantsLast,
                        int64_t count);
    // Appends a word for each element whose key is above `key`, until the row ends (`read` is `count`) or `room` has less than a vector left. Of two
    // words that of the element in front is larger: its key, then its place, counted from `place`. Returns how many there are.
    int64_t (*wordsAbove)(int32_t key, const float* x, int64_t count, bool wantsLeast, uint32_t place, uint64_t* to,
                          int64_t room, int64_t* read);
};

const OrderTable& orderTable();

// Words of room with which wordsAbove gets on.
inline constexpr int64_t kLeastRoom = 32;

inline int32_t keyOfWord(uint64_t word) {
    return static_cast<int32_t>(static_cast<uint32_t>(word >> 32) ^ 0x80000000U);
}
inline int64_t placeOfWord(uint64_t word) { return int64_t{0xFFFFFFFFU - static_cast<uint32_t>(word)}; }

} // namespace tenon::cpu
