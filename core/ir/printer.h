// Graphs as text. Used by plans (the final graph travels as text), `tenon opt`, tests and messages. Knows no ops.
//
//   graph @head(%x: f16[N,2048,7,7]) where N in [1..32] opt 8 from dim %x 0 {
//     %w = const f16[1000,2048] @hash:9c1f... weights("fc.weight")
//     %m = reduce.mean(%x) {axes=[2, 3]} : f16[N,2048]
//     %f = fused(%m, %w) {pattern="matmul_epilogue"} region @body(%arg0: f16[N,2048], %arg1: f16[1000,2048]) {
//       %0 = matmul(%arg0, %arg1) {trans_b=1} : f16[N,1000]
//       %1 = activation.relu(%0) : f16[N,1000]
//       return %1
//     } : f16[N,1000] from("fc", "relu")
//     return %f
//   }
//
// docs/ir.md has the whole grammar. What is at its default is left out: a node's name that is its first output's, a source set that is the
// node's name alone, contents of constants. parse(print(g)) prints the same text.
#pragma once

#include "core/ir/graph.h"

#include <string>

namespace tenon::ir {

struct PrintOptions {
    int64_t inlineLimit = 16; // constants of at most so many elements are written out, larger ones named by hash
};

std::string print(const Graph& graph, const PrintOptions& options = {});
// One node, without its line break; for messages.
std::string print(const Node& node, const PrintOptions& options = {});

} // namespace tenon::ir
