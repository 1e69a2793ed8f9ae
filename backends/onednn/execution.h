// A primitive bound to memory that each launch names anew.
//
// Who uses it: primitive.cpp, quantized.cpp, packing.cpp. What it must not know: chains, ports' meanings, how kernels are stored.
#pragma once

#include "backends/common/task_kernel.h"
#include "backends/onednn/descriptors.h"

#include <vector>

namespace tenon::onednn {

// Not thread-safe: one state of a kernel has one. Copies would share their memory objects, so there are none.
class Execution {
public:
    Execution(dnnl::primitive primitive, int threads);
    Execution(const Execution&) = delete;
    Execution& operator=(const Execution&) = delete;

    // An argument at the address of a port. Its memory object is flat: oneDNN takes layouts from the primitive, and would clear the padding of a
    // blocked one at every change of address, which plans may not let it do to constants.
    void bind(const Argument& argument);
    // The same with its layout, for results of primitives that leave clearing the padding to the memory object.
    void bindWithLayout(const Argument& argument);
    // An argument that stays at `address`, which must live as long as this object does.
    void keep(int id, const dnnl::memory::desc& desc, void* address);

    // An argument that the primitive wants as `wanted`: it is laid out anew at each launch. Throws dnnl::error where oneDNN cannot.
    void bindRelaid(const Argument& argument, const dnnl::memory::desc& wanted);

    // Runs the primitive and waits for it. Allocates nothing.
    module::Code run(const kernels::Buffers& buffers);

private:
    struct Binding {
        dnnl::memory object;
        int32_t port = 0;
        bool output = false;
    };

    struct Relaid {
        dnnl::reorder primitive;
        dnnl::memory from;
        dnnl::memory to; // owns its memory
        int32_t port = 0;
    };

    dnnl::primitive mPrimitive;
    dnnl::stream mStream;
    std::vector<Binding> mBindings;
    std::vector<dnnl::memory> mKept;
    std::vector<Relaid> mRelaid;
    std::vector<dnnl_exec_arg_t> mRaw;
    int mThreads;
};

} // namespace tenon::onednn
