#include "core/ir/expr_text.h"

#include "core/support/lexer.h"
#include "core/support/text.h"

#include <array>
#include <cassert>

namespace tenon::ir {

namespace {

using support::Lexer;
using support::Result;
using support::TokenKind;

struct Function {
    std::string_view name;
    ExprOp op;
    int operands; // expressions; the scaling functions take a number as well
};

constexpr std::array<Function, 11> kFunctions{{
    {"max", ExprOp::kMax, 2},
    {"min", ExprOp::kMin, 2},
    {"floordiv", ExprOp::kFloorDiv, 2},
    {"ceildiv", ExprOp::kCeilDiv, 2},
    {"mod", ExprOp::kMod, 2},
    {"equal", ExprOp::kEqual, 2},
    {"less", ExprOp::kLess, 2},
    {"select", ExprOp::kSelect, 3},
    {"scale_floor", ExprOp::kScaleFloor, 1},
    {"scale_ceil", ExprOp::kScaleCeil, 1},
    {"scale_round", ExprOp::kScaleRound, 1},
}};

// --- Printing ------------------------------------------------------------------------------------------------------------

class ExprPrinter {
public:
    explicit ExprPrinter(const ExprPool& pool) : mPool(pool) {}

    std::string print(DimExpr expr) {
        printSum(expr);
        return std::move(mText);
    }

private:
    void printSum(DimExpr expr) {
        std::vector<DimExpr> terms;
        while (mPool.at(expr).op == ExprOp::kSum) {
            terms.push_back(mPool.at(expr).operands[1]);
            expr = mPool.at(expr).operands[0];
        }
        terms.push_back(expr);
        for (size_t i = terms.size(); i-- > 0;) {
            printTerm(terms[i], i + 1 == terms.size());
        }
    }

    // A coefficient's sign becomes the sign between terms; that of the smallest integer stays, because its digits alone do not fit.
    void printTerm(DimExpr expr, bool first) {
        const ExprNode& node = mPool.at(expr);
        if (node.op == ExprOp::kConstant) {
            if (!first && (node.value >= 0 || node.value == INT64_MIN)) {
                mText.push_back('+');
            }
            support::append(mText, node.value);
            return;
        }
        int64_t coefficient = 1;
        if (node.op == ExprOp::kProd && mPool.isConstant(node.operands[1])) {
            coefficient = mPool.constantValue(node.operands[1]);
            expr = node.operands[0];
        }
        const bool minus = coefficient < 0 && coefficient != INT64_MIN;
        if (minus) {
            mText.push_back('-');
            coefficient = -coefficient;
        } else if (!first) {
            mText.push_back('+');
        }
        printProduct(expr);
        if (coefficient != 1) {
            support::append(mText, '*', coefficient);
        }
    }

    void printProduct(DimExpr expr) {
        std::vector<DimExpr> factors;
        while (mPool.at(expr).op == ExprOp::kProd) {
            factors.push_back(mPool.at(expr).operands[1]);
            expr = mPool.at(expr).operands[0];
        }
        factors.push_back(expr);
        for (size_t i = factors.size(); i-- > 0;) {
            if (i + 1 < factors.size()) {
                mText.push_back('*');
            }
            printFactor(factors[i]);
        }
    }

    void printFactor(DimExpr expr) {
        const ExprNode& node = mPool.at(expr);
        if (node.op == ExprOp::kConstant) {
            support::append(mText, node.value);
            return;
        }
        if (node.op == ExprOp::kSymbol) {
            mText += identifierOrQuoted(mPool.symbols()[static_cast<size_t>(node.value)].name);
            return;
        }
        for (const Function& function : kFunctions) {
            if (function.op != node.op) {
                continue;
            }
            mText += function.name;
            for (int i = 0; i < function.operands; ++i) {
                mText.push_back(i == 0 ? '(' : ',');
                printSum(node.operands[i]);
            }
            if (function.operands == 1) {
                support::append(mText, ',', node.scale);
            }
            mText.push_back(')');
            return;
        }
        mText.push_back('(');
        printSum(expr);
        mText.push_back(')');
    }

    const ExprPool& mPool;
    std::string mText;
};

// --- Parsing -------------------------------------------------------------------------------------------------------------

class ExprParser {
public:
    ExprParser(Lexer& lexer, ExprPool& pool) : mLexer(lexer), mPool(pool) {}

