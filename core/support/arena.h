// A bump allocator: many small allocations that die together. Used where a build makes thousands of short-lived objects.
#pragma once

#include <cstddef>
#include <memory>
#include <new>
#include <span>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

namespace tenon::support {

/// Hands out memory from growing blocks and frees all of it at once. Runs no destructors, so `make` takes trivially
/// destructible types only. Addresses stay valid until `reset` or destruction, also when the arena is moved. Throws
/// std::bad_alloc when the system has no memory. Not thread-safe.
class Arena {
public:
    /// The first block holds `firstBlock` bytes; each further one twice as many, up to 1 MiB.
    explicit Arena(size_t firstBlock = 4096) noexcept : mNextBlock(firstBlock) {}
    Arena(Arena&& other) noexcept;
    Arena& operator=(Arena&& other) noexcept;

    /// `size` bytes at a multiple of `alignment` (a power of two), uninitialised; a unique address even for size 0.
    void* allocate(size_t size, size_t alignment = alignof(std::max_align_t));

    template <class T, class... Args>
    T* make(Args&&... args) {
        static_assert(std::is_trivially_destructible_v<T>, "the arena runs no destructors");
        return new (allocate(sizeof(T), alignof(T))) T(std::forward<Args>(args)...);
    }

    /// `count` value-initialised elements.
    template <class T>
    std::span<T> makeArray(size_t count) {
        static_assert(std::is_trivially_destructible_v<T>, "the arena runs no destructors");
        if (count > static_cast<size_t>(-1) / sizeof(T)) {
            throw std::bad_array_new_length();
        }
        T* const first = static_cast<T*>(allocate(count * sizeof(T), alignof(T)));
        std::uninitialized_value_construct_n(first, count);
        return {first, count};
    }

    /// A copy that lives as long as the arena's memory.
    std::string_view copyText(std::string_view text);

    /// Frees everything but the largest block, which is used again.
    void reset() noexcept;

    /// Bytes handed out since the last reset, padding included.
    size_t used() const noexcept { return mUsed; }

private:
    struct Block {
        std::unique_ptr<std::byte[]> memory;
        size_t size = 0;
    };

    void addBlock(size_t atLeast);

    std::vector<Block> mBlocks;
    std::byte* mFree = nullptr;
    std::byte* mEnd = nullptr;
    size_t mNextBlock;
    size_t mUsed = 0;
};

} // namespace tenon::support
