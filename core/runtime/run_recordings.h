// Recorded runs of a context: one for each set of shapes and addresses, the least recently used one goes first.
// Used by ContextState. Knows the capture extension and keys of numbers; no shape, no step.
#pragma once

#include "core/runtime/device.h"

#include <cstdint>
#include <vector>

namespace tenon::runtime {

/// One thread at a time. The work of all replays is done before the object goes, and before clear.
class RunRecordings {
public:
    static constexpr size_t kCapacity = 8;

    explicit RunRecordings(const TnCapture& capture) : mCapture(capture) {}
    ~RunRecordings() { clear(); }
    RunRecordings(const RunRecordings&) = delete;
    RunRecordings& operator=(const RunRecordings&) = delete;

    /// Null where there is none. The pointer holds until the next end or clear.
    TnRecording* find(const std::vector<int64_t>& key);
    /// What is put on the stream from here on is recorded and does not run.
    support::Status begin(TnStream* stream);
    /// Keeps what was recorded under `key`. Where full, the caller has waited for replays: the oldest goes.
    support::Result<TnRecording*> end(TnStream* stream, const std::vector<int64_t>& key);
    /// Throws away what was recorded.
    void abandon(TnStream* stream);
    support::Status replay(TnRecording* recording, TnStream* stream);
    bool full() const { return mEntries.size() >= kCapacity; }
    size_t size() const { return mEntries.size(); }
    void clear();

private:
    struct Entry {
        std::vector<int64_t> key;
        TnRecording* recording = nullptr;
        int64_t lastUse = 0;
    };

    const TnCapture& mCapture;
    std::vector<Entry> mEntries;
    int64_t mUses = 0;
};

} // namespace tenon::runtime
