// Reads the text form of graphs (printer.h). Used by plans, `tenon opt` and tests. Knows no ops: what a node means is checked by its readers.
// Must survive any text: errors are kInvalidFile with line and column.
//
// Convenience for text written by hand: a symbol that stands alone as an extent of a graph input needs no `where`; a node without from(...) is
// its own source.
#pragma once

#include "core/ir/constant_text.h"
#include "core/ir/graph.h"
#include "core/support/status.h"

#include <memory>
#include <string_view>

namespace tenon::ir {

struct ParseOptions {
    ConstantResolver constants;               // for @hash: constants
    int64_t constantBytes = int64_t{1} << 30; // limit for what the text writes out
};

// One graph, and nothing after it.
support::Result<std::unique_ptr<Graph>> parseGraph(std::string_view text, const ParseOptions& options = {});

} // namespace tenon::ir
