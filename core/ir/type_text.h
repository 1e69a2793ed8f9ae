// The text form of types: "f32[N,3,H*2+1]", "f32[*]" (rank unknown), "f32[?,3]" (an extent unknown), "seq<f32[N]>", "opt<i64[]>".
// Used by the printer and parser of graphs and for messages. Knows no graph.
#pragma once

#include "core/ir/tensor_type.h"
#include "core/support/status.h"

#include <functional>
#include <string>

namespace tenon::support {
class Lexer;
}

namespace tenon::ir {

std::string typeText(const TensorType& type, const ExprPool& pool);

// `declare` (may be empty) is told of an undeclared symbol that stands alone as an extent, with the dimension's index, and may declare it.
support::Result<TensorType> parseType(support::Lexer& lexer, ExprPool& pool,
                                      const std::function<void(const std::string& name, int32_t dim)>& declare = {});

} // namespace tenon::ir
