// The standard order of the rewriting passes. Used by the build and by `tenon opt` without a pass name.
#pragma once

#include "core/passes/pass_manager.h"

namespace tenon::passes {

// Runs all passes again and again until none changes anything, at most kMaxRounds times; then completes context.weights.
// Foldings that make nodes on constants (batch normalisation into convolutions) run only with an evaluator.
inline constexpr int kMaxRounds = 12;
support::Status runPipeline(PassContext& context, Verify verify = kDefaultVerify);

} // namespace tenon::passes
