// What copying bytes between host memory and a device costs: measured at two sizes, a line between them, or an estimate where nothing is measured.
// Used by conversions. Knows devices and the timing cache; no tensor, no kernel.
#pragma once

#include "core/schedule/build_context.h"
#include "core/schedule/timing_cache.h"

#include <map>
#include <utility>

namespace tenon::schedule {

class CopyCosts {
public:
    // `cache` is read and extended; may be null. Nothing is measured with `measure` off.
    CopyCosts(const BuildContext& context, TimingCache* cache, bool measure)
        : mContext(context), mCache(cache), mMeasure(measure) {}

    // Microseconds. One of the two is the host.
    double us(TnPlacement from, TnPlacement to, int64_t bytes);
    // The measured points that were used, for the ledger.
    const std::map<std::string, TimingRecord>& used() const { return mUsed; }
    // As a timing key: `point` is one of used().
    static TimingKey keyOf(const Target& target, const std::string& point);

private:
    struct Line {
        double base = 0;
        double perByte = 0;
    };
    Line lineOf(TnPlacement device, bool toDevice);
    // Null where it is neither known nor measured.
    const TimingRecord* at(TnPlacement device, bool toDevice, int64_t bytes);
    support::Result<TimingRecord> measure(const Target& target, bool toDevice, int64_t bytes) const;

    const BuildContext& mContext;
    TimingCache* mCache;
    bool mMeasure;
    std::map<std::pair<TnPlacement, bool>, Line> mLines;
    std::map<std::string, TimingRecord> mUsed;
};

} // namespace tenon::schedule