    Result<DimExpr> parseSum() {
        // As deep as the pool's cap on the size of expressions lets printing go.
        constexpr int kMaxDepth = 512;
        if (++mDepth > kMaxDepth) {
            return mLexer.errorHere("the expression is nested too deeply");
        }
        TN_ASSIGN_OR_RETURN(DimExpr sum, parseSigned());
        while (mLexer.peek().is("+") || mLexer.peek().is("-")) {
            const ExprOp op = mLexer.next().text == "+" ? ExprOp::kSum : ExprOp::kSub;
            TN_ASSIGN_OR_RETURN(const DimExpr term, parseProduct());
            sum = mPool.binary(op, sum, term);
        }
        --mDepth;
        return sum;
    }

private:
    Result<DimExpr> parseSigned() {
        if (!mLexer.peek().is("-") || mLexer.peek(1).is(TokenKind::kInteger)) {
            return parseProduct();
        }
        mLexer.next();
        TN_ASSIGN_OR_RETURN(const DimExpr term, parseProduct());
        return mPool.mul(term, mPool.constant(-1));
    }

    Result<DimExpr> parseProduct() {
        TN_ASSIGN_OR_RETURN(DimExpr product, parseFactor());
        while (mLexer.take("*")) {
            TN_ASSIGN_OR_RETURN(const DimExpr factor, parseFactor());
            product = mPool.mul(product, factor);
        }
        return product;
    }

    Result<DimExpr> parseFactor() {
        const support::Token& token = mLexer.peek();
        if (token.is(TokenKind::kInteger) || token.is("-")) {
            TN_ASSIGN_OR_RETURN(const int64_t value, mLexer.expectInt("an integer"));
            return mPool.constant(value);
        }
        if (mLexer.take("?")) {
            return DimExpr{};
        }
        if (mLexer.take("(")) {
            TN_ASSIGN_OR_RETURN(const DimExpr inner, parseSum());
            TN_RETURN_IF_ERROR(mLexer.expect(")"));
            return inner;
        }
        if (token.is(TokenKind::kIdentifier) && mLexer.peek(1).is("(")) {
            return parseFunction();
        }
        const support::TextPosition position = mLexer.peek().position;
        const TokenKind kind = mLexer.peek().is(TokenKind::kString) ? TokenKind::kString : TokenKind::kIdentifier;
        TN_ASSIGN_OR_RETURN(const std::string name, mLexer.expectName(kind, "an integer, a symbol or '('"));
        const std::optional<int32_t> symbol = mPool.findSymbol(name);
        if (!symbol) {
            return Lexer::errorAt(position, support::cat("the symbol ", identifierOrQuoted(name), " is not declared"));
        }
        return mPool.symbol(mPool.symbols()[static_cast<size_t>(*symbol)]);
    }

    Result<DimExpr> parseFunction() {
        const support::Token name = mLexer.next();
        for (const Function& function : kFunctions) {
            if (function.name != name.text) {
                continue;
            }
            TN_RETURN_IF_ERROR(mLexer.expect("("));
            DimExpr operands[3];
            for (int i = 0; i < function.operands; ++i) {
                if (i > 0) {
                    TN_RETURN_IF_ERROR(mLexer.expect(","));
                }
                TN_ASSIGN_OR_RETURN(operands[i], parseSum());
            }
            double scale = 1;
            if (function.operands == 1) {
                TN_RETURN_IF_ERROR(mLexer.expect(","));
                TN_ASSIGN_OR_RETURN(scale, mLexer.expectNumber("a scale"));
            }
            TN_RETURN_IF_ERROR(mLexer.expect(")"));
            return function.operands == 1   ? mPool.scaled(function.op, operands[0], scale)
                   : function.operands == 2 ? mPool.binary(function.op, operands[0], operands[1])
                                            : mPool.select(operands[0], operands[1], operands[2]);
        }
        return Lexer::errorAt(name.position, support::cat("'", name.text, "' is not a function of expressions"));
    }

    Lexer& mLexer;
    ExprPool& mPool;
    int mDepth = 0;
};

} // namespace

std::string ExprPool::toText(DimExpr expr) const { return expr.valid() ? ExprPrinter(*this).print(expr) : "?"; }

Result<DimExpr> parseExpr(Lexer& lexer, ExprPool& pool) { return ExprParser(lexer, pool).parseSum(); }

Result<DimExpr> parseExpr(std::string_view text, ExprPool& pool) {
    Lexer lexer(text);
    TN_ASSIGN_OR_RETURN(const DimExpr expr, parseExpr(lexer, pool));
    if (!lexer.atEnd()) {
        return lexer.errorHere("text after the end of the expression");
    }
    return expr;
}

std::string identifierOrQuoted(std::string_view name) {
    Lexer lexer(name);
    const bool plain = lexer.peek().is(TokenKind::kIdentifier) && lexer.peek().text == name;
    return plain ? std::string(name) : support::quote(name);
}

} // namespace tenon::ir
