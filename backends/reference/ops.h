// The op families of the reference backend: each function adds its ops to the table, one row per op.
// Implemented in ops/<family>.cpp; called by the module. A new op is a row in a family's file.
#pragma once

#include "backends/common/kernel_table.h"

namespace tenon::reference {

using namespace tenon::kernels;

void addUnary(KernelTable& table);
void addActivation(KernelTable& table);
void addBinary(KernelTable& table);
void addSelect(KernelTable& table);
void addCast(KernelTable& table);
void addMatmul(KernelTable& table);
void addConv(KernelTable& table);
void addDeconv(KernelTable& table);
void addPool(KernelTable& table);
void addNormalization(KernelTable& table);
void addSoftmax(KernelTable& table);
void addAttention(KernelTable& table);
void addReduce(KernelTable& table);
void addOrder(KernelTable& table);
void addReshape(KernelTable& table);
void addTranspose(KernelTable& table);
void addSplice(KernelTable& table);
void addSlice(KernelTable& table);
void addPad(KernelTable& table);
void addGather(KernelTable& table);
void addScatter(KernelTable& table);
void addGenerate(KernelTable& table);
void addResize(KernelTable& table);
void addEinsum(KernelTable& table);
void addQuantize(KernelTable& table);
void addIntegerProducts(KernelTable& table);
void addConvert(KernelTable& table);

} // namespace tenon::reference
