// A device that a build runs kernels on: to time them and to compare them with the reference.
// Used by kernel_runner and copy_costs. Owns a stream, two events, the memory that kernels are tried on and one session per kernel runtime.
// One thread at a time.
#pragma once

#include "core/runtime/device.h"

#include <map>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

namespace tenon::schedule {

class BuildDevice {
public:
    // `json` describes the device; its caches say what must be displaced before a kernel finds its weights in memory. `users`: where its memory
    // comes from; the device itself where that has no functions.
    static support::Result<std::shared_ptr<BuildDevice>> open(const registry::BackendEntry& backend, int32_t number,
                                                              const std::string& json,
                                                              const runtime::AllocatorCallbacks& users = {});
    ~BuildDevice();
    BuildDevice(const BuildDevice&) = delete;
    BuildDevice& operator=(const BuildDevice&) = delete;

    const runtime::Device& device() const { return mDevice; }
    TnStream* stream() const { return mStream.get(); }
    support::Status copy(void* to, const void* from, int64_t bytes) const {
        return mDevice.copy(to, from, bytes, mStream.get());
    }
    support::Status synchronize() const { return mDevice.synchronize(mStream.get()); }
    // Device memory from blocks that are kept for the next one who asks: making and freeing it would wait for the device.
    runtime::AllocatorCallbacks allocator();
    // Puts work on the stream that repeats `pattern`, in host memory, over `bytes` of the device's memory. `pattern` must live until the next
    // synchronize().
    support::Status fill(void* to, int64_t bytes, const void* pattern, int64_t patternBytes) const;
    // The session in which all kernels of a runtime are tried; libraries take long to open one. Lives as long as this object, which must not
    // outlive the snapshot that `runtime` is of.
    support::Result<TnSession*> session(const TnKernelRuntime& runtime, const TnSessionInfo& info);
    // Puts work on the stream that displaces what the last-level cache holds. Nothing where its size is not known.
    support::Status flushCache();

    // Microseconds that what `issue` puts on the stream takes there. No other build times anything on this device meanwhile.
    template <class F>
    support::Result<double> timed(F&& issue) {
        const Lock lock(*this);
        TN_RETURN_IF_ERROR(begin());
        TN_RETURN_IF_ERROR(issue());
        return end();
    }

    // What `issue` puts on the stream, recorded between two times: a plan runs from recordings, in which what is around a kernel (the filling of a
    // counter, a second launch) costs more than on a stream. Null where the backend cannot, or the work cannot be recorded.
    template <class F>
    TnRecording* record(F&& issue) {
        if (!beginRecording()) {
            return nullptr;
        }
        const bool issued = issue().ok();
        return endRecording(issued);
    }
    // Microseconds that it takes, as `timed` does.
    support::Result<double> timedReplay(TnRecording* recording);
    // Once its work is done.
    void forget(TnRecording* recording) const;

private:
    // Excludes other builds, in this process and in others; one that keeps it longer than any measurement takes excludes nobody.
    class Lock {
    public:
        explicit Lock(const BuildDevice& device);
        ~Lock();
        Lock(const Lock&) = delete;
        Lock& operator=(const Lock&) = delete;

    private:
        int mFile;
    };

    BuildDevice(const registry::BackendEntry& backend, int32_t number, const runtime::AllocatorCallbacks& users)
        : mDevice(backend, number), mMemory(users.orElse(mDevice.allocator())) {}
    void* takeBlock(int64_t bytes, int64_t alignment);
    void freeBlocks();
    bool beginRecording();
    TnRecording* endRecording(bool issued);
    support::Result<double> elapsed() const;
    support::Status begin();
    support::Result<double> end();

    runtime::Device mDevice;
    runtime::AllocatorCallbacks mMemory;               // where blocks come from
    std::map<int64_t, std::vector<void*>> mFreeBlocks; // by size
    std::unordered_map<void*, int64_t> mBlockSizes;    // of all blocks
    std::map<const TnKernelRuntime*, TnSession*> mSessions;
    runtime::DeviceStream mStream;
    runtime::DeviceEvent mBegin;
    runtime::DeviceEvent mEnd;
    runtime::GrowingBuffer mFlush;
    int64_t mFlushBytes = 0;
    int64_t mClockNs = 0; // of a backend without events
    int mLockFile = -1;
};

} // namespace tenon::schedule
