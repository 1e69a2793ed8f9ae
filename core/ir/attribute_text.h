// The text form of attribute values.
//
//   int 3 (true and false are read as 1 and 0)    float 0.5 1.0 inf    string "edge"    dtype f16    tensor const f32[1] [0]
//   ints [1, 2]    floats [0.5, 1.0]    strings ["a"]    dims dims[N, -1]    and floats[] strings[] where empty
//
// Used by the printer and parser of graphs, and for defaults that modules declare as text. Knows no graph.
#pragma once

#include "core/ir/attributes.h"
#include "core/ir/constant_text.h"
#include "core/support/status.h"

#include <string>

namespace tenon::support {
class Lexer;
}

namespace tenon::ir {

std::string attributeText(const AttributeValue& value, const ExprPool& pool, int64_t inlineLimit);
// "{a=1, b=[2, 3]}"; empty text for an empty map.
std::string attributesText(const AttributeMap& attributes, const ExprPool& pool, int64_t inlineLimit);

support::Result<AttributeValue> parseAttribute(support::Lexer& lexer, ExprPool& pool, ConstantReader& constants);
// A whole "{...}".
support::Result<AttributeMap> parseAttributes(support::Lexer& lexer, ExprPool& pool, ConstantReader& constants);

} // namespace tenon::ir
