// Fills in recorded graphs become kernels: the same memory afterwards, in the same order.
#include "backends/cuda/fills.h"
#include "tests/gpu/model_runner.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <memory>
#include <vector>

namespace tenon::gpu_test {
namespace {

struct Line {
    size_t first;
    size_t bytes;
    int value;
    bool kernel; // whether a kernel can fill it
};

size_t fillsOf(cudaGraph_t graph) {
    size_t count = 0;
    EXPECT_EQ(cudaGraphGetNodes(graph, nullptr, &count), cudaSuccess);
    std::vector<cudaGraphNode_t> nodes(count);
    EXPECT_EQ(cudaGraphGetNodes(graph, nodes.data(), &count), cudaSuccess);
    size_t fills = 0;
    for (cudaGraphNode_t node : nodes) {
        cudaGraphNodeType type{};
        EXPECT_EQ(cudaGraphNodeGetType(node, &type), cudaSuccess);
        fills += type == cudaGraphNodeTypeMemset ? 1 : 0;
    }
    return fills;
}

// Launches the graph twice, and finds `expected` in memory that held something else.
void expectResult(cudaGraph_t graph, Buffer& memory, cudaStream_t stream, const std::vector<std::byte>& expected) {
    const std::vector<std::byte> other(expected.size(), std::byte{0x5A});
    cudaGraphExec_t executable = nullptr;
    ASSERT_EQ(cudaGraphInstantiate(&executable, graph, 0), cudaSuccess);
    for (int run = 0; run < 2; ++run) {
        ASSERT_TRUE(memory.write(other.data(), other.size(), stream));
        EXPECT_EQ(cudaGraphLaunch(executable, stream), cudaSuccess);
        std::vector<std::byte> actual(expected.size());
        ASSERT_TRUE(memory.read(actual.data(), actual.size(), stream));
        EXPECT_TRUE(actual == expected) << "run " << run;
    }
    cudaGraphExecDestroy(executable);
}

class Fills : public testing::Test {
protected:
    void SetUp() override {
        TENON_SKIP_WITHOUT_DEVICE();
        if (onHost()) {
            GTEST_SKIP() << "nothing is recorded on the host";
        }
        mStream = std::make_unique<Stream>();
    }

