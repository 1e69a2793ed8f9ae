#include "backends/onednn/packing.h"

#include "backends/onednn/execution.h"

#include <cstring>
#include <memory>

namespace tenon::onednn {

using dnnl::memory;
using kernels::refuse;

namespace {

constexpr uint64_t kVersion = 1;

void mix(uint64_t& hash, int64_t value) {
    for (int byte = 0; byte < 8; ++byte) {
        hash = (hash ^ (static_cast<uint64_t>(value) >> (8 * byte) & 0xff)) * 0x100000001B3ULL;
    }
}

void mix(uint64_t& hash, const memory::desc& desc) {
    const dnnl_memory_desc_t& raw = desc.data;
    mix(hash, raw.data_type);
    mix(hash, raw.offset0);
    for (int d = 0; d < raw.ndims; ++d) {
        mix(hash, raw.dims[d]);
        mix(hash, raw.padded_dims[d]);
        mix(hash, raw.format_desc.blocking.strides[d]);
    }
    for (int i = 0; i < raw.format_desc.blocking.inner_nblks; ++i) {
        mix(hash, raw.format_desc.blocking.inner_idxs[i]);
        mix(hash, raw.format_desc.blocking.inner_blks[i]);
    }
    mix(hash, static_cast<int64_t>(raw.extra.flags));
    mix(hash, raw.extra.compensation_mask);
    mix(hash, raw.extra.asymm_compensation_mask);
    mix(hash, static_cast<int64_t>(raw.extra.scale_adjust * 65536.0F));
}

std::span<const std::byte> bytesOf(const memory::desc& desc) { return std::as_bytes(std::span(&desc.data, 1)); }

// A descriptor out of a plan: one that oneDNN takes, of no more dimensions and blocks than there can be.
std::optional<memory::desc> descOf(std::span<const std::byte> bytes) {
    dnnl_memory_desc_t raw{};
    if (bytes.size() != sizeof(raw)) {
        return std::nullopt;
    }
    std::memcpy(&raw, bytes.data(), sizeof(raw));
    const dnnl_blocking_desc_t& blocking = raw.format_desc.blocking;
    if (raw.ndims < 1 || raw.ndims > DNNL_MAX_NDIMS || raw.format_kind != dnnl_blocked || blocking.inner_nblks < 0 ||
        blocking.inner_nblks > DNNL_MAX_NDIMS) {
        return std::nullopt;
    }
    for (int i = 0; i < blocking.inner_nblks; ++i) {
        if (blocking.inner_idxs[i] < 0 || blocking.inner_idxs[i] >= raw.ndims || blocking.inner_blks[i] < 1) {
            return std::nullopt;
        }
    }
    return memory::desc(raw);
}

} // namespace

uint64_t idOf(const Packing& packing) {
    uint64_t hash = 0xCBF29CE484222325ULL;
    mix(hash, packing.from);
    mix(hash, packing.to);
    return hash;
}

TnFormat packedFormat(const Packing& packing, int32_t rank) {
    return module::opaqueFormat(rank, "onednn", idOf(packing), kVersion, static_cast<int64_t>(packing.to.get_size()));
}

void PackingTable::add(const Packing& packing) {
    const std::lock_guard lock(mMutex);
    mPackings.insert_or_assign(idOf(packing), packing);
}

std::optional<Packing> PackingTable::find(uint64_t id) const {
    const std::lock_guard lock(mMutex);
    const auto found = mPackings.find(id);
    return found == mPackings.end() ? std::nullopt : std::optional<Packing>(found->second);
}

bool isPacked(const TnPortFormat& port) {
    return module::isOpaque(port.format) && std::string_view(&port.format.opaque_provider[0]) == "onednn" &&
           port.format.opaque_version == kVersion;
}

kernels::TaskPlan planPacking(const Packing& packing, int threads) {
    const ThreadScope scope(threads);
    kernels::TaskPlan plan;
    plan.inputPorts = {0};
    plan.outputPorts = {0};
    try {
        const dnnl::reorder::primitive_desc pd(cpuEngine(), packing.from, cpuEngine(), packing.to,
                                               executionAttributes());
        auto execution = std::make_shared<Execution>(dnnl::reorder(pd), pd.scratchpad_desc(), threads);
        execution->bindWithLayout({DNNL_ARG_FROM, 0, false, packing.from});
        execution->bindWithLayout({DNNL_ARG_TO, 0, true, packing.to});
        plan.plan.workspace = execution->workspace();
        plan.plan.run = [execution](const kernels::Buffers& buffers) { return execution->run(buffers); };
    } catch (const dnnl::error& error) {
        refuse("oneDNN: ", error.what());
    }
    return plan;
}

module::BlobWriter writePacking(const kernels::Task& task, const Packing& packing) {
    module::BlobWriter out(kPackingBlobVersion);
    out.bytes(kernels::writeTask(task).data());
    out.bytes(bytesOf(packing.from));
    out.bytes(bytesOf(packing.to));
    return out;
}

std::span<const std::byte> readPacking(std::span<const std::byte> blob, PackingTable& table, module::Reason& reason) {
    module::BlobReader in(blob, kPackingBlobVersion);
    const std::span<const std::byte> task = in.bytes();
    const std::span<const std::byte> from = in.bytes();
    const std::span<const std::byte> to = in.bytes();
    if (!in.finish(reason)) {
        return {};
    }
    const std::optional<memory::desc> source = descOf(from);
    const std::optional<memory::desc> target = descOf(to);
    if (!source || !target) {
        reason.invalidArgument("the kernel's bytes are damaged: no descriptor of a layout");
        return {};
    }
    table.add({*source, *target});
    return task;
}

} // namespace tenon::onednn
