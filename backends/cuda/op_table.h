// The ops of this module: checks, source and plan of each.
//
// Who uses it: task.cpp. A new op is a row in the file of its family. What it must not know: providers, runtimes, CUDA.
#pragma once

#include "backends/common/kernel_table.h"
#include "backends/cuda/plan.h"
#include "backends/cuda/source.h"

#include <map>
#include <string>
#include <string_view>

namespace tenon::cuda {

struct OpEntry {
    KernelDef checks;
    // The kernel's source; empty: none is needed. Null for pointwise ops, which are printed as regions.
    std::string (*print)(const NodeTypes&) = nullptr;
    void (*plan)(NodePlan&) = nullptr;
    bool reducible = false;    // 32-bit floats may come and go as 16-bit ones
    bool channelsLast = false; // tensors of input 0's rank may have their channels innermost
};

class OpTable {
public:
    static const OpTable& instance();
    const OpEntry* find(std::string_view op) const;
    // Throws Failure unless the node can be computed. For pointwise ops too.
    const OpEntry& require(const module::NodeView& node) const;
    void add(OpEntry entry);

private:
    OpTable();
    KernelTable mChecks;
    std::map<std::string_view, OpEntry> mEntries;
};

void addPointwise(OpTable& table);
void addMovement(OpTable& table);
void addLines(OpTable& table);
void addReductions(OpTable& table);
void addProducts(OpTable& table);
void addAttention(OpTable& table);
void addPooling(OpTable& table);
void addIndexed(OpTable& table);

} // namespace tenon::cuda
