// Op definitions of modules as the core's: TnOpDef in, ops::OpDef out, inference through TnInferApi.
// Used by the module loader. The core's side of what op_definition.hpp is for modules.
#pragma once

#include "core/ops/op_def.h"
#include "registry/registry_snapshot.h"

namespace tenon::registry {

/// `table` is completed and checked (table_check.h). The definition keeps `origin.owner` and copies the table; strings
/// are copied. kInvalidArgument for an attribute that cannot be: a name twice, a default that is not of its kind.
support::Result<ops::OpDef> bridgeOp(const TnOpDef& table, const EntryOrigin& origin);

/// The functions behind the TnInferContext that `infer` of a module is given.
const TnInferApi& inferApi();

} // namespace tenon::registry
