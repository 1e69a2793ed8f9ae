// A tuning database: the measured times of a device together with its description, so that a machine without the device can build plans for it.
// Used by the API's builder config. Knows texts only: the timing cache and a recorded target.
#pragma once

#include "core/schedule/build_options.h"
#include "core/schedule/timing_cache.h"

#include <optional>
#include <string>
#include <string_view>

namespace tenon::schedule {

struct TuningDatabase {
    std::optional<RecordedTarget> device; // none: only the host's times so far
    TimingCache times;

    std::string serialize() const; // the same contents give the same bytes
    // kInvalidFile for damage and for formats of other versions.
    static support::Result<TuningDatabase> deserialize(std::string_view text);
};

} // namespace tenon::schedule
