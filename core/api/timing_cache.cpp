#include "core/api/timing_cache.h"

#include "core/api/host_memory.h"

#include <cmath>
#include <limits>

namespace tenon::api {

nvinfer1::IHostMemory* TimingCacheObject::serialize() const noexcept {
    return guarded(mReporter, static_cast<nvinfer1::IHostMemory*>(nullptr),
                   [&]() -> nvinfer1::IHostMemory* { return new HostMemory(mCache.serialize()); });
}

bool TimingCacheObject::combine(nvinfer1::ITimingCache const& inputCache, bool ignoreMismatch) noexcept {
    return guarded(mReporter, false, [&] {
        const auto& other = static_cast<const TimingCacheObject&>(inputCache);
        if (support::Status status = mCache.merge(other.mCache, false, !ignoreMismatch); !status.ok()) {
            mReporter.report(status);
            return false;
        }
        return true;
    });
}

bool TimingCacheObject::reset() noexcept {
    mCache.clear();
    return true;
}

int64_t TimingCacheObject::queryKeys(nvinfer1::TimingCacheKey*, int64_t) const noexcept {
    mReporter.error(nvinfer1::ErrorCode::kUNSUPPORTED_STATE,
                    "ITimingCache::queryKeys: this cache is not editable; its text form (serialize) is JSON");
    return -1;
}

nvinfer1::TimingCacheValue TimingCacheObject::query(nvinfer1::TimingCacheKey const&) const noexcept {
    return {0, std::numeric_limits<float>::quiet_NaN()};
}

bool TimingCacheObject::update(nvinfer1::TimingCacheKey const&, nvinfer1::TimingCacheValue const&) noexcept {
    mReporter.error(nvinfer1::ErrorCode::kUNSUPPORTED_STATE,
                    "ITimingCache::update: this cache is not editable; its text form (serialize) is JSON");
    return false;
}

} // namespace tenon::api
