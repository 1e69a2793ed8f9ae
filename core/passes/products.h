// What passes and patterns ask of matrix products with constant weights.
#pragma once

#include "core/ir/graph.h"

#include <optional>

namespace tenon::passes {

// x [.., K] times constant weights [K, N], or [N, K] where `transposed`: every row of x for itself.
struct RowProduct {
    ir::Node* node = nullptr;
    int64_t columns = 0;
    bool transposed = false;
};
std::optional<RowProduct> rowProductOf(ir::Node* node);
bool isRowProduct(const ir::Node& node);

// The addition of a constant of one element per column that alone reads the product; null if there is none.
ir::Node* biasOf(const RowProduct& product);

} // namespace tenon::passes
