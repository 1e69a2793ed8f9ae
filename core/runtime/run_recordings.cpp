#include "core/runtime/run_recordings.h"

#include "core/runtime/kernel_set.h"
#include "registry/text_sink.h"

#include <algorithm>

namespace tenon::runtime {

using registry::TextSink;
using support::Result;
using support::Status;

TnRecording* RunRecordings::find(const std::vector<int64_t>& key) {
    for (Entry& entry : mEntries) {
        if (entry.key == key) {
            entry.lastUse = ++mUses;
            return entry.recording;
        }
    }
    return nullptr;
}

Status RunRecordings::begin(TnStream* stream) {
    TextSink reason;
    const TnCode code = mCapture.begin(mCapture.self, stream, reason.sink());
    return code == TN_OK ? Status() : statusOf(code, "the stream cannot be recorded", std::string(reason.text()));
}

Result<TnRecording*> RunRecordings::end(TnStream* stream, const std::vector<int64_t>& key) {
    TextSink reason;
    TnRecording* recording = nullptr;
    const TnCode code = mCapture.end(mCapture.self, stream, &recording, reason.sink());
    if (code != TN_OK) {
        return statusOf(code, "the recorded run cannot be replayed", std::string(reason.text()));
    }
    if (full()) {
        const auto oldest = std::min_element(mEntries.begin(), mEntries.end(),
                                             [](const Entry& a, const Entry& b) { return a.lastUse < b.lastUse; });
        mCapture.destroy(mCapture.self, oldest->recording);
        mEntries.erase(oldest);
    }
    mEntries.push_back({key, recording, ++mUses});
    return recording;
}

void RunRecordings::abandon(TnStream* stream) { mCapture.end(mCapture.self, stream, nullptr, nullptr); }

Status RunRecordings::replay(TnRecording* recording, TnStream* stream) {
    const TnCode code = mCapture.replay(mCapture.self, recording, stream, nullptr);
    return code == TN_OK ? Status() : statusOf(code, "replaying a recorded run", "the backend refused it");
}

void RunRecordings::clear() {
    for (const Entry& entry : mEntries) {
        mCapture.destroy(mCapture.self, entry.recording);
    }
    mEntries.clear();
}

} // namespace tenon::runtime
