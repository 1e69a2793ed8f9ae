// One node with everything that prepare knows (shapes, run-time integers, threads), and what planning it gives.
//
// Who uses it: kernels of the host backends. A kernel is a function Call -> Plan: it reads attributes and extents once,
// and returns a closure that launches run. What it must not know: how kernels are stored, found or chosen.
#pragma once

#include "backends/common/elements.h"
#include "backends/common/failure.h"
#include "tenon/module/graph_view.hpp"

#include <array>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace tenon::kernels {

using Dims = std::vector<int64_t>;

// A tensor of known shape. Linear unless the kernel asked for other formats.
struct Shape {
    bool present = false;
    TnDataType dtype = TN_F32;
    Dims dims;
    int64_t elements = 0;
    int64_t bytes = 0; // of the buffer
    TnFormat format{};

    size_t rank() const { return dims.size(); }
};

// Addresses of one launch, by operand and result of the node; null where an optional one was left out.
struct Buffers {
    const void* const* inputs;
    void* const* outputs;
    void* workspace;
    module::Reason* reason; // why a launch fails

    template <class T>
    const T* in(size_t i) const {
        return static_cast<const T*>(inputs[i]);
    }
    template <class T>
    T* out(size_t i = 0) const {
        return static_cast<T*>(outputs[i]);
    }
    const char* bytesIn(size_t i) const { return static_cast<const char*>(inputs[i]); }
    char* bytesOut(size_t i = 0) const { return static_cast<char*>(outputs[i]); }
};

// What prepare keeps. `run` neither allocates nor throws, but where it fails: kInvalidArgument with a reason where data are
// wrong (an index out of range).
struct Plan {
    std::function<module::Code(const Buffers&)> run;
    int64_t workspace = 0; // bytes; should not fall when an extent rises
};

// Of a kernel that keeps all that it needs: `kernel.run(buffers)`. Nothing is run for a result of no `elements`.
template <class Kernel>
Plan planOf(Kernel kernel, int64_t workspace, int64_t elements) {
    Plan plan;
    plan.workspace = workspace;
    if (elements == 0) {
        plan.run = [](const Buffers&) { return module::Code::kOk; };
    } else {
        plan.run = [kernel = std::move(kernel)](const Buffers& buffers) {
            kernel.run(buffers);
            return module::Code::kOk;
        };
    }
    return plan;
}

class Call {
public:
    Call(module::NodeView node, std::span<const int64_t> scalars, std::vector<Shape> inputs, std::vector<Shape> outputs,
         int threads)
        : mNode(node), mScalars(scalars), mInputs(std::move(inputs)), mOutputs(std::move(outputs)), mThreads(threads) {}

    std::string_view op() const { return mNode.op(); }
    int threads() const { return mThreads; }
    size_t inputCount() const { return mInputs.size(); }
    size_t outputCount() const { return mOutputs.size(); }
    bool has(size_t i) const { return i < mInputs.size() && mInputs[i].present; }
    const Shape& in(size_t i) const { return mInputs[i]; }
    const Shape& out(size_t i = 0) const { return mOutputs[i]; }
    bool wants(size_t output) const { return output < mOutputs.size() && mOutputs[output].present; }

    int64_t intOr(std::string_view name, int64_t fallback) const { return mNode.intOr(name, fallback); }
    double floatOr(std::string_view name, double fallback) const { return mNode.floatOr(name, fallback); }
    std::string stringOr(std::string_view name, std::string_view fallback) const {
        return std::string(mNode.stringOr(name, fallback));
    }
    std::vector<int64_t> intsOr(std::string_view name, size_t count, int64_t fallback) const {
        return mNode.intsOr(name, count, fallback);
    }
    bool hasAttribute(std::string_view name) const { return mNode.hasAttribute(name); }
    // A run-time or constant list of integers; empty when absent. A single integer counts as a list of one.
    std::vector<int64_t> dims(std::string_view name) const;
    std::vector<double> floats(std::string_view name) const;
    const module::NodeView& node() const { return mNode; }

    // `axis` of the attribute, made non-negative for a tensor of `rank`; throws when it is outside.
    int64_t axis(std::string_view name, int64_t fallback, size_t rank) const;

private:
    module::NodeView mNode;
    std::span<const int64_t> mScalars;
    std::vector<Shape> mInputs;
    std::vector<Shape> mOutputs;
    int mThreads;
};

// --- Extents and strides -------------------------------------------------------------------------------------------------

int64_t product(std::span<const int64_t> dims);
inline int64_t product(const Dims& dims, size_t begin, size_t end) {
    return product(std::span(dims).subspan(begin, end - begin));
}
Dims rowMajorStrides(const Dims& dims);
// Strides of `dims` seen as a tensor of `target` extents by numpy's rules: 0 where an extent of 1 is repeated. Throws when the two do not fit.
Dims broadcastStrides(const Dims& dims, const Dims& target);
int64_t normalizeAxis(int64_t axis, size_t rank);
std::string shapeText(const Dims& dims); // "[1,3,224,224]"

// Steps a coordinate in row-major order. `offset` follows with `strides`; both start at zero.
inline void advance(Dims& coordinate, const Dims& dims, const Dims& strides, int64_t& offset) {
    for (size_t d = dims.size(); d-- > 0;) {
        offset += strides[d];
        if (++coordinate[d] < dims[d]) {
            return;
        }
        offset -= strides[d] * dims[d];
        coordinate[d] = 0;
    }
}

} // namespace tenon::kernels
