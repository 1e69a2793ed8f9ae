// The text form of expressions: "N*12+1", "max(N-1,0)", "floordiv(H+1,2)". Printing is ExprPool::toText.
// Used by the parser of graphs and by tests.
//
//   sum     = ["-"] product { ("+" | "-") product }
//   product = factor { "*" factor }
//   factor  = ["-"] integer | symbol | "(" sum ")" | function "(" sum { "," sum } ")" | "?"
//   function = max min floordiv ceildiv mod equal less select; scale_floor scale_ceil scale_round take a number second
//
// A symbol is an identifier, or a string where its name is none. "?" is the unknown integer.
#pragma once

#include "core/ir/dim_expr.h"
#include "core/support/status.h"

namespace tenon::support {
class Lexer;
}

namespace tenon::ir {

// Reads one expression. Symbols must be in the pool already.
support::Result<DimExpr> parseExpr(support::Lexer& lexer, ExprPool& pool);
support::Result<DimExpr> parseExpr(std::string_view text, ExprPool& pool);

// An identifier as it is, any other text in quotes.
std::string identifierOrQuoted(std::string_view name);

} // namespace tenon::ir
