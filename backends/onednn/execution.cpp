#include "backends/onednn/execution.h"

#include <algorithm>
#include <utility>

namespace tenon::onednn {

using dnnl::memory;

Execution::Execution(dnnl::primitive primitive, const memory::desc& scratchpad, int threads)
    : mPrimitive(std::move(primitive)), mStream(cpuEngine()), mThreads(threads) {
    if (scratchpad.get_size() > 0) {
        place(DNNL_ARG_SCRATCHPAD, scratchpad);
    }
}

void Execution::bind(const Argument& argument) {
    const auto bytes = static_cast<int64_t>(argument.desc.get_size());
    const memory::desc flat({std::max<int64_t>(bytes, 1)}, memory::data_type::u8, memory::dims{1});
    bindWithLayout({argument.id, argument.port, argument.output, flat});
}

void Execution::bindWithLayout(const Argument& argument) {
    mBindings.push_back({memory(argument.desc, cpuEngine(), nullptr), argument.port, argument.output});
    mRaw.push_back({argument.id, mBindings.back().object.get()});
}

void Execution::keep(int id, const memory::desc& desc, void* address) {
    mKept.emplace_back(desc, cpuEngine(), address);
    mRaw.push_back({id, mKept.back().get()});
}

int64_t Execution::place(int id, const memory::desc& desc) {
    constexpr int64_t kLine = 64;
    const int64_t offset = mWorkspace;
    mWorkspace += (static_cast<int64_t>(desc.get_size()) + kLine - 1) / kLine * kLine;
    mPlaced.push_back({memory(desc, cpuEngine(), nullptr), offset});
    mRaw.push_back({id, mPlaced.back().object.get()});
    return offset;
}

void Execution::bindRelaid(const Argument& argument, const memory::desc& wanted) {
    mRelaid.push_back({dnnl::reorder(dnnl::reorder::primitive_desc(cpuEngine(), argument.desc, cpuEngine(), wanted)),
                       memory(argument.desc, cpuEngine(), nullptr), memory(wanted, cpuEngine()), argument.port});
    mRaw.push_back({argument.id, mRelaid.back().to.get()});
}

module::Code Execution::run(const kernels::Buffers& buffers) {
    const ThreadScope scope(mThreads);
    for (const Binding& binding : mBindings) {
        void* address =
            binding.output ? buffers.outputs[binding.port] : const_cast<void*>(buffers.inputs[binding.port]);
        dnnl_memory_set_data_handle(binding.object.get(), address);
    }
    for (const Placed& placed : mPlaced) {
        dnnl_memory_set_data_handle(placed.object.get(), static_cast<std::byte*>(buffers.workspace) + placed.offset);
    }
    for (const Relaid& relaid : mRelaid) {
        dnnl_memory_set_data_handle(relaid.from.get(), const_cast<void*>(buffers.inputs[relaid.port]));
        const dnnl_exec_arg_t arguments[] = {{DNNL_ARG_FROM, relaid.from.get()}, {DNNL_ARG_TO, relaid.to.get()}};
        if (dnnl_primitive_execute(relaid.primitive.get(), mStream.get(), 2, arguments) != dnnl_success) {
            return buffers.reason->fail(module::Code::kInternal, "oneDNN could not lay weights out anew");
        }
    }
    if (dnnl_primitive_execute(mPrimitive.get(), mStream.get(), static_cast<int>(mRaw.size()), mRaw.data()) !=
        dnnl_success) {
        return buffers.reason->fail(module::Code::kInternal, "oneDNN could not run the primitive");
    }
    return module::Code::kOk;
}

} // namespace tenon::onednn
