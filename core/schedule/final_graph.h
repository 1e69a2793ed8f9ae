// The graph as it was scheduled: chosen regions as fused nodes with their bodies and source sets, as IR text for the plan.
// Used by build_engine; read by tools.
#pragma once

#include "core/schedule/step_builder.h"

#include <string>

namespace tenon::schedule {

std::string finalGraphText(const ScheduledProfile& profile);

} // namespace tenon::schedule
