#include "core/support/arena.h"

#include <algorithm>
#include <cstdint>
#include <cstring>

namespace tenon::support {

namespace {

constexpr size_t kLargestBlock = size_t{1} << 20;

/// Bytes from `address` to the next multiple of `alignment`.
size_t paddingAt(const std::byte* address, size_t alignment) noexcept {
    const auto value = reinterpret_cast<uintptr_t>(address);
    return static_cast<size_t>(-value & (alignment - 1));
}

} // namespace

Arena::Arena(Arena&& other) noexcept
    : mBlocks(std::move(other.mBlocks)), mFree(std::exchange(other.mFree, nullptr)),
      mEnd(std::exchange(other.mEnd, nullptr)), mNextBlock(other.mNextBlock), mUsed(std::exchange(other.mUsed, 0)) {
    other.mBlocks.clear();
}

Arena& Arena::operator=(Arena&& other) noexcept {
    if (this != &other) {
        mBlocks = std::move(other.mBlocks);
        other.mBlocks.clear();
        mFree = std::exchange(other.mFree, nullptr);
        mEnd = std::exchange(other.mEnd, nullptr);
        mNextBlock = other.mNextBlock;
        mUsed = std::exchange(other.mUsed, 0);
    }
    return *this;
}

void* Arena::allocate(size_t size, size_t alignment) {
    size = std::max<size_t>(size, 1);
    size_t padding = paddingAt(mFree, alignment);
    const auto room = static_cast<size_t>(mEnd - mFree);
    if (padding > room || size > room - padding) {
        if (size > static_cast<size_t>(-1) - alignment) {
            throw std::bad_alloc();
        }
        addBlock(size + alignment);
        padding = paddingAt(mFree, alignment);
    }
    std::byte* const result = mFree + padding;
    mFree = result + size;
    mUsed += padding + size;
    return result;
}

void Arena::addBlock(size_t atLeast) {
    const size_t size = std::max(atLeast, mNextBlock);
    // Default-initialised: zeroing a block only to overwrite it would show in profiles.
    mBlocks.push_back({std::unique_ptr<std::byte[]>(new std::byte[size]), size});
    mFree = mBlocks.back().memory.get();
    mEnd = mFree + size;
    mNextBlock = std::min(std::max(mNextBlock, size) * 2, kLargestBlock);
}

std::string_view Arena::copyText(std::string_view text) {
    auto* const copy = static_cast<char*>(allocate(text.size(), 1));
    if (!text.empty()) {
        std::memcpy(copy, text.data(), text.size());
    }
    return {copy, text.size()};
}

void Arena::reset() noexcept {
    mUsed = 0;
    if (mBlocks.empty()) {
        return;
    }
    const auto largest = std::max_element(mBlocks.begin(), mBlocks.end(),
                                          [](const Block& a, const Block& b) { return a.size < b.size; });
    std::swap(*largest, mBlocks.front());
    mBlocks.resize(1);
    mFree = mBlocks.front().memory.get();
    mEnd = mFree + mBlocks.front().size;
}

} // namespace tenon::support
