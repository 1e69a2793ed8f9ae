#include "core/passes/formula.h"

#include "core/passes/rewriter.h"

#include <algorithm>
#include <cmath>
#include <set>

namespace tenon::passes {

using ir::Node;
using ir::Value;

namespace {

constexpr int kDepth = 7;
constexpr size_t kMostOperands = 12;

std::optional<Cubic> multiplied(const Cubic& a, const Cubic& b) {
    Cubic product{};
    for (size_t i = 0; i < a.size(); ++i) {
        for (size_t k = 0; k < b.size(); ++k) {
            const double term = a[i] * b[k];
            if (i + k < product.size()) {
                product[i + k] += term;
            } else if (term != 0) {
                return std::nullopt;
            }
        }
    }
    return product;
}

bool isNumber(const Cubic& cubic) { return cubic[1] == 0 && cubic[2] == 0 && cubic[3] == 0; }

std::optional<Cubic> cubicOf(const Value& x, const Value* value, int depth) {
    if (value == &x) {
        return Cubic{0, 1, 0, 0};
    }
    if (value == nullptr || depth == 0 || value->quantization()) {
        return std::nullopt;
    }
    if (const auto number = splatOf(value)) {
        return Cubic{*number, 0, 0, 0};
    }
    const Node* const node = value->producer();
    if (node == nullptr || node->inputs().empty() || node->inputs().size() > 2) {
        return std::nullopt;
    }
    const std::string& op = node->op();
    const bool isSum = op == "binary.add" || op == "binary.sub";
    if (!isSum && op != "binary.mul" && op != "binary.div" && op != "binary.pow" && op != "unary.neg") {
        return std::nullopt;
    }
    auto a = cubicOf(x, node->input(0), depth - 1);
    if (!a) {
        return std::nullopt;
    }
    if (op == "unary.neg") {
        return multiplied(*a, {-1, 0, 0, 0});
    }
    const auto b = cubicOf(x, node->input(1), depth - 1);
    if (!b) {
        return std::nullopt;
    }
    if (isSum) {
        for (size_t i = 0; i < a->size(); ++i) {
            (*a)[i] += op == "binary.add" ? (*b)[i] : -(*b)[i];
        }
        return a;
    }
    if (op == "binary.mul") {
        return multiplied(*a, *b);
    }
    if (!isNumber(*b)) {
        return std::nullopt;
    }
    const double number = (*b)[0];
    if (op == "binary.div") {
        return number == 0 ? std::nullopt : multiplied(*a, {1 / number, 0, 0, 0});
    }
    if (number != 1 && number != 2 && number != 3) {
        return std::nullopt;
    }
    std::optional<Cubic> power = a;
    for (int i = 1; i < static_cast<int>(number) && power; ++i) {
        power = multiplied(*power, *a);
    }
    return power;
}

std::optional<Monomial> monomialOf(const Value& x, const Value& y, const Value* value, int depth) {
    if (value == &x) {
        return Monomial{1, 1, 0};
    }
    if (value == &y) {
        return Monomial{1, 0, 1};
    }
    if (value == nullptr || depth == 0 || value->quantization()) {
        return std::nullopt;
    }
    if (const auto number = splatOf(value)) {
        return Monomial{*number, 0, 0};
    }
    const Node* const node = value->producer();
    if (node == nullptr || (node->op() != "binary.mul" && node->op() != "binary.div")) {
        return std::nullopt;
    }
    const auto a = monomialOf(x, y, node->input(0), depth - 1);
    const auto b = monomialOf(x, y, node->input(1), depth - 1);
    if (!a || !b) {
        return std::nullopt;
    }
    if (node->op() == "binary.mul") {
        return Monomial{a->factor * b->factor, a->powerOfX + b->powerOfX, a->powerOfY + b->powerOfY};
    }
    if (b->powerOfX != 0 || b->powerOfY != 0 || b->factor == 0) {
        return std::nullopt;
    }
    return Monomial{a->factor / b->factor, a->powerOfX, a->powerOfY};
}

} // namespace

std::optional<Cubic> cubicIn(const Value& x, const Value& value) { return cubicOf(x, &value, kDepth); }

std::optional<Monomial> monomialIn(const Value& x, const Value& y, const Value& value) {
    return monomialOf(x, y, &value, kDepth);
}

std::vector<Value*> operandsBehind(Value& value) {
    std::vector<Value*> found{&value};
    for (size_t i = 0; i < found.size() && found.size() < kMostOperands; ++i) {
        const Node* const node = found[i]->producer();
        if (node == nullptr || (node->op().compare(0, 7, "binary.") != 0 && node->op() != "unary.neg")) {
            continue;
        }
        for (Value* input : node->inputs()) {
            if (input != nullptr && input->constant() == nullptr &&
                std::find(found.begin(), found.end(), input) == found.end()) {
                found.push_back(input);
            }
        }
    }
    return found;
}

Node* producerOf(const Value* value, std::string_view op) {
    Node* const node = value != nullptr ? value->producer() : nullptr;
    return node != nullptr && node->op() == op ? node : nullptr;
}

std::optional<WithNumber> withNumber(const Node& node) {
    if (node.inputs().size() != 2) {
        return std::nullopt;
    }
    for (size_t i = 0; i < 2; ++i) {
        const auto number = splatOf(node.input(i));
        Value* const other = node.input(1 - i);
        if (number && other != nullptr && other->constant() == nullptr) {
            return WithNumber{other, *number};
        }
    }
    return std::nullopt;
}

bool isOfOnePrecision(const Node& node, const Value& x) {
    std::set<const Node*> seen{&node};
    std::vector<const Node*> open{&node};
    while (!open.empty()) {
        const Node* const next = open.back();
        open.pop_back();
        if (next->settings().precision != node.settings().precision) {
            return false;
        }
        for (const Value* input : next->inputs()) {
            const Node* const producer = input != nullptr && input != &x ? input->producer() : nullptr;
            if (producer != nullptr && producer->op() != "const" && seen.insert(producer).second) {
                open.push_back(producer);
            }
        }
    }
    return true;
}

bool isAbout(double value, double wanted, ir::DataType type) {
    const double tolerance = type == ir::DataType::kF64   ? 1e-6
                             : ir::bitsOf(type) >= 32     ? 1e-4
                             : type == ir::DataType::kF16 ? 1e-3
                                                          : 8e-3;
    return std::fabs(value - wanted) <= tolerance * std::fabs(wanted);
}

} // namespace tenon::passes
