// Runs passes by name or value, with the verifiers around them. Used by the pipeline, `tenon opt` and tests.
#pragma once

#include "core/passes/pass.h"

namespace tenon::passes {

// All passes, in the order of the standard pipeline; before them those that it leaves out.
const std::vector<Pass>& allPasses();
// Null: there is none of that name.
const Pass* findPass(std::string_view name);

enum class Verify { kNever, kAfterEach };
#ifdef NDEBUG
inline constexpr Verify kDefaultVerify = Verify::kNever;
#else
inline constexpr Verify kDefaultVerify = Verify::kAfterEach;
#endif

// Errors name the pass.
support::Result<bool> runPass(PassContext& context, const Pass& pass, Verify verify = kDefaultVerify);

} // namespace tenon::passes
