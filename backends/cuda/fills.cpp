#include "backends/cuda/fills.h"

#include <algorithm>
#include <cstdint>
#include <utility>
#include <vector>

namespace tenon::cuda {

namespace {

// The driver's own language, so that no compiler is needed where plans run. Writes `word` to the `words` words from `to`; any launch shape.
constexpr const char* kFillText = R"PTX(
.version 7.0
.target sm_50
.address_size 64
.visible .entry tenon_fill(.param .u64 to, .param .u64 words, .param .u32 word)
{
    .reg .pred %done;
    .reg .b32 %block, %thread, %width, %grid, %value;
    .reg .b64 %at, %end, %step, %address;
    mov.u32 %block, %ctaid.x;
    mov.u32 %thread, %tid.x;
    mov.u32 %width, %ntid.x;
    mov.u32 %grid, %nctaid.x;
    ld.param.u64 %address, [to];
    ld.param.u64 %end, [words];
    ld.param.u32 %value, [word];
    cvta.to.global.u64 %address, %address;
    mul.wide.u32 %at, %block, %width;
    cvt.u64.u32 %step, %thread;
    add.u64 %at, %at, %step;
    mul.wide.u32 %step, %grid, %width;
    mad.lo.u64 %address, %at, 4, %address;
NEXT:
    setp.ge.u64 %done, %at, %end;
    @%done ret;
    st.global.u32 [%address], %value;
    add.u64 %at, %at, %step;
    mad.lo.u64 %address, %step, 4, %address;
    bra NEXT;
}
)PTX";

// Loaded once for the process, into each context that launches it; null where the driver cannot.
cudaKernel_t fillKernel() {
    static const cudaKernel_t kernel = [] {
        cudaLibrary_t library = nullptr;
        cudaKernel_t found = nullptr;
        if (cudaLibraryLoadData(&library, kFillText, nullptr, nullptr, 0, nullptr, nullptr, 0) != cudaSuccess ||
            cudaLibraryGetKernel(&found, library, "tenon_fill") != cudaSuccess) {
            cudaGetLastError(); // so that a later, unrelated call does not find this error
            return cudaKernel_t{};
        }
        return found;
    }();
    return kernel;
}

struct Fill {
    void* to;
    uint64_t words;
    uint32_t word;
};

// False: it is not one line of whole words.
bool describe(const cudaMemsetParams& params, Fill& fill) {
    const uint64_t bytes = static_cast<uint64_t>(params.width) * params.elementSize;
    if (params.height > 1 || bytes == 0 || bytes % 4 != 0 || reinterpret_cast<uintptr_t>(params.dst) % 4 != 0) {
        return false;
    }
    const uint32_t repeated = params.elementSize == 1   ? 0x01010101U * (params.value & 0xFFU)
                              : params.elementSize == 2 ? 0x00010001U * (params.value & 0xFFFFU)
                                                        : params.value;
    fill = {params.dst, bytes / 4, repeated};
    return true;
}

enum class Side { kBefore, kAfter };

// What `node` waits for, or what waits for it.
cudaError_t neighbours(cudaGraphNode_t node, Side side, std::vector<cudaGraphNode_t>& nodes,
                       std::vector<cudaGraphEdgeData>& edges) {
    const auto get = side == Side::kBefore ? cudaGraphNodeGetDependencies : cudaGraphNodeGetDependentNodes;
    size_t count = 0;
    cudaError_t error = get(node, nullptr, nullptr, &count);
    nodes.resize(count);
    edges.resize(count);
    if (error == cudaSuccess && count > 0) {
        error = get(node, nodes.data(), edges.data(), &count);
    }
    return error;
}

// `done` is false where the fill stays: the driver has no kernel for this device, and says so only now where it loads libraries when they are used.
cudaError_t replace(cudaGraph_t graph, cudaGraphNode_t node, Fill fill, cudaKernel_t kernel, bool& done) {
    constexpr uint64_t kThreads = 256;
    constexpr uint64_t kMostBlocks = 1024;
    std::vector<cudaGraphNode_t> before;
    std::vector<cudaGraphNode_t> after;
    std::vector<cudaGraphEdgeData> beforeEdges;
    std::vector<cudaGraphEdgeData> afterEdges;
    cudaError_t error = neighbours(node, Side::kBefore, before, beforeEdges);
    error = error == cudaSuccess ? neighbours(node, Side::kAfter, after, afterEdges) : error;
    if (error != cudaSuccess) {
        return error;
    }
    void* arguments[] = {&fill.to, &fill.words, &fill.word};
    cudaGraphNodeParams params{};
    params.type = cudaGraphNodeTypeKernel;
    params.kernel.func = kernel;
    params.kernel.gridDim = dim3(static_cast<unsigned>(std::min((fill.words + kThreads - 1) / kThreads, kMostBlocks)));
    params.kernel.blockDim = dim3(kThreads);
    params.kernel.kernelParams = arguments;
    cudaGraphNode_t made = nullptr;
    done = cudaGraphAddNode(&made, graph, before.data(), beforeEdges.data(), before.size(), &params) == cudaSuccess;
    if (!done) {
        cudaGetLastError();
        return cudaSuccess;
    }
    if (!after.empty()) {
        const std::vector<cudaGraphNode_t> from(after.size(), made);
        error = cudaGraphAddDependencies(graph, from.data(), after.data(), afterEdges.data(), after.size());
    }
    return error == cudaSuccess ? cudaGraphDestroyNode(node) : error;
}

} // namespace

cudaError_t replaceFills(cudaGraph_t graph, int& replaced) {
    replaced = 0;
    size_t count = 0;
    cudaError_t error = cudaGraphGetNodes(graph, nullptr, &count);
    std::vector<cudaGraphNode_t> nodes(count);
    if (error == cudaSuccess && count > 0) {
        error = cudaGraphGetNodes(graph, nodes.data(), &count);
    }
    std::vector<std::pair<cudaGraphNode_t, Fill>> fills;
    for (size_t i = 0; i < count && error == cudaSuccess; ++i) {
        cudaGraphNodeType type{};
        error = cudaGraphNodeGetType(nodes[i], &type);
        if (type == cudaGraphNodeTypeMemAlloc || type == cudaGraphNodeTypeMemFree) {
            return error;
        }
        cudaMemsetParams params{};
        Fill fill{};
        if (error == cudaSuccess && type == cudaGraphNodeTypeMemset) {
            error = cudaGraphMemsetNodeGetParams(nodes[i], &params);
            if (error == cudaSuccess && describe(params, fill)) {
                fills.emplace_back(nodes[i], fill);
            }
        }
    }
    const cudaKernel_t kernel = error == cudaSuccess && !fills.empty() ? fillKernel() : nullptr;
    bool done = kernel != nullptr;
    for (size_t i = 0; i < fills.size() && done && error == cudaSuccess; ++i) {
        error = replace(graph, fills[i].first, fills[i].second, kernel, done);
        replaced += error == cudaSuccess && done ? 1 : 0;
    }
    return error;
}

} // namespace tenon::cuda