    std::unique_ptr<Stream> mStream;
};

// Fills and copies take turns on one buffer, so that each must run in its place: a fill of the first half, a copy of it to the second, the next.
TEST_F(Fills, BecomeKernelsInTheSameOrder) {
    constexpr size_t kHalf = size_t{3} << 20;
    const std::vector<Line> lines = {{0, kHalf, 0, true},         {256, 4, 0xA5, true},    {1024, 8192, 0x7F, true},
                                     {4096, 4096, 0, true},       {4100, 12, 0xFF, true},  {9001, 64, 3, false},
                                     {12000, 63, 9, false},       {kHalf - 4, 4, 1, true}, {65536, 1 << 20, 17, true},
                                     {70000, 500000, 0xC3, true}, {1 << 20, 4, 0x80, true}};
    Buffer memory(true, 2 * kHalf);
    ASSERT_NE(memory.data(), nullptr);
    auto* const data = static_cast<std::byte*>(memory.data());
    std::vector<std::byte> expected(2 * kHalf, std::byte{0x5A});

    ASSERT_EQ(cudaStreamBeginCapture(mStream->get(), cudaStreamCaptureModeThreadLocal), cudaSuccess);
    size_t stay = 0;
    for (const Line& line : lines) {
        EXPECT_EQ(cudaMemsetAsync(data + line.first, line.value, line.bytes, mStream->get()), cudaSuccess);
        EXPECT_EQ(cudaMemcpyAsync(data + kHalf, data, kHalf, cudaMemcpyDeviceToDevice, mStream->get()), cudaSuccess);
        EXPECT_EQ(cudaMemsetAsync(data + line.first, line.value ^ 0x11, line.bytes, mStream->get()), cudaSuccess);
        std::fill_n(expected.begin() + static_cast<std::ptrdiff_t>(line.first), line.bytes, std::byte(line.value));
        std::copy_n(expected.begin(), kHalf, expected.begin() + kHalf);
        std::fill_n(expected.begin() + static_cast<std::ptrdiff_t>(line.first), line.bytes,
                    std::byte(line.value ^ 0x11));
        stay += line.kernel ? 0 : 2;
    }
    cudaGraph_t graph = nullptr;
    ASSERT_EQ(cudaStreamEndCapture(mStream->get(), &graph), cudaSuccess);
    ASSERT_EQ(fillsOf(graph), 2 * lines.size());

    int replaced = -1;
    EXPECT_EQ(cuda::replaceFills(graph, replaced), cudaSuccess);
    EXPECT_EQ(replaced, static_cast<int>(2 * lines.size() - stay));
    EXPECT_EQ(fillsOf(graph), stay);
    EXPECT_EQ(cuda::replaceFills(graph, replaced), cudaSuccess);
    EXPECT_EQ(replaced, 0);

    expectResult(graph, memory, mStream->get(), expected);
    cudaGraphDestroy(graph);
}

// What waits for a fill waits for its kernel, in every branch; words of two and four bytes keep their order; planes and odd counts stay.
TEST_F(Fills, OfBranchesWiderElementsAndPlanes) {
    constexpr size_t kHalf = size_t{1} << 20;
    Buffer memory(true, 2 * kHalf);
    ASSERT_NE(memory.data(), nullptr);
    auto* const data = static_cast<std::byte*>(memory.data());
    std::vector<std::byte> expected(2 * kHalf);
    cudaGraph_t graph = nullptr;
    ASSERT_EQ(cudaGraphCreate(&graph, 0), cudaSuccess);

    // Rows of `width` elements, `pitch` bytes apart.
    const auto fill = [&](std::vector<cudaGraphNode_t> after, size_t first, unsigned value, unsigned element,
                          size_t width, size_t height, size_t pitch) {
        cudaMemsetParams params{};
        params.dst = data + first;
        params.value = value;
        params.elementSize = element;
        params.width = width;
        params.height = height;
        params.pitch = pitch;
        cudaGraphNode_t node = nullptr;
        EXPECT_EQ(cudaGraphAddMemsetNode(&node, graph, after.data(), after.size(), &params), cudaSuccess);
        for (size_t at = 0; at < width * height * element; ++at) {
            const size_t row = at / (width * element);
            expected[first + row * pitch + at % (width * element)] = std::byte(value >> at % element * 8 & 0xFFU);
        }
        return node;
    };
    cudaGraphNode_t const root = fill({}, 0, 0x5A, 1, 2 * kHalf, 1, 0);
    cudaGraphNode_t const pairs = fill({root}, 64, 0x1234, 2, 3000, 1, 0);
    cudaGraphNode_t const words = fill({root}, 8192, 0xDEADBEEF, 4, 5000, 1, 0);
    cudaGraphNode_t const plane = fill({root}, 65536, 0x77, 1, 64, 100, 256);
    cudaGraphNode_t const odd = fill({root}, 200000, 0x4321, 2, 33, 1, 0);
    std::vector<cudaGraphNode_t> const branches = {pairs, words, plane, odd};
    cudaGraphNode_t copy = nullptr;
    ASSERT_EQ(cudaGraphAddMemcpyNode1D(&copy, graph, branches.data(), branches.size(), data + kHalf, data, kHalf,
                                       cudaMemcpyDeviceToDevice),
              cudaSuccess);
    std::copy_n(expected.begin(), kHalf, expected.begin() + kHalf);
    fill({copy}, 0, 0xFF, 1, 4096, 1, 0);
    fill({copy}, 8192, 0x0101, 2, 2048, 1, 0);

    int replaced = -1;
    EXPECT_EQ(cuda::replaceFills(graph, replaced), cudaSuccess);
    EXPECT_EQ(replaced, 5);
    EXPECT_EQ(fillsOf(graph), 2U);
    expectResult(graph, memory, mStream->get(), expected);
    cudaGraphDestroy(graph);
}

// Memory that a graph allocates itself belongs to its nodes: such a graph stays whole.
TEST_F(Fills, OfMemoryThatTheGraphAllocatesStay) {
    ASSERT_EQ(cudaStreamBeginCapture(mStream->get(), cudaStreamCaptureModeThreadLocal), cudaSuccess);
    void* memory = nullptr;
    EXPECT_EQ(cudaMallocAsync(&memory, 4096, mStream->get()), cudaSuccess);
    EXPECT_EQ(cudaMemsetAsync(memory, 0, 4096, mStream->get()), cudaSuccess);
    EXPECT_EQ(cudaFreeAsync(memory, mStream->get()), cudaSuccess);
    cudaGraph_t graph = nullptr;
    ASSERT_EQ(cudaStreamEndCapture(mStream->get(), &graph), cudaSuccess);
    int replaced = -1;
    EXPECT_EQ(cuda::replaceFills(graph, replaced), cudaSuccess);
    EXPECT_EQ(replaced, 0);
    EXPECT_EQ(fillsOf(graph), 1U);
    cudaGraphDestroy(graph);
}

} // namespace
} // namespace tenon::gpu_test
