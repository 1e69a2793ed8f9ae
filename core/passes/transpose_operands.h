// Part of transpose_elim: permutations, and the ops that read or write their operands transposed when told to.
#pragma once

#include "core/passes/rewriter.h"

#include <optional>
#include <vector>

namespace tenon::passes {

using Permutation = std::vector<int64_t>;

// Of a transpose; nothing for other nodes, and null.
std::optional<Permutation> permutationOf(const ir::Node* node);
bool isIdentity(const Permutation& perm);
// transpose(transpose(x, first), second) = transpose(x, result)
Permutation compose(const Permutation& first, const Permutation& second);
Permutation inverse(const Permutation& perm);

// A transpose that swaps the last two dimensions of a matrix product: the product the other way round. True if the node was replaced.
bool transposeOfProduct(Rewriter& rewriter, ir::Node& transpose);
// A left operand that is a transpose and swapped by trans_a besides: all in the transpose.
void flagIntoTranspose(Rewriter& rewriter, ir::Node& matmul);
// Attention of operands that all have heads and positions swapped: the op that reads them as they were.
void headsOfAttention(Rewriter& rewriter, ir::Node& attention);

} // namespace tenon::passes
