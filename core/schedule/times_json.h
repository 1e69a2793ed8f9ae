// The JSON of measured times: of timing caches and tuning databases, which come from files that anybody may have written.
// Used by timing_cache and tuning_database.
#pragma once

#include "core/support/status.h"

#include <nlohmann/json.hpp>

#include <string_view>

namespace tenon::schedule {

// kInvalidFile with what is wrong with `what`, "timing cache": it is cut off, damaged, or nested deeper than any that Tenon writes.
support::Result<nlohmann::json> parseTimes(std::string_view text, std::string_view what);

} // namespace tenon::schedule
