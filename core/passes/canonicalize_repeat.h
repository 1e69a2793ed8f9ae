// Part of canonicalize: elements repeated side by side are an expand, however that is written.
#pragma once

#include "core/passes/rewriter.h"

namespace tenon::passes {

// tile of extents of 1, concat of one such tensor with itself, gather of each index several times in a row. True if the node was replaced.
bool repeatAsExpand(Rewriter& rewriter, ir::Node& node);

} // namespace tenon::passes
