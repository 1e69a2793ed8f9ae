// Fills in recorded graphs become kernels: the same memory afterwards, in the same order.
#include "backends/cuda/fills.h"
#include "tests/gpu/model_runner.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
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

// Fills and copies take turns on one buffer, so that each must run in its place: a fill of the first half, a copy of it to the second, the next.
TEST(Fills, RecordedBecomeKernelsInTheSameOrder) {
    TENON_SKIP_WITHOUT_DEVICE();
    if (onHost()) {
        GTEST_SKIP() << "nothing is recorded on the host";
    }
    constexpr size_t kHalf = size_t{3} << 20;
    const std::vector<Line> lines = {{0, kHalf, 0, true},         {256, 4, 0xA5, true},    {1024, 8192, 0x7F, true},
                                     {4096, 4096, 0, true},       {4100, 12, 0xFF, true},  {9001, 64, 3, false},
                                     {12000, 63, 9, false},       {kHalf - 4, 4, 1, true}, {65536, 1 << 20, 17, true},
                                     {70000, 500000, 0xC3, true}, {1 << 20, 4, 0x80, true}};
    const Stream stream;
    Buffer memory(true, 2 * kHalf);
    ASSERT_NE(memory.data(), nullptr);
    auto* const data = static_cast<std::byte*>(memory.data());
    std::vector<std::byte> expected(2 * kHalf, std::byte{0x5A});
    ASSERT_TRUE(memory.write(expected.data(), expected.size(), stream.get()));

    ASSERT_EQ(cudaStreamBeginCapture(stream.get(), cudaStreamCaptureModeThreadLocal), cudaSuccess);
    size_t stay = 0;
    for (const Line& line : lines) {
        EXPECT_EQ(cudaMemsetAsync(data + line.first, line.value, line.bytes, stream.get()), cudaSuccess);
        EXPECT_EQ(cudaMemcpyAsync(data + kHalf, data, kHalf, cudaMemcpyDeviceToDevice, stream.get()), cudaSuccess);
        EXPECT_EQ(cudaMemsetAsync(data + line.first, line.value ^ 0x11, line.bytes, stream.get()), cudaSuccess);
        std::fill_n(expected.begin() + static_cast<std::ptrdiff_t>(line.first), line.bytes, std::byte(line.value));
        std::copy_n(expected.begin(), kHalf, expected.begin() + kHalf);
        std::fill_n(expected.begin() + static_cast<std::ptrdiff_t>(line.first), line.bytes,
                    std::byte(line.value ^ 0x11));
        stay += line.kernel ? 0 : 2;
    }
    cudaGraph_t graph = nullptr;
    ASSERT_EQ(cudaStreamEndCapture(stream.get(), &graph), cudaSuccess);
    ASSERT_EQ(fillsOf(graph), 2 * lines.size());

    int replaced = -1;
    EXPECT_EQ(cuda::replaceFills(graph, replaced), cudaSuccess);
    EXPECT_EQ(replaced, static_cast<int>(2 * lines.size() - stay));
    EXPECT_EQ(fillsOf(graph), stay);
    EXPECT_EQ(cuda::replaceFills(graph, replaced), cudaSuccess);
    EXPECT_EQ(replaced, 0);

    cudaGraphExec_t executable = nullptr;
    ASSERT_EQ(cudaGraphInstantiate(&executable, graph, 0), cudaSuccess);
    for (int run = 0; run < 2; ++run) {
        std::vector<std::byte> actual(2 * kHalf);
        EXPECT_EQ(cudaGraphLaunch(executable, stream.get()), cudaSuccess);
        ASSERT_TRUE(memory.read(actual.data(), actual.size(), stream.get()));
        EXPECT_TRUE(actual == expected) << "run " << run;
        ASSERT_TRUE(memory.write(std::vector<std::byte>(2 * kHalf, std::byte{0x5A}).data(), 2 * kHalf, stream.get()));
    }
    cudaGraphExecDestroy(executable);
    cudaGraphDestroy(graph);
}

} // namespace
} // namespace tenon::gpu_test
