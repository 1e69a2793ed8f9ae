// Structural invariants of a graph: what every reader takes for granted. Run between passes in debug builds and tests, and on every graph that
// comes from outside. Knows no ops: schemas and types are checked by ops/verify.h.
#pragma once

#include "core/ir/graph.h"
#include "core/support/status.h"

namespace tenon::ir {

// Checks, regions included: single definition, topological order, uses on both sides agree, unique names, no empty source set, constants have
// their bytes, expression handles are of the pool, regions share it and use nothing from outside. The first violation found is reported, as
// kInternal: a graph is wrong because of a bug.
support::Status verify(const Graph& graph);

} // namespace tenon::ir
