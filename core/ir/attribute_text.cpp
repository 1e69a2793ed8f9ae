#include "core/ir/attribute_text.h"

#include "core/ir/expr_text.h"
#include "core/support/lexer.h"
#include "core/support/text.h"

#include <type_traits>

namespace tenon::ir {

namespace {

using support::cat;
using support::Lexer;
using support::Result;
using support::TokenKind;

// Never looks like an integer: 1 becomes 1.0.
std::string floatText(double value) {
    std::string text = cat(value);
    if (text.find_first_not_of("-0123456789") == std::string::npos) {
        text += ".0";
    }
    return text;
}

template <class Items, class F>
std::string listText(std::string_view open, const Items& items, F&& textOf) {
    std::string text(open);
    bool first = true;
    for (const auto& item : items) {
        text += first ? "" : ", ";
        text += textOf(item);
        first = false;
    }
    text.push_back(']');
    return text;
}

bool isFloatHere(Lexer& lexer) {
    const support::Token& token = lexer.peek(lexer.peek().is("-") ? 1 : 0);
    return token.is(TokenKind::kFloat) || token.is("inf") || token.is("nan");
}

// The rest of a list after its opening bracket.
template <class T, class F>
Result<std::vector<T>> readList(Lexer& lexer, F&& read) {
    std::vector<T> items;
    while (!lexer.take("]")) {
        if (!items.empty()) {
            TN_RETURN_IF_ERROR(lexer.expect(","));
        }
        auto item = read();
        if (!item.ok()) {
            return std::move(item).status();
        }
        items.push_back(std::move(item).value());
    }
    return items;
}

Result<AttributeValue> readFloats(Lexer& lexer) {
    TN_ASSIGN_OR_RETURN(auto items, readList<double>(lexer, [&] { return lexer.expectNumber("a number"); }));
    return AttributeValue(std::move(items));
}

Result<AttributeValue> readStrings(Lexer& lexer) {
    TN_ASSIGN_OR_RETURN(auto items, readList<std::string>(lexer, [&] { return lexer.expectString("a string"); }));
    return AttributeValue(std::move(items));
}

Result<AttributeValue> readWord(Lexer& lexer, ExprPool& pool, ConstantReader& constants) {
    const support::Token word = lexer.next();
    if (word.is("true") || word.is("false")) {
        return AttributeValue(int64_t{word.is("true")});
    }
    if (word.is("const")) {
        if (lexer.take("none")) {
            return AttributeValue(ConstantPtr());
        }
        TN_ASSIGN_OR_RETURN(ConstantPtr constant, constants.read(lexer));
        return AttributeValue(std::move(constant));
    }
    if (lexer.peek().is("[")) {
        lexer.next();
        if (word.is("floats")) {
            return readFloats(lexer);
        }
        if (word.is("strings")) {
            return readStrings(lexer);
        }
        if (word.is("dims")) {
            TN_ASSIGN_OR_RETURN(auto dims, readList<DimExpr>(lexer, [&] { return parseExpr(lexer, pool); }));
            return AttributeValue(DimList{std::move(dims)});
        }
    }
    if (const std::optional<DataType> dtype = dataTypeOf(word.value)) {
        return AttributeValue(*dtype);
    }
    return Lexer::errorAt(word.position, cat("'", word.text, "' is not the value of an attribute"));
}

} // namespace

std::string attributeText(const AttributeValue& value, const ExprPool& pool, int64_t inlineLimit) {
    return std::visit(
        [&](const auto& item) -> std::string {
            using T = std::decay_t<decltype(item)>;
            if constexpr (std::is_same_v<T, int64_t>) {
                return cat(item);
            } else if constexpr (std::is_same_v<T, double>) {
                return floatText(item);
            } else if constexpr (std::is_same_v<T, std::string>) {
                return support::quote(item);
            } else if constexpr (std::is_same_v<T, std::vector<int64_t>>) {
                return listText("[", item, [](int64_t each) { return cat(each); });
            } else if constexpr (std::is_same_v<T, std::vector<double>>) {
                return listText(item.empty() ? "floats[" : "[", item, floatText);
            } else if constexpr (std::is_same_v<T, std::vector<std::string>>) {
                return listText(item.empty() ? "strings[" : "[", item,
                                [](const std::string& each) { return support::quote(each); });
            } else if constexpr (std::is_same_v<T, DataType>) {
                return std::string(nameOf(item));
            } else if constexpr (std::is_same_v<T, DimList>) {
                return listText("dims[", item.dims, [&pool](DimExpr each) { return pool.toText(each); });
            } else {
                static_assert(std::is_same_v<T, ConstantPtr>);
                return item == nullptr ? std::string("const none") : "const " + constantText(*item, inlineLimit);
            }
        },
        value);
}

std::string attributesText(const AttributeMap& attributes, const ExprPool& pool, int64_t inlineLimit) {
    std::string text;
    for (const auto& [name, value] : attributes) {
        text += text.empty() ? "{" : ", ";
        text += identifierOrQuoted(name);
        text.push_back('=');
        text += attributeText(value, pool, inlineLimit);
    }
    return text.empty() ? text : text + "}";
}

Result<AttributeValue> parseAttribute(Lexer& lexer, ExprPool& pool, ConstantReader& constants) {
    if (isFloatHere(lexer)) {
        TN_ASSIGN_OR_RETURN(const double number, lexer.expectNumber("a number"));
        return AttributeValue(number);
    }
    const support::Token& token = lexer.peek();
    if (token.is(TokenKind::kString)) {
        return AttributeValue(lexer.next().value);
    }
    if (token.is(TokenKind::kIdentifier)) {
        return readWord(lexer, pool, constants);
    }
    if (!lexer.take("[")) {
        TN_ASSIGN_OR_RETURN(const int64_t value, lexer.expectInt("the value of an attribute"));
        return AttributeValue(value);
    }
    if (lexer.peek().is(TokenKind::kString)) {
        return readStrings(lexer);
    }
    if (isFloatHere(lexer)) {
        return readFloats(lexer);
    }
    TN_ASSIGN_OR_RETURN(auto items, readList<int64_t>(lexer, [&] { return lexer.expectInt("an integer"); }));
    return AttributeValue(std::move(items));
}

Result<AttributeMap> parseAttributes(Lexer& lexer, ExprPool& pool, ConstantReader& constants) {
    AttributeMap attributes;
    TN_RETURN_IF_ERROR(lexer.expect("{"));
    while (!lexer.take("}")) {
        if (attributes.size() > 0) {
            TN_RETURN_IF_ERROR(lexer.expect(","));
        }
        const support::TextPosition position = lexer.peek().position;
        const TokenKind kind = lexer.peek().is(TokenKind::kString) ? TokenKind::kString : TokenKind::kIdentifier;
        TN_ASSIGN_OR_RETURN(std::string name, lexer.expectName(kind, "the name of an attribute"));
        if (attributes.has(name)) {
            return Lexer::errorAt(position, cat("the attribute '", name, "' is given twice"));
        }
        TN_RETURN_IF_ERROR(lexer.expect("="));
        TN_ASSIGN_OR_RETURN(AttributeValue value, parseAttribute(lexer, pool, constants));
        attributes.set(std::move(name), std::move(value));
    }
    return attributes;
}

} // namespace tenon::ir
