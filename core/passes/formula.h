// Reads chains of nodes as formulas: polynomials in one value, products with constant factors. Exporters write the same function in many
// orders; what comes out here is the same for all of them.
// Used by passes and patterns that look for known functions. Knows no op beyond arithmetic.
#pragma once

#include "core/ir/graph.h"

#include <array>
#include <optional>
#include <string_view>
#include <vector>

namespace tenon::passes {

// c[0] + c[1] x + c[2] x^2 + c[3] x^3
using Cubic = std::array<double, 4>;

// `value` as a polynomial in `x` with numbers as coefficients; nothing where it is none of third degree at most.
std::optional<Cubic> cubicIn(const ir::Value& x, const ir::Value& value);

// `value` as factor * x^powerOfX * y^powerOfY, through products and quotients by numbers.
struct Monomial {
    double factor = 1;
    int powerOfX = 0;
    int powerOfY = 0;
};
std::optional<Monomial> monomialIn(const ir::Value& x, const ir::Value& y, const ir::Value& value);

// The values that `value` is computed from by arithmetic, nearest first, itself included; constants are left out. A handful at most.
std::vector<ir::Value*> operandsBehind(ir::Value& value);

// The producer if it is that op, else null.
ir::Node* producerOf(const ir::Value* value, std::string_view op);
// Of a node with two operands, one of them a constant of equal elements: the other operand and that number.
struct WithNumber {
    ir::Value* value = nullptr;
    double number = 0;
};
std::optional<WithNumber> withNumber(const ir::Node& node);

// Between x and the node nobody asked for another precision than the node's: one op in their place has one.
bool isOfOnePrecision(const ir::Node& node, const ir::Value& x);

// Equal up to the precision that a constant of this element type may be written with.
bool isAbout(double value, double wanted, ir::DataType type);

} // namespace tenon::passes
