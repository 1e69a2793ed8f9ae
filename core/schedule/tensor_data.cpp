#include "core/schedule/tensor_data.h"

#include "core/ir/half.h"
#include "core/schedule/build_threads.h"

#include <algorithm>
#include <cmath>
#include <cstring>

namespace tenon::schedule {

namespace {

constexpr int64_t kPage = 4096;
constexpr int64_t kGuard = 2048;
constexpr std::byte kCanary{0xA7};
// After so many elements large test data begin anew. A prime, so that no extent of a tensor divides it and its rows differ.
constexpr int64_t kPeriod = 1'048'583;
// Elements that are worth a thread.
constexpr int64_t kPiece = 1 << 19;

uint64_t mix(uint64_t z) {
    // splitmix64's finaliser (Steele, Lea, Flood: "Fast splittable pseudorandom number generators").
    z += 0x9E3779B97F4A7C15ull;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ull;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBull;
    return z ^ (z >> 31);
}

int64_t elementsOf(const std::vector<int64_t>& dims) {
    int64_t count = 1;
    for (int64_t dim : dims) {
        count *= dim;
    }
    return count;
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

ir::ConstantPtr makeZeros(ir::DataType dtype, const std::vector<int64_t>& dims) {
    const std::shared_ptr<std::byte> bytes = pagesFor((elementsOf(dims) * ir::bitsOf(dtype) + 7) / 8);
    return ir::adoptConstant(dtype, dims, bytes, bytes.get());
}

ir::ConstantPtr makeTestData(ir::DataType dtype, const std::vector<int64_t>& dims, uint64_t seed) {
    const int64_t count = elementsOf(dims);
    const int64_t total = (count * ir::bitsOf(dtype) + 7) / 8;
    const std::shared_ptr<std::byte> bytes = pagesFor(total);
    std::byte* to = bytes.get();
    const bool repeats = count > kPeriod && ir::bitsOf(dtype) % 8 == 0;
    for (int64_t i = 0; i < (repeats ? kPeriod : count); ++i) {
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
            store(to, i, static_cast<uint8_t>(random >> 56));
            break;
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
    for (int64_t done = kPeriod * ir::bitsOf(dtype) / 8; repeats && done < total; done *= 2) {
        std::memcpy(to + done, to, static_cast<size_t>(std::min(done, total - done)));
    }
    return ir::adoptConstant(dtype, dims, bytes, bytes.get());
}

namespace {

// Calls work(from, to, part) on pieces of the elements, each with a Difference of its own, and adds those up.
template <class Work>
Difference inPieces(int64_t count, const Work& work) {
    std::vector<Difference> parts(static_cast<size_t>((count + kPiece - 1) / kPiece));
    inParallel(
        parts.size(),
        [&](size_t p) {
            const int64_t from = static_cast<int64_t>(p) * kPiece;
            work(from, std::min(count, from + kPiece), parts[p]);
        },
        [] { return false; });
    Difference sum;
    for (const Difference& part : parts) {
        sum.maxAbs = std::max(sum.maxAbs, part.maxAbs);
        sum.maxRel = std::max(sum.maxRel, part.maxRel);
        sum.peak = std::max(sum.peak, part.peak);
        sum.mismatched += part.mismatched;
        sum.firstIndex = sum.firstIndex < 0 ? part.firstIndex : sum.firstIndex;
    }
    return sum;
}

// `a` and `b` read element i of the two tensors.
template <class A, class B>
Difference compareElements(int64_t count, bool exact, double rtol, double atol, const A& actualAt,
                           const B& referenceAt) {
    const double peak = inPieces(count, [&](int64_t from, int64_t to, Difference& part) {
                            for (int64_t i = from; i < to; ++i) {
                                const double b = referenceAt(i);
                                part.peak = std::isfinite(b) ? std::max(part.peak, std::abs(b)) : part.peak;
                            }
                        }).peak;
    const double floor = atol * std::max(1.0, peak);
    Difference difference = inPieces(count, [&](int64_t from, int64_t to, Difference& part) {
        for (int64_t i = from; i < to; ++i) {
            const double a = actualAt(i);
            const double b = referenceAt(i);
            if (a == b || (std::isnan(a) && std::isnan(b))) {
                continue;
            }
            const double gap = std::abs(a - b);
            const bool finite = std::isfinite(gap);
            part.maxAbs = std::max(part.maxAbs, finite ? gap : INFINITY);
            part.maxRel = std::max(part.maxRel, finite ? gap / std::max(std::abs(b), 1e-12) : INFINITY);
            if (exact || !finite || gap > floor + rtol * std::abs(b)) {
                part.firstIndex = part.firstIndex < 0 ? i : part.firstIndex;
                ++part.mismatched;
            }
        }
    });
    difference.peak = peak;
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
