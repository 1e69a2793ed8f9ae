#include "core/ir/type_text.h"

#include "core/ir/expr_text.h"
#include "core/support/lexer.h"
#include "core/support/text.h"

namespace tenon::ir {

using support::Lexer;
using support::Result;

std::string typeText(const TensorType& type, const ExprPool& pool) {
    std::string text = support::cat(nameOf(type.dtype), '[');
    if (!type.ranked) {
        text.push_back('*');
    }
    for (size_t i = 0; i < type.dims.size(); ++i) {
        text += i == 0 ? "" : ",";
        text += pool.toText(type.dims[i]);
    }
    text.push_back(']');
    switch (type.kind) {
    case ValueKind::kTensor:
        return text;
    case ValueKind::kSequence:
        return "seq<" + text + ">";
    case ValueKind::kOptional:
        return "opt<" + text + ">";
    }
    return text;
}

Result<TensorType> parseType(Lexer& lexer, ExprPool& pool,
                             const std::function<void(const std::string& name, int32_t dim)>& declare) {
    TensorType type;
    if (lexer.take("seq")) {
        type.kind = ValueKind::kSequence;
    } else if (lexer.take("opt")) {
        type.kind = ValueKind::kOptional;
    }
    if (type.kind != ValueKind::kTensor) {
        TN_RETURN_IF_ERROR(lexer.expect("<"));
    }
    const support::TextPosition position = lexer.peek().position;
    TN_ASSIGN_OR_RETURN(const std::string name, lexer.expectIdentifier("an element type"));
    const std::optional<DataType> dtype = dataTypeOf(name);
    if (!dtype) {
        return Lexer::errorAt(position, support::cat("'", name, "' is not an element type"));
    }
    type.dtype = *dtype;
    TN_RETURN_IF_ERROR(lexer.expect("["));
    if (lexer.take("*")) {
        type.ranked = false;
        TN_RETURN_IF_ERROR(lexer.expect("]"));
    } else {
        while (!lexer.take("]")) {
            if (!type.dims.empty()) {
                TN_RETURN_IF_ERROR(lexer.expect(","));
            }
            const bool alone = lexer.peek(1).is(",") || lexer.peek(1).is("]");
            const support::Token& token = lexer.peek();
            const bool isName = token.is(support::TokenKind::kIdentifier) || token.is(support::TokenKind::kString);
            if (declare && alone && isName && !pool.findSymbol(token.value)) {
                declare(token.value, static_cast<int32_t>(type.dims.size()));
            }
            TN_ASSIGN_OR_RETURN(const DimExpr extent, parseExpr(lexer, pool));
            type.dims.push_back(extent);
        }
    }
    if (type.kind != ValueKind::kTensor) {
        TN_RETURN_IF_ERROR(lexer.expect(">"));
    }
    return type;
}

} // namespace tenon::ir
