// The rules that a plan keeps: what the writer refuses to write and the reader refuses to hand out.
// Used by writer, reader and tests. Knows the plan model only: no file, no module, no kernel.
#pragma once

#include "core/plan/plan_model.h"
#include "core/support/status.h"

namespace tenon::plan {

/// Checks everything that can be checked without running anything: every index in range, operands of expressions before
/// their use, formats sound, boxes and profiles ordered, tensors inside arena, bindings and constants at the corners of
/// their program's box, steps with the ports their kind needs, kernels covered by requirements, names present and unique.
/// What depends on the extents of a run is checked again by the runtime. kInvalidFile, naming what and where.
support::Status verifyPlan(const Plan& plan);

} // namespace tenon::plan
