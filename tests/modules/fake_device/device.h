// An asynchronous device without hardware: memory that the host cannot touch, streams that are threads, events, recordings.
// Used by the test module `fakegpu`. Knows the ABI; no kernel.
//
// Addresses of its memory are pages that nothing may touch, so that a host access ends the process; `real` gives the bytes behind them. Fresh
// memory is filled with 0xa5, freed memory with 0x5a. FAKEGPU_DELAY_US (default 20) passes before a stream begins each piece of work, and
// FAKEGPU_DEVICES (default 1) is the number of devices.
#pragma once

#include "tenon/module/capture.h"
#include "tenon/module/host_memory.h"
#include "tenon/module/module.hpp"
#include "tenon/module/trace.h"

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstring>
#include <map>
#include <mutex>
#include <string>
#include <thread>
#include <type_traits>
#include <vector>

namespace tenon::fake {

class Memory {
public:
    static Memory& process();
    void* allocate(int64_t bytes, int64_t alignment);
    void release(void* memory);
    bool owns(const void* address) const;
    // The bytes behind an address of the device; the same address where it is not.
    template <class T>
    T* real(T* address) const {
        return owns(address) ? reinterpret_cast<T*>(reinterpret_cast<uintptr_t>(address) + mDelta) : address;
    }
    int64_t used();

private:
    Memory();
    std::mutex mMutex;
    std::byte* mBase = nullptr;
    uintptr_t mDelta = 0;
    std::map<int64_t, int64_t> mBlocks; // offset -> bytes
};

// A piece of work that is copied by value.
struct Work {
    static constexpr size_t kBytes = 256;
    bool (*run)(void* data) = nullptr; // false: it failed
    alignas(16) std::byte data[kBytes];

    template <class F>
    static Work of(F call) {
        static_assert(std::is_trivially_copyable_v<F> && sizeof(F) <= kBytes);
        Work work;
        std::memcpy(work.data, &call, sizeof(F));
        work.run = [](void* data) { return (*static_cast<F*>(data))(); };
        return work;
    }
};

class Queue {
public:
    Queue();
    ~Queue();
    // Waits only when very much is waiting to be done.
    void push(const Work& work);
    bool synchronize(); // false: something failed since the last call, or the stream records
    bool beginRecording();
    bool endRecording(std::vector<Work>& out);
    bool recording();

private:
    static constexpr size_t kRoom = 4096;
    void loop();
    std::mutex mMutex;
    std::condition_variable mChanged;
    std::vector<Work> mRing;
    size_t mPushed = 0;
    size_t mDone = 0;
    bool mStop = false;
    bool mFailed = false;
    bool mRecords = false;
    std::vector<Work> mRecorded;
    std::chrono::microseconds mDelay{20};
    std::thread mThread;
};

// What the backend's optional extensions were asked for in this process.
struct Seen {
    static Seen& process();
    std::atomic<int64_t> pinnedBytes{0};     // held now
    std::atomic<int64_t> pinnedAllocated{0}; // ever
    std::atomic<int64_t> pageableCopies{0};  // between the device and host memory that is not pinned, on a stream
    std::vector<std::string> ranges;         // names, "<" for an end; of one thread
};

std::unique_ptr<module::Backend> makeBackend();

} // namespace tenon::fake

// The native handle comes first, as of every backend.
struct TnStream {
    tenon::fake::Queue* queue;
};
