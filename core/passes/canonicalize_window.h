// Part of canonicalize: automatic padding of convolutions, deconvolutions and pools as explicit padding.
#pragma once

#include "core/passes/rewriter.h"

namespace tenon::passes {

// Does nothing to other nodes, and where an extent that decides the padding is not known.
void explicitPadding(Rewriter& rewriter, ir::Node& node);

} // namespace tenon::passes
