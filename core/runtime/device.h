// One device of a backend, and what owns its streams and events: the backend's table as calls with reasons.
// Used by loaded plans and contexts, and by the scheduler where it runs kernels. Knows backend tables; no plan, no kernel, no backend by name.
#pragma once

#include "core/runtime/device_memory.h"
#include "core/support/status.h"
#include "registry/registry_snapshot.h"
#include "tenon/module/capture.h"
#include "tenon/module/host_memory.h"
#include "tenon/module/trace.h"

#include <cstdint>
#include <string>
#include <utility>

namespace tenon::runtime {

/// Memory of devices is aligned to this many bytes.
inline constexpr int64_t kDeviceAlignment = 256;

/// Refers to the snapshot's entry, which outlives it. Thread-safe as the backend is; a stream belongs to one thread at a time.
class Device {
public:
    Device(const registry::BackendEntry& backend, int32_t number) : mBackend(&backend), mNumber(number) {}

    const std::string& name() const { return mBackend->name; }
    int32_t number() const { return mNumber; }
    const TnBackend& table() const { return mBackend->table; }
    bool hasStreams() const { return table().stream_create != nullptr; }
    bool hasEvents() const { return table().event_create != nullptr; }
    /// Null where the backend records nothing.
    const TnCapture* capture() const;
    /// Null where the backend names nothing for a profiler.
    const TnTrace* trace() const;

    /// Asynchronous where `stream` is not null.
    support::Status copy(void* to, const void* from, int64_t bytes, TnStream* stream) const;
    /// Waits for everything on the stream. Nothing to do for a null one.
    support::Status synchronize(TnStream* stream) const;
    /// For buffers in the device's memory. Refers to this object.
    AllocatorCallbacks allocator() const;
    /// For buffers in host memory that copies come from or go to: pinned where the backend has such memory, else ordinary. Refers to this object.
    AllocatorCallbacks hostAllocator() const;

private:
    template <class Table>
    const Table* extension(const char* name) const;

    const registry::BackendEntry* mBackend;
    int32_t mNumber;
};

/// A range of what this thread issues, named for a profiler; nothing where `trace` is null. `name` outlives it.
class TraceRange {
public:
    TraceRange(const TnTrace* trace, const std::string& name) : mTrace(trace) {
        if (mTrace != nullptr) {
            mTrace->begin(mTrace->self, {name.c_str(), name.size()});
        }
    }
    ~TraceRange() {
        if (mTrace != nullptr) {
            mTrace->end(mTrace->self);
        }
    }
    TraceRange(const TraceRange&) = delete;
    TraceRange& operator=(const TraceRange&) = delete;

private:
    const TnTrace* mTrace;
};

/// Owns a stream; empty for a backend without streams, whose calls are done when they return. Moved, never copied.
class DeviceStream {
public:
    DeviceStream() = default;
    static support::Result<DeviceStream> create(const Device& device);
    DeviceStream(DeviceStream&& other) noexcept
        : mDevice(other.mDevice), mStream(std::exchange(other.mStream, nullptr)) {}
    DeviceStream& operator=(DeviceStream&& other) noexcept {
        std::swap(mDevice, other.mDevice);
        std::swap(mStream, other.mStream);
        return *this;
    }
    ~DeviceStream();
    TnStream* get() const { return mStream; }

private:
    const Device* mDevice = nullptr;
    TnStream* mStream = nullptr;
};

/// Owns an event; empty for a backend without events. Moved, never copied.
class DeviceEvent {
public:
    DeviceEvent() = default;
    static support::Result<DeviceEvent> create(const Device& device);
    DeviceEvent(DeviceEvent&& other) noexcept : mDevice(other.mDevice), mEvent(std::exchange(other.mEvent, nullptr)) {}
    DeviceEvent& operator=(DeviceEvent&& other) noexcept {
        std::swap(mDevice, other.mDevice);
        std::swap(mEvent, other.mEvent);
        return *this;
    }
    ~DeviceEvent();
    TnEvent* get() const { return mEvent; }

private:
    const Device* mDevice = nullptr;
    TnEvent* mEvent = nullptr;
};

} // namespace tenon::runtime
