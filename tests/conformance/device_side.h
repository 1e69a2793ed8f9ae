// Memory of a launch: buffers between guards, and their copies where the module computes on a device.
// Used by the conformance runner. Knows no kernel.
#pragma once

#include "tenon/module/capture.h"
#include "tests/conformance/loaded_module.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <new>
#include <string>
#include <vector>

#include <sys/mman.h>
#include <unistd.h>

namespace tenon::conformance {

// 64-aligned bytes between two guards that must come back untouched. Soon behind the second one lies a page that nobody may touch: guards show what was written,
// and a kernel that reads far behind its operand ends the program (instructions of vectors and matrices are no matter for sanitizers).
class GuardedBuffer {
public:
    explicit GuardedBuffer(int64_t bytes) : mBytes(static_cast<size_t>(bytes)) {
        const auto page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
        mReadable = (mBytes + 3 * kGuard + page - 1) / page * page;
        mMapped = mReadable + page;
        void* memory = mmap(nullptr, mMapped, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (memory == MAP_FAILED || mprotect(static_cast<std::byte*>(memory) + mReadable, page, PROT_NONE) != 0) {
            throw std::bad_alloc();
        }
        mMemory = static_cast<std::byte*>(memory);
        mFirst = mMemory + (mReadable - kGuard - mBytes) / kGuard * kGuard;
        std::fill(mMemory, mMemory + mReadable, kPattern);
    }
    ~GuardedBuffer() { munmap(mMemory, mMapped); }
    GuardedBuffer(const GuardedBuffer&) = delete;
    GuardedBuffer& operator=(const GuardedBuffer&) = delete;
    std::byte* data() { return mFirst; }
    size_t size() const { return mBytes; }
    // With the guards: what travels to a device and back.
    std::byte* whole() { return mFirst - kGuard; }
    int64_t wholeSize() const { return static_cast<int64_t>(mBytes + 2 * kGuard); }
    static constexpr size_t kGuard = 64;
    bool intact() const {
        const auto clean = [](std::byte each) { return each == kPattern; };
        return std::all_of(mMemory, mFirst, clean) && std::all_of(mFirst + mBytes, mFirst + mBytes + kGuard, clean);
    }

private:
    // NaN in every float type: what is read without having been written shows.
    static constexpr std::byte kPattern{0xFF};
    size_t mBytes;
    size_t mReadable;
    size_t mMapped;
    std::byte* mMemory;
    std::byte* mFirst;
};

// Device memory of a launch, a stream, and copies of guarded buffers. On the host nothing is copied and the stream is null.
class DeviceSide {
public:
    explicit DeviceSide(const DeviceTarget& target) : mBackend(target.backend) {}
    ~DeviceSide();
    DeviceSide(const DeviceSide&) = delete;
    DeviceSide& operator=(const DeviceSide&) = delete;

    // Empty, or what went wrong.
    std::string open();
    TnStream* stream() const { return mStream; }
    // The address that kernels see, or null with the reason in `error`; guards lie around it as on the host.
    std::byte* upload(GuardedBuffer& buffer, std::string& error);
    std::string synchronize();
    // Brings all buffers back.
    std::string download();
    // Null where streams are not recorded.
    const TnCapture* capture() const;
    // Of one of `launches` calls of `launch`, by events; 0 where there are none.
    double microseconds(int launches, const std::function<void()>& launch);

private:
    struct Copy {
        GuardedBuffer* buffer;
        std::byte* first;
    };
    std::byte* take(int64_t bytes);
    const TnBackend* mBackend;
    TnStream* mStream = nullptr;
    std::vector<Copy> mCopies;
    // Buffers lie one behind the other, so that operands of one size are evenly apart as they are in plans.
    std::vector<void*> mBlocks;
    std::byte* mNext = nullptr;
    int64_t mLeft = 0;
};

} // namespace tenon::conformance
