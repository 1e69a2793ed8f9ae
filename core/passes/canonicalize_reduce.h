// Part of canonicalize: means that are written as something else.
#pragma once

#include "core/passes/rewriter.h"

namespace tenon::passes {

// An average pool whose one window is the whole image is a mean. True if the node was replaced.
bool wholeAverage(Rewriter& rewriter, ir::Node& node);
// A reduction of a reduction of its kind, both of which keep dimensions, is one. True if the node changed.
bool joinReductions(Rewriter& rewriter, ir::Node& node);

} // namespace tenon::passes
