// Memory that a context owns: the arena, and buffers that grow.
// Used by context_state and program_instance. Knows an allocator as two functions, whatever memory it has.
#pragma once

#include "core/support/status.h"

#include <cstddef>
#include <cstdint>

namespace tenon::runtime {

inline constexpr int64_t kMemoryAlignment = 64;

/// Where a context gets its memory. Null functions: the C++ heap. Called on the context's thread, never inside a segment. Must outlive the
/// context.
struct AllocatorCallbacks {
    void* context = nullptr;
    /// `alignment` is a power of two. Null: no memory.
    void* (*allocate)(void* context, int64_t bytes, int64_t alignment) = nullptr;
    void (*deallocate)(void* context, void* memory) = nullptr;
    int64_t alignment = kMemoryAlignment;             // of every block
    const char* name = "the application's allocator"; // in errors

    /// These functions with the alignment of `memory`, which they stand in for; `memory` itself where there are none.
    AllocatorCallbacks orElse(const AllocatorCallbacks& memory) const {
        AllocatorCallbacks chosen = allocate != nullptr ? *this : memory;
        chosen.alignment = memory.alignment;
        return chosen;
    }
};

/// A block that can only grow. What was in it is lost when it does. Moved, never copied.
class GrowingBuffer {
public:
    GrowingBuffer() = default;
    explicit GrowingBuffer(const AllocatorCallbacks& allocator) : mAllocator(allocator) {}
    GrowingBuffer(GrowingBuffer&& other) noexcept;
    GrowingBuffer& operator=(GrowingBuffer&& other) noexcept;
    ~GrowingBuffer();

    /// Makes room for `bytes`; nothing happens when there is. kOutOfMemory naming `what`; the old block stays then.
    support::Status reserve(int64_t bytes, const char* what);

    std::byte* data() const { return mData; }
    int64_t bytes() const { return mBytes; }

private:
    void release() noexcept;

    AllocatorCallbacks mAllocator;
    std::byte* mData = nullptr;
    int64_t mBytes = 0;
};

} // namespace tenon::runtime
