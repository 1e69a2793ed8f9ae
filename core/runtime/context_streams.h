// The streams that a context runs on: one of its own per device, and the user's in place of the first device's while one is given.
// Used by ContextState and the weight program. Knows devices; no kernel, no plan.
//
// A run's work may outlive the call that issued it. What must not happen before that work is done (another prepare of the same states, freeing
// memory) first calls settle, which needs no stream of the user's: the end of a run there is marked with an event of ours.
#pragma once

#include "core/runtime/device_set.h"

#include <memory>
#include <span>
#include <vector>

namespace tenon::runtime {

/// One thread at a time. Waits for its own work when destroyed.
class ContextStreams {
public:
    /// `devices` outlives the result.
    static support::Result<std::unique_ptr<ContextStreams>> open(const DeviceSet& devices);
    ~ContextStreams();
    ContextStreams(const ContextStreams&) = delete;
    ContextStreams& operator=(const ContextStreams&) = delete;

    /// The streams of the next run. `user`: the native handle of a stream of the first device's backend (a cudaStream_t), or null. Work of the
    /// last run comes first where the stream is another one than then. True in `changed` (never cleared here) when current() is no longer what
    /// it was.
    support::Status use(void* user, bool& changed);
    support::Status use(void* user) {
        bool ignored = false;
        return use(user, ignored);
    }
    /// By placement; null for the host and for backends without streams.
    std::span<TnStream* const> current() const { return mCurrent; }
    /// After a run was issued. On the user's stream: the end of all its work is ordered before what the user puts there next. Without one:
    /// everything is done when this returns.
    support::Status finish();
    /// Waits until nothing that was issued runs any more. Nothing to do while somebody records the user's stream.
    support::Status settle();
    /// Somebody other than the context records the user's stream now.
    bool userRecords() const { return mUserRecords; }

private:
    // Of every backend a TnStream points to something that begins with the native handle.
    struct UserStream {
        void* handle = nullptr;
    };

    explicit ContextStreams(const DeviceSet& devices) : mDevices(devices) {}

    const DeviceSet& mDevices;
    std::vector<DeviceStream> mOwn;  // by device
    std::vector<TnStream*> mCurrent; // by placement
    UserStream mUser;
    DeviceEvent mEnd; // of the last run, on the user's stream
    const TnCapture* mCapture = nullptr;
    bool mEndRecorded = false; // and not waited for
    bool mOnUserStream = false;
    bool mUserRecords = false;
};

} // namespace tenon::runtime
