#include "core/schedule/tensor_data.h"

#include "core/ir/half.h"

#include <algorithm>
#include <cmath>
#include <cstring>

namespace tenon::schedule {

namespace {

constexpr int64_t kPage = 4096;
constexpr int64_t kGuard = 2048;
constexpr std::byte kCanary{0xA7};

uint64_t mix(uint64_t z) {
    // splitmix64's finaliser (Steele, Lea, Flood: "Fast splittable pseudorandom number generators").
    z += 0x9E3779B97F4A7C15ull;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ull;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBull;
    return z ^ (z >> 31);
}

template <class T>
void store(std::byte* to, int64_t index, T value) {
    std::memcpy(to + index * static_cast<int64_t>(sizeof(T)), &value, sizeof(T));
}

} // namespace

std::shared_ptr<std::byte> pagesFor(int64_t bytes) {
    const auto total = static_cast<size_t>((std::max<int64_t>(bytes, 1) + kPage - 1) / kPage * kPage);
    std::shared_ptr<std::byte> memory(static_cast<std::byte*>(std::aligned_alloc(kPage, total)),
                                      [](std::byte* at) { std::free(at); });
    if (memory) {
        std::memset(memory.get(), 0, total);
    }
    return memory;
}

GuardedBuffer::GuardedBuffer(int64_t bytes) : mBytes(bytes) {
    mMemory = pagesFor(bytes + 2 * kGuard);
    if (!mMemory) {
        mBytes = 0;
        return;
    }
    std::fill_n(mMemory.get(), kGuard, kCanary);
    std::fill_n(mMemory.get() + kGuard + bytes, kGuard, kCanary);
    mData = mMemory.get() + kGuard;
}

bool GuardedBuffer::canariesIntact() const {
    auto intact = [](const std::byte* from) {
        return std::all_of(from, from + kGuard, [](std::byte b) { return b == kCanary; });
    };
    return !mMemory || (intact(mMemory.get()) && intact(mData + mBytes));
}

ir::ConstantPtr makeTestData(ir::DataType dtype, const std::vector<int64_t>& dims, uint64_t seed) {
    int64_t count = 1;
    for (int64_t dim : dims) {
        count *= dim;
    }
    const std::shared_ptr<std::byte> bytes = pagesFor((count * ir::bitsOf(dtype) + 7) / 8);
    std::byte* to = bytes.get();
    for (int64_t i = 0; i < count; ++i) {
        uint64_t random = mix(seed * 0x100000001B3ull + static_cast<uint64_t>(i));
        float real = static_cast<float>(random >> 40) * 0x1p-23f - 1.0f;
        int64_t bit = static_cast<int64_t>(random >> 63);
        switch (dtype) {
        case ir::DataType::kF32:
            store(to, i, real);
            break;
        case ir::DataType::kF64:
            store(to, i, static_cast<double>(real));
            break;
        case ir::DataType::kF16:
            store(to, i, ir::floatToHalf(real));
            break;
        case ir::DataType::kBF16:
            store(to, i, ir::floatToBfloat16(real));
            break;
        case ir::DataType::kI8:
        case ir::DataType::kU8:
        case ir::DataType::kBool:
            store(to, i, static_cast<int8_t>(bit));
            break;
        case ir::DataType::kI16:
        case ir::DataType::kU16:
            store(to, i, static_cast<int16_t>(bit));
            break;
        case ir::DataType::kI32:
        case ir::DataType::kU32:
            store(to, i, static_cast<int32_t>(bit));
            break;
        case ir::DataType::kI64:
        case ir::DataType::kU64:
            store(to, i, bit);
            break;
        case ir::DataType::kF8E4M3:
        case ir::DataType::kF8E5M2:
        case ir::DataType::kF8E8M0:
        case ir::DataType::kF4E2M1:
        case ir::DataType::kI4:
        case ir::DataType::kU4:
        case ir::DataType::kString:
            break; // zeros are valid values of all of these
        }
    }
    return ir::adoptConstant(dtype, dims, bytes, bytes.get());
}

namespace {

// `a` and `b` read element i of the two tensors.
template <class A, class B>
Difference compareElements(int64_t count, bool exact, double rtol, double atol, A&& actualAt, B&& referenceAt) {
    Difference difference;
    for (int64_t i = 0; i < count; ++i) {
        const double b = referenceAt(i);
        if (std::isfinite(b)) {
            difference.peak = std::max(difference.peak, std::abs(b));
        }
    }
    const double floor = atol * std::max(1.0, difference.peak);
    for (int64_t i = 0; i < count; ++i) {
        const double a = actualAt(i);
        const double b = referenceAt(i);
        if (a == b || (std::isnan(a) && std::isnan(b))) {
            continue;
        }
        const double gap = std::abs(a - b);
        const bool finite = std::isfinite(gap);
        if (finite) {
            difference.maxAbs = std::max(difference.maxAbs, gap);
            difference.maxRel = std::max(difference.maxRel, gap / std::max(std::abs(b), 1e-12));
        } else {
            difference.maxAbs = INFINITY;
            difference.maxRel = INFINITY;
        }
        if (exact || !finite || gap > floor + rtol * std::abs(b)) {
            if (difference.firstIndex < 0) {
                difference.firstIndex = i;
            }
            ++difference.mismatched;
        }
    }
    return difference;
}

} // namespace

Difference compare(const ir::Constant& actual, const ir::Constant& reference, double rtol, double atol) {
    const int64_t count = reference.elements();
    const bool exact = !ir::isFloat(reference.dtype);
    if (actual.dtype == ir::DataType::kF32 && reference.dtype == ir::DataType::kF32) {
        const auto read = [](const ir::Constant& from) {
            return [data = from.data](int64_t i) {
                float value = 0;
                std::memcpy(&value, data + i * static_cast<int64_t>(sizeof value), sizeof value);
                return static_cast<double>(value);
            };
        };
        return compareElements(count, exact, rtol, atol, read(actual), read(reference));
    }
    return compareElements(
        count, exact, rtol, atol, [&](int64_t i) { return actual.numberAt(i); },
        [&](int64_t i) { return reference.numberAt(i); });
}

Tolerance toleranceOf(ir::DataType computeType) {
    switch (computeType) {
    case ir::DataType::kF16:
        return {1e-2, 5e-3};
    case ir::DataType::kBF16:
        return {5e-2, 2e-2};
    case ir::DataType::kF64:
        return {1e-9, 1e-10};
    case ir::DataType::kF8E4M3:
    case ir::DataType::kF8E5M2:
    case ir::DataType::kF4E2M1:
    case ir::DataType::kF8E8M0:
        return {2e-1, 1e-1};
    case ir::DataType::kF32:
    case ir::DataType::kI8:
    case ir::DataType::kU8:
    case ir::DataType::kI16:
    case ir::DataType::kU16:
    case ir::DataType::kI32:
    case ir::DataType::kU32:
    case ir::DataType::kI64:
    case ir::DataType::kU64:
    case ir::DataType::kBool:
    case ir::DataType::kI4:
    case ir::DataType::kU4:
    case ir::DataType::kString:
        return {1e-3, 1e-5};
    }
    return {};
}

} // namespace tenon::schedule
