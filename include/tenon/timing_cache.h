// The measured times that a build leaves for the next one. Made by IBuilderConfig; knows nothing of networks.
#pragma once

#include "tenon/types.h"

namespace nvinfer1 {

// Identifies a task of the cache; shown as hexadecimal text by tools.
struct TimingCacheKey {
    uint8_t data[16];
};

// The tactic kept for a key and its time.
struct TimingCacheValue {
    uint64_t tacticHash;
    float timingMSec;
};

// Samples of tactics by target and task. Owned by the caller of createTimingCache(). Calls on one cache must not
// overlap with a build that uses it.
class ITimingCache : public INoCopy {
public:
    ~ITimingCache() noexcept override = default;

    // A blob for createTimingCache(). The caller deletes it. Null on failure.
    virtual IHostMemory* serialize() const noexcept = 0;

    // Adds the samples of another cache. Samples of another machine are kept and never used here, so `ignoreMismatch`
    // false only decides whether they are refused.
    virtual bool combine(ITimingCache const& inputCache, bool ignoreMismatch) noexcept = 0;

    virtual bool reset() noexcept = 0;

    // Writes up to `capacity` keys and returns how many there are, -1 on failure.
    virtual int64_t queryKeys(TimingCacheKey* keyBuffer, int64_t capacity) const noexcept = 0;

    // The fastest sample of a key; {0, NaN} when the key is unknown.
    virtual TimingCacheValue query(TimingCacheKey const& key) const noexcept = 0;

    // Replaces the time kept for a tactic of a known key.
    virtual bool update(TimingCacheKey const& key, TimingCacheValue const& value) noexcept = 0;

    void destroy() noexcept { delete this; }
};

} // namespace nvinfer1
