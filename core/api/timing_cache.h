// ITimingCache over schedule::TimingCache. Used by BuilderConfig and Builder.
#pragma once

#include "core/api/reporter.h"
#include "core/schedule/timing_cache.h"
#include "tenon/timing_cache.h"

namespace tenon::api {

class TimingCacheObject final : public nvinfer1::ITimingCache {
public:
    TimingCacheObject(const Reporter& reporter, schedule::TimingCache cache)
        : mReporter(reporter), mCache(std::move(cache)) {}

    nvinfer1::IHostMemory* serialize() const noexcept override;
    bool combine(nvinfer1::ITimingCache const& inputCache, bool ignoreMismatch) noexcept override;
    bool reset() noexcept override;
    int64_t queryKeys(nvinfer1::TimingCacheKey* keyBuffer, int64_t capacity) const noexcept override;
    nvinfer1::TimingCacheValue query(nvinfer1::TimingCacheKey const& key) const noexcept override;
    bool update(nvinfer1::TimingCacheKey const& key, nvinfer1::TimingCacheValue const& value) noexcept override;

    schedule::TimingCache& cache() const { return mCache; }

private:
    Reporter mReporter;
    mutable schedule::TimingCache mCache; // a build extends the cache that it was given as const, as TensorRT's does
};

} // namespace tenon::api
