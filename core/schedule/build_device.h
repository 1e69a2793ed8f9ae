// A device that a build runs kernels on: to time them and to compare them with the reference.
// Used by kernel_runner and copy_costs. Owns a stream and two events. One thread at a time.
#pragma once

#include "core/runtime/device.h"

#include <memory>
#include <string>
#include <vector>

namespace tenon::schedule {

class BuildDevice {
public:
    // `json` describes the device; its caches say what must be displaced before a kernel finds its weights in memory.
    static support::Result<std::shared_ptr<BuildDevice>> open(const registry::BackendEntry& backend, int32_t number,
                                                              const std::string& json);
    ~BuildDevice();
    BuildDevice(const BuildDevice&) = delete;
    BuildDevice& operator=(const BuildDevice&) = delete;

    const runtime::Device& device() const { return mDevice; }
    TnStream* stream() const { return mStream.get(); }
    support::Status copy(void* to, const void* from, int64_t bytes) const {
        return mDevice.copy(to, from, bytes, mStream.get());
    }
    support::Status synchronize() const { return mDevice.synchronize(mStream.get()); }
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

private:
    // Excludes other builds, in this process and in others.
    class Lock {
    public:
        explicit Lock(const BuildDevice& device);
        ~Lock();
        Lock(const Lock&) = delete;
        Lock& operator=(const Lock&) = delete;

    private:
        int mFile;
    };

    explicit BuildDevice(const registry::BackendEntry& backend, int32_t number) : mDevice(backend, number) {}
    support::Status begin();
    support::Result<double> end();

    runtime::Device mDevice;
    runtime::DeviceStream mStream;
    runtime::DeviceEvent mBegin;
    runtime::DeviceEvent mEnd;
    runtime::GrowingBuffer mFlush;
    int64_t mFlushBytes = 0;
    int64_t mClockNs = 0; // of a backend without events
    int mLockFile = -1;
};

} // namespace tenon::schedule
