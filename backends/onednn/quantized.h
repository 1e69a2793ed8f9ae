// Quantized chains as oneDNN primitives.
//
// Who uses it: primitive.cpp and module.cpp. What it must not know: how kernels are stored or found.
#pragma once

#include "backends/onednn/packing.h"
#include "backends/onednn/primitive.h"
#include "backends/onednn/quantized_chain.h"

namespace tenon::onednn {

// What is worth timing; constant weights are packed as oneDNN wants them, which the table remembers. Reasons for what was dropped go to `dropped`.
std::vector<Variant> quantizedVariants(const module::TaskView& task, const QuantizedChain& chain, int threads,
                                       PackingTable& table, std::vector<std::string>& dropped);
kernels::TaskPlan planQuantized(const kernels::Task& task, const kernels::PortShapes& shapes,
                                const PackingTable& table);

} // namespace tenon::onednn
