// From a network and a config to what the scheduler builds: a fresh graph per build, bindings, symbol bounds.
// Used by Builder. The one place that turns profiles into symbol boxes; must not know tactics or plans' steps.
#pragma once

#include "core/api/builder_config.h"
#include "core/api/network.h"
#include "core/schedule/build_options.h"
#include "core/support/status.h"

namespace tenon::api {

// Reads the network only; its inference state may be refreshed. Errors name the layer, input or profile.
support::Result<schedule::BuildInput> lowerNetwork(const Network& network, const BuilderConfig::Settings& settings);

} // namespace tenon::api
