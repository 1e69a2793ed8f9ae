// Weights in layouts that only oneDNN knows: blocks with sums behind them that correct for signed or shifted sources, and blocks of the channels of
// one group. They are opaque to the host; this file names them, and converts linear tensors into them.
//
// Who uses it: quantized.cpp and primitive.cpp (to ask for them), module.cpp (conversions). What it must not know: ops.
#pragma once

#include "backends/common/task_kernel.h"
#include "backends/onednn/layouts.h"

#include <map>
#include <mutex>
#include <optional>

namespace tenon::onednn {

// From a linear tensor, as oneDNN counts its dimensions, to what a primitive asked for.
struct Packing {
    dnnl::memory::desc from;
    dnnl::memory::desc to;
};

// The layout's content as a number: equal for equal descriptors.
uint64_t idOf(const Packing& packing);
TnFormat packedFormat(const Packing& packing, int32_t rank);

// What the formats of this process stand for. Thread-safe.
class PackingTable {
public:
    void add(const Packing& packing);
    std::optional<Packing> find(uint64_t id) const;

private:
    mutable std::mutex mMutex;
    std::map<uint64_t, Packing> mPackings;
};

bool isPacked(const TnPortFormat& port);
kernels::TaskPlan planPacking(const Packing& packing, int threads);

// A task in a plan that reads or makes packed weights, and the descriptors that their format stands for.
inline constexpr uint32_t kPackingBlobVersion = 2;
module::BlobWriter writePacking(const kernels::Task& task, const Packing& packing);
// The task's own bytes; the packing is added to the table. Empty with a reason where they are damaged.
std::span<const std::byte> readPacking(std::span<const std::byte> blob, PackingTable& table, module::Reason& reason);

} // namespace tenon::onednn
