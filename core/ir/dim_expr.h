// Integer expressions over symbols: extents of tensors and other integers that are known at run time at the latest.
// Used by types, inference, passes, the scheduler and the shape program. Knows no tensor and no node.
//
// Expressions are hash-consed in an ExprPool: equal handles mean equal expressions, and construction simplifies (constants fold, sums and
// products are kept in a canonical order, x/1 = x, max(x, x) = x ...), so that most extents that are equal for all symbol values have one handle.
// Simplification takes a symbolic divisor to be non-zero and symbols to lie within their declared bounds.
// An invalid handle is an unknown integer: whatever is computed with it is unknown too. So is an expression that would be absurdly large.
// A pool belongs to one graph and its regions. Building is for one thread; reading a pool that nobody builds in is safe from many.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace tenon::ir {

// A handle into an ExprPool.
struct DimExpr {
    int32_t id = -1;
    bool valid() const { return id >= 0; }
    friend bool operator==(DimExpr, DimExpr) = default;
    friend auto operator<=>(DimExpr, DimExpr) = default;
};

enum class ExprOp : uint8_t {
    kConstant, // value
    kSymbol,   // value = symbol index
    kSum,
    kProd,
    kSub,
    kMax,
    kMin,
    kFloorDiv,
    kCeilDiv,
    kMod, // two operands; division by zero yields 0 and is reported at run time
    kEqual,
    kLess,   // 0 or 1
    kSelect, // three operands: condition, then, else
    kScaleFloor,
    kScaleCeil,
    kScaleRound, // operand times `scale`, rounded to f32, then to a whole number (kScaleRound: half away from zero)
};

struct ExprNode {
    ExprOp op = ExprOp::kConstant;
    int64_t value = 0;
    double scale = 0;
    DimExpr operands[3];
};

// Where a symbol's value comes from when a plan runs.
enum class SymbolSource : uint8_t {
    kInputDim,     // dimension `index` of graph input `input`
    kInputElement, // element `index` of graph input `input` (a shape tensor in host memory)
    kUnbacked,     // written by a step at run time
};

struct Interval {
    int64_t min = 0;         // INT64_MIN: no bound
    int64_t max = INT64_MAX; // INT64_MAX: no bound
    friend bool operator==(Interval, Interval) = default;
    bool isPoint() const { return min == max; }
};

struct Symbol {
    std::string name; // unique in the pool
    SymbolSource source = SymbolSource::kInputDim;
    int32_t input = -1;
    int32_t index = 0;
    Interval bounds{INT64_MIN,
                    INT64_MAX}; // over all profiles, as far as known; the pool raises the minimum of extents to 0
    int64_t opt = INT64_MIN;    // what to optimise for; INT64_MIN: nothing said
};

// Symbol values or bounds, by symbol index. A profile is a box with an optimal point.
struct SymbolBox {
    std::vector<Interval> bounds;
    std::vector<int64_t> opt;
};

class ExprPool {
public:
    ExprPool();

    DimExpr constant(int64_t value);
    // Returns the symbol of that name, made on first use. Equal names unify (TensorRT's named dimensions).
    DimExpr symbol(const Symbol& symbol);
    // Tightens what is known of a symbol. Expressions built before stay as they are.
    void narrow(int32_t symbol, Interval bounds, int64_t opt);
    // Says where a symbol's value comes from, when that was not known at its first use.
    void setOrigin(int32_t symbol, SymbolSource source, int32_t input, int32_t index);
    DimExpr binary(ExprOp op, DimExpr a, DimExpr b);
    DimExpr select(DimExpr condition, DimExpr then, DimExpr otherwise);
    DimExpr scaled(ExprOp op, DimExpr a, double scale);

    DimExpr add(DimExpr a, DimExpr b) { return binary(ExprOp::kSum, a, b); }
    DimExpr sub(DimExpr a, DimExpr b) { return binary(ExprOp::kSub, a, b); }
    DimExpr mul(DimExpr a, DimExpr b) { return binary(ExprOp::kProd, a, b); }
    DimExpr floorDiv(DimExpr a, DimExpr b) { return binary(ExprOp::kFloorDiv, a, b); }
    DimExpr ceilDiv(DimExpr a, DimExpr b) { return binary(ExprOp::kCeilDiv, a, b); }
    DimExpr max(DimExpr a, DimExpr b) { return binary(ExprOp::kMax, a, b); }
    DimExpr min(DimExpr a, DimExpr b) { return binary(ExprOp::kMin, a, b); }
    DimExpr product(const std::vector<DimExpr>& factors);

    const ExprNode& at(DimExpr expr) const;
    bool isConstant(DimExpr expr) const;
    // The value of a constant expression. Precondition: isConstant(expr).
    int64_t constantValue(DimExpr expr) const;
    std::optional<int32_t> findSymbol(std::string_view name) const;
    const std::vector<Symbol>& symbols() const { return mSymbols; }
    int32_t size() const { return static_cast<int32_t>(mNodes.size()); }

    // With symbol values by symbol index. Arithmetic saturates at the ends of int64.
    int64_t evaluate(DimExpr expr, const std::vector<int64_t>& symbolValues) const;
    // Sound bounds over a box. Not always tight.
    Interval bounds(DimExpr expr, const SymbolBox& box) const;
    // The same over the declared bounds of the symbols.
    Interval bounds(DimExpr expr) const;
    // True only if the two are equal for every symbol value (equal handles, or equal after expansion to a canonical polynomial).
    bool provablyEqual(DimExpr a, DimExpr b) const;
    // The same expression built in another pool, symbols matched by name.
    DimExpr importFrom(const ExprPool& other, DimExpr expr);

    // "N*12+1"; parseExpr (expr_text.h) reads it back to the same handle. "?" for an invalid one.
    std::string toText(DimExpr expr) const;

private:
    friend class ExprBuilder;
    DimExpr intern(const ExprNode& node);
    Interval boundsOf(const ExprNode& node) const;

    std::vector<ExprNode> mNodes;
    std::vector<Interval> mBounds; // of each node over the declared bounds of its symbols
    std::vector<int32_t> mWeights; // nodes of each expression written out as a tree
    std::vector<Symbol> mSymbols;
    std::unordered_map<uint64_t, std::vector<int32_t>> mIndex;
    std::unordered_map<std::string, int32_t> mSymbolIndex;
};

} // namespace tenon::ir
