// From a lowered network to a plan: passes, regions, tactics, times, selection, verification, steps, ledger.
// Used by core/api's builder and by tests. The one place that knows the order of all of them.
#pragma once

#include "core/schedule/build_context.h"

namespace tenon::schedule {

// Consumes the input. Errors: kUnsupported with every node that nothing can compute and each provider's reason; kCancelled only where no plan
// could be completed.
support::Result<BuildResult> buildEngine(BuildInput input, const BuildOptions& options,
                                         std::shared_ptr<const registry::RegistrySnapshot> snapshot);

} // namespace tenon::schedule
