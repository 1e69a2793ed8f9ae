// The op families of the cpu backend that are no pointwise programs: each function adds its ops to the table, one row per op.
// Implemented in ops/<family>.cpp; called by the module.
#pragma once

#include "backends/common/kernel_table.h"

namespace tenon::cpu {

using namespace tenon::kernels;

// What the vector loops read and write, computing in f32.
inline constexpr TypeMask kVectorFloats = maskOf(TN_F32) | maskOf(TN_F16) | maskOf(TN_BF16);

void addAttention(KernelTable& table);
void addSoftmax(KernelTable& table);
void addNormalization(KernelTable& table);
void addReduce(KernelTable& table);
void addOrder(KernelTable& table);
void addMovement(KernelTable& table);
void addGather(KernelTable& table);
void addScatter(KernelTable& table);
void addMatmul(KernelTable& table);
void addConv(KernelTable& table);
void addIntegerProducts(KernelTable& table);
void addPool(KernelTable& table);
void addResize(KernelTable& table);
void addQuantize(KernelTable& table);
void addConvert(KernelTable& table);
// Throws a refusal for formats that the conversion does not know.
void checkConvertPorts(const TnPortFormat& from, const TnPortFormat& to);
// Throws a refusal unless the dimensions of a resize in front of `first` are known to stay as they are.
void checkResizedBehind(const module::NodeView& node, int32_t first);
// Both formats put every element of such a value at the same place: 16 channels in blocks of 16, channels last where there is one pixel.
bool isSameOrder(const module::ValueView& value, const TnFormat& from, const TnFormat& to);

} // namespace tenon::cpu
