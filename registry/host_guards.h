// What the host refuses on a module's behalf, so that modules written before something existed keep giving right
// answers. Used by the scheduler around `supports` and `enumerate`. Calls no module.
#pragma once

#include "registry/registry_snapshot.h"
#include "tenon/module/abi.h"

#include <optional>
#include <string>

namespace tenon::registry {

/// Before `supports`: a reason when the task, bodies included, uses something newer than the op set that the provider's
/// module was compiled against, at another value than the default; or has more dimensions or kinds of values than tactics
/// can describe.
std::optional<std::string> refuse(const ProviderEntry& provider, const TnTask& task);

/// After `enumerate`: a reason when the tactic lacks the trait for what the task may be inside its box: tensors above
/// 2^31-1 elements or without a bound, empty tensors, elements below 8 bits, an outer pitch.
std::optional<std::string> refuse(const TnTask& task, const TnTactic& tactic);

/// After `enumerate`: a reason when the tactic is not well formed: wrong number of ports, formats of another rank or
/// impossible ones, opaque layouts of another provider, aliases that cannot be, ports of a conversion that are not those
/// asked for. A defect of the provider.
std::optional<std::string> checkTactic(const ProviderEntry& provider, const TnTask& task, const TnTactic& tactic);

} // namespace tenon::registry
