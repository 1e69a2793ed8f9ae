#include "core/runtime/device_memory.h"

#include "core/support/text.h"

#include <new>
#include <utility>

namespace tenon::runtime {

using support::Code;
using support::makeError;
using support::Status;

namespace {

constexpr auto kAlign = std::align_val_t(kMemoryAlignment);

} // namespace

GrowingBuffer::GrowingBuffer(GrowingBuffer&& other) noexcept
    : mAllocator(other.mAllocator), mData(std::exchange(other.mData, nullptr)), mBytes(std::exchange(other.mBytes, 0)) {
}

GrowingBuffer& GrowingBuffer::operator=(GrowingBuffer&& other) noexcept {
    if (this != &other) {
        release();
        mAllocator = other.mAllocator;
        mData = std::exchange(other.mData, nullptr);
        mBytes = std::exchange(other.mBytes, 0);
    }
    return *this;
}

GrowingBuffer::~GrowingBuffer() { release(); }

void GrowingBuffer::release() noexcept {
    if (mData == nullptr) {
        return;
    }
    if (mAllocator.deallocate != nullptr) {
        mAllocator.deallocate(mAllocator.context, mData);
    } else {
        ::operator delete(mData, kAlign);
    }
    mData = nullptr;
    mBytes = 0;
}

Status GrowingBuffer::reserve(int64_t bytes, const char* what) {
    if (bytes <= mBytes) {
        return {};
    }
    void* const memory = mAllocator.allocate != nullptr
                             ? mAllocator.allocate(mAllocator.context, bytes, mAllocator.alignment)
                             : ::operator new(static_cast<size_t>(bytes), kAlign, std::nothrow);
    if (memory == nullptr) {
        return makeError(Code::kOutOfMemory, "no memory for ", what, ": ",
                         mAllocator.allocate != nullptr ? mAllocator.name : "the heap", " gave none for ",
                         support::formatBytes(bytes), " (", bytes,
                         " bytes). Use smaller shapes, fewer contexts, or a plan built with a smaller workspace");
    }
    if (reinterpret_cast<uintptr_t>(memory) % static_cast<uintptr_t>(mAllocator.alignment) != 0) {
        if (mAllocator.deallocate != nullptr) {
            mAllocator.deallocate(mAllocator.context, memory);
        }
        return makeError(Code::kInvalidArgument, mAllocator.name, " returned memory for ", what,
                         " that is not aligned to the ", mAllocator.alignment, " bytes it was asked for");
    }
    release();
    mData = static_cast<std::byte*>(memory);
    mBytes = bytes;
    return {};
}

} // namespace tenon::runtime
