// Backends: devices and their memory, as a plain class.
// A module author derives from Backend; the registrar turns it into the C table. Host memory needs none: it is built into
// the host program. Knows no core header.
#pragma once

#include "tenon/module/result.hpp"

#include <memory>

namespace tenon::module {

/// Calls come from several threads; a stream belongs to one thread at a time. Streams and events are the backend's own
/// objects behind opaque pointers.
class Backend {
public:
    virtual ~Backend() = default;
    virtual std::string name() const = 0;
    virtual std::string version() const = 0;
    /// Devices usable now; 0 with a reason when there is none. Open heavy libraries only here.
    virtual int32_t deviceCount(Reason& reason) = 0;
    /// The target as data: `json` (ISA or SM, caches, threads, library versions), and what identifies it in timing caches.
    virtual Code describe(int32_t device, std::string& json, std::string& fingerprint, Reason& reason) = 0;
    /// Null when there is no memory left.
    virtual void* allocate(int32_t device, int64_t bytes, int64_t alignment) = 0;
    virtual void release(int32_t device, void* memory) = 0;
    /// Either side may be host memory.
    virtual Code copy(void* to, const void* from, int64_t bytes, TnStream* stream, Reason& reason) = 0;

    /// True when the stream functions below are overridden; else everything runs before it returns.
    virtual bool hasStreams() const { return false; }
    virtual TnStream* createStream(int32_t /*device*/, Reason&) { return nullptr; }
    virtual void destroyStream(TnStream*) {}
    virtual Code synchronize(TnStream*, Reason&) { return Code::kOk; }

    /// True when the event functions below are overridden.
    virtual bool hasEvents() const { return false; }
    virtual TnEvent* createEvent(int32_t /*device*/, Reason&) { return nullptr; }
    virtual void destroyEvent(TnEvent*) {}
    virtual Code record(TnEvent*, TnStream*) { return Code::kOk; }
    virtual Code wait(TnEvent*, TnStream*) { return Code::kOk; }
    virtual Code elapsedUs(TnEvent* /*begin*/, TnEvent* /*end*/, double& /*out*/) { return Code::kUnsupported; }

    /// Further tables by name and version; null for an unknown one.
    virtual const void* extension(std::string_view /*name*/) { return nullptr; }
};

namespace detail {

/// The C table of a Backend, and what its strings point to.
class BackendTable {
public:
    explicit BackendTable(std::unique_ptr<Backend> backend)
        : mBackend(std::move(backend)), mName(mBackend->name()), mVersion(mBackend->version()) {
        mTable.struct_size = sizeof(mTable);
        mTable.name = toTn(mName);
        mTable.version = toTn(mVersion);
        mTable.self = mBackend.get();
        mTable.device_count = [](void* self, TnSink* sink) -> int32_t {
            int32_t count = 0;
            const TnCode code = guarded(sink, [&](Reason& reason) {
                count = of(self).deviceCount(reason);
                return Code::kOk;
            });
            return code == TN_OK ? count : 0;
        };
        mTable.describe = [](void* self, int32_t device, TnSink* json, TnSink* fingerprint, TnSink* sink) -> TnCode {
            return guarded(sink, [&](Reason& reason) {
                std::string jsonText;
                std::string fingerprintText;
                const Code code = of(self).describe(device, jsonText, fingerprintText, reason);
                if (code == Code::kOk) {
                    Reason(json).write(jsonText);
                    Reason(fingerprint).write(fingerprintText);
                }
                return code;
            });
        };
        mTable.allocate = [](void* self, int32_t device, int64_t bytes, int64_t alignment) -> void* {
            void* memory = nullptr;
            guarded(nullptr, [&](Reason&) {
                memory = of(self).allocate(device, bytes, alignment);
                return Code::kOk;
            });
            return memory;
        };
        mTable.release = [](void* self, int32_t device, void* memory) {
            guarded(nullptr, [&](Reason&) {
                of(self).release(device, memory);
                return Code::kOk;
            });
        };
        mTable.copy = [](void* self, void* to, const void* from, int64_t bytes, TnStream* stream,
                         TnSink* sink) -> TnCode {
            return guarded(sink, [&](Reason& reason) { return of(self).copy(to, from, bytes, stream, reason); });
        };
        mTable.get_extension = [](void* self, TnString name) -> const void* {
            const void* table = nullptr;
            guarded(nullptr, [&](Reason&) {
                table = of(self).extension(view(name));
                return Code::kOk;
            });
            return table;
        };
        if (mBackend->hasStreams()) {
            addStreams();
        }
        if (mBackend->hasEvents()) {
            addEvents();
        }
    }
    const TnBackend& table() const noexcept { return mTable; }

private:
    static Backend& of(void* self) noexcept { return *static_cast<Backend*>(self); }

    void addStreams() {
        mTable.stream_create = [](void* self, int32_t device, TnStream** out, TnSink* sink) -> TnCode {
            return guarded(sink, [&](Reason& reason) {
                *out = of(self).createStream(device, reason);
                return *out != nullptr ? Code::kOk : (reason.code() != Code::kOk ? reason.code() : Code::kInternal);
            });
        };
        mTable.stream_destroy = [](void* self, TnStream* stream) {
            guarded(nullptr, [&](Reason&) {
                of(self).destroyStream(stream);
                return Code::kOk;
            });
        };
        mTable.stream_synchronize = [](void* self, TnStream* stream, TnSink* sink) -> TnCode {
            return guarded(sink, [&](Reason& reason) { return of(self).synchronize(stream, reason); });
        };
    }
    void addEvents() {
        mTable.event_create = [](void* self, int32_t device, TnEvent** out, TnSink* sink) -> TnCode {
            return guarded(sink, [&](Reason& reason) {
                *out = of(self).createEvent(device, reason);
                return *out != nullptr ? Code::kOk : (reason.code() != Code::kOk ? reason.code() : Code::kInternal);
            });
        };
        mTable.event_destroy = [](void* self, TnEvent* event) {
            guarded(nullptr, [&](Reason&) {
                of(self).destroyEvent(event);
                return Code::kOk;
            });
        };
        mTable.event_record = [](void* self, TnEvent* event, TnStream* stream) -> TnCode {
            return guarded(nullptr, [&](Reason&) { return of(self).record(event, stream); });
        };
        mTable.event_wait = [](void* self, TnEvent* event, TnStream* stream) -> TnCode {
            return guarded(nullptr, [&](Reason&) { return of(self).wait(event, stream); });
        };
        mTable.event_elapsed_us = [](void* self, TnEvent* begin, TnEvent* end, double* out) -> TnCode {
            return guarded(nullptr, [&](Reason&) { return of(self).elapsedUs(begin, end, *out); });
        };
    }

    std::unique_ptr<Backend> mBackend;
    std::string mName;
    std::string mVersion;
    TnBackend mTable{};
};
} // namespace detail

} // namespace tenon::module
