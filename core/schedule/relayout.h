// Lays a tensor's bytes out anew, by what the two layouts say alone: no module is asked, so that modules can be checked with what this makes.
// Used by the tactic timer and verification. Knows structural layouts and whole-byte element types; several threads where there is much.
#pragma once

#include "core/ir/weights.h"
#include "core/schedule/tactic.h"
#include "core/support/status.h"

namespace tenon::schedule {

// Whether relayout() goes from one to the other: layouts without a library's secrets, element types that are equal or both floats of two bytes
// or more.
bool canRelayout(const PortLayout& from, const PortLayout& to);

// `from` holds the bytes of its dims as `fromPort` lays them out; placements do not matter, everything is in host memory. What lies between
// elements is zero. Floats round to nearest even. Precondition: canRelayout().
support::Result<ir::ConstantPtr> relayout(const ir::ConstantPtr& from, const PortLayout& fromPort,
                                          const PortLayout& toPort);

} // namespace tenon::schedule
