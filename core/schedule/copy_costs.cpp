#include "core/schedule/copy_costs.h"

#include "core/schedule/build_device.h"
#include "core/support/text.h"

#include <algorithm>

namespace tenon::schedule {

namespace {

constexpr int64_t kSmall = 4 << 10;
constexpr int64_t kLarge = 4 << 20;
constexpr int kSamples = 9;
constexpr double kModelBaseUs = 10;
constexpr double kModelBytesPerUs = 12000; // 12 GB/s

} // namespace

TimingKey CopyCosts::keyOf(const Target& target, const std::string& point) {
    return {target.fingerprint, "copy", target.backend, "", point};
}

double CopyCosts::us(TnPlacement from, TnPlacement to, int64_t bytes) {
    const bool toDevice = from == TN_PLACEMENT_HOST;
    const TnPlacement device = toDevice ? to : from;
    auto known = mLines.find({device, toDevice});
    if (known == mLines.end()) {
        known = mLines.emplace(std::pair(device, toDevice), lineOf(device, toDevice)).first;
    }
    return known->second.base + known->second.perByte * static_cast<double>(bytes);
}

CopyCosts::Line CopyCosts::lineOf(TnPlacement device, bool toDevice) {
    const TimingRecord* const small = at(device, toDevice, kSmall);
    const TimingRecord* const large = small ? at(device, toDevice, kLarge) : nullptr;
    if (!large) {
        return {kModelBaseUs, 1 / kModelBytesPerUs};
    }
    Line line;
    line.perByte = std::max(0.0, (large->us - small->us) / static_cast<double>(kLarge - kSmall));
    line.base = std::max(0.0, small->us - line.perByte * static_cast<double>(kSmall));
    return line;
}

const TimingRecord* CopyCosts::at(TnPlacement device, bool toDevice, int64_t bytes) {
    const Target& target = mContext.targetAt(device);
    const std::string point = support::cat(toDevice ? "to" : "from", " device, ", bytes, " bytes");
    TimingRecord record;
    MissReason miss = MissReason::kNone;
    const TimingRecord* const cached = mCache ? mCache->find(keyOf(target, point), miss) : nullptr;
    if (cached) {
        record = *cached;
    } else if (mMeasure && target.machine) {
        support::Result<TimingRecord> measured = measure(target, toDevice, bytes);
        if (!measured.ok()) {
            mContext.options->log.warning("copies are estimated: ", measured.status().toString());
            return nullptr;
        }
        record = *measured;
        if (mCache) {
            mCache->insert(keyOf(target, point), record);
        }
    } else {
        return nullptr;
    }
    return &(mUsed[point] = record);
}

support::Result<TimingRecord> CopyCosts::measure(const Target& target, bool toDevice, int64_t bytes) const {
    BuildDevice& device = *target.machine;
    runtime::GrowingBuffer memory(device.allocator());
    TN_RETURN_IF_ERROR(memory.reserve(bytes, "timing copies"));
    std::vector<std::byte> host(static_cast<size_t>(bytes));
    std::vector<double> samples;
    for (int i = 0; i < kSamples; ++i) {
        TN_ASSIGN_OR_RETURN(const double us, device.timed([&]() {
            return toDevice ? device.copy(memory.data(), host.data(), bytes)
                            : device.copy(host.data(), memory.data(), bytes);
        }));
        samples.push_back(us);
    }
    std::sort(samples.begin(), samples.end());
    TimingRecord record;
    record.us = samples[samples.size() / 4];
    record.spread = record.us > 0 ? (samples[samples.size() / 2] - record.us) / record.us : 0;
    record.samples = kSamples;
    return record;
}

} // namespace tenon::schedule
