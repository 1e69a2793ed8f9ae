// Reads the regions of embeddings: rows of tables picked by index and added up, and the norm of the sum.
//
// Who uses it: backends with a kernel for them. What it must not know: layouts, how anything is computed.
#pragma once

#include "tenon/module/graph_view.hpp"

#include <cstdint>
#include <optional>
#include <vector>

namespace tenon::kernels {

// A table and the indices of its rows, or a tensor. Both repeat over leading dimensions that they lack or have once.
struct EmbeddingAddend {
    int32_t table = -1; // ports
    int32_t indices = -1;
    int32_t tensor = -1;
    bool isTable() const { return table >= 0; }
};

struct Embedding {
    std::vector<EmbeddingAddend> addends;
    int32_t value = -1; // of the body: the sum
    int32_t norm = -1;  // node of the body; -1: none
    int32_t scale = -1; // ports; -1: none
    int32_t bias = -1;
    int32_t sum = -1;    // ports of the results; -1: nobody reads it
    int32_t result = -1; // of the norm
};

// Nothing where the body is something else.
std::optional<Embedding> readEmbedding(const module::GraphView& body);

} // namespace tenon::kernels
