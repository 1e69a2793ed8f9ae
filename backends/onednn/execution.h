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
    // `scratchpad` is what the primitive asks for beside its arguments, which lies in the workspace of the launch: kept by each primitive, oneDNN's
    // default, it would add up over all that a context has.
    Execution(dnnl::primitive primitive, const dnnl::memory::desc& scratchpad, int threads);
    Execution(const Execution&) = delete;
    Execution& operator=(const Execution&) = delete;

    // An argument at the address of a port. Its memory object is flat: oneDNN takes layouts from the primitive, and would clear the padding of a
    // blocked one at every change of address, which plans may not let it do to constants.
    void bind(const Argument& argument);
    // The same with its layout, for results of primitives that leave clearing the padding to the memory object.
    void bindWithLayout(const Argument& argument);
    // An argument that stays at `address`, which must live as long as this object does.
    void keep(int id, const dnnl::memory::desc& desc, void* address);

    // An argument in the workspace, for what lives as long as a launch. Its place in there.
    int64_t place(int id, const dnnl::memory::desc& desc);

    // An argument that the primitive wants as `wanted`: it is laid out anew at each launch. Throws dnnl::error where oneDNN cannot.
    void bindRelaid(const Argument& argument, const dnnl::memory::desc& wanted);

    // Bytes that `run` wants of the workspace.
    int64_t workspace() const { return mWorkspace; }

    // Runs the primitive and waits for it. Allocates nothing.
    module::Code run(const kernels::Buffers& buffers);

private:
    struct Binding {
        dnnl::memory object;
        int32_t port = 0;
        bool output = false;
    };

    struct Placed {
        dnnl::memory object;
        int64_t offset = 0;
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
    std::vector<Placed> mPlaced;
    int64_t mWorkspace = 0;
    std::vector<Relaid> mRelaid;
    std::vector<dnnl_exec_arg_t> mRaw;
    int mThreads;
};

} // namespace tenon::onednn
