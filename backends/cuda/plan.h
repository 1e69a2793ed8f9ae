// What preparing a task gives: launches with their arguments, ready but for addresses.
//
// Who uses it: the plan functions of ops fill it in, the kernel runtime runs it. Everything that a launch needs is in here by value: a
// recording of a stream stays valid when the state is prepared for another shape. What it must not know: CUDA.
#pragma once

#include "backends/common/call.h"
#include "backends/cuda/device/args.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <type_traits>
#include <vector>

namespace tenon::cuda {

using namespace tenon::kernels;

inline constexpr int64_t kBlock = 256;

struct Launch {
    std::string kernel; // empty: a copy of bytes
    uint32_t grid[2] = {1, 1};
    uint32_t block = kBlock;
    std::vector<std::byte> args;
    int32_t from = -1; // ports of a copy of bytes
    int32_t to = -1;
    int64_t bytes = 0;
};

struct DevicePlan {
    std::vector<Launch> launches;
    int64_t workspace = 0; // bytes; must not fall when an extent rises

    // `threads` in all, in blocks of `block`; nothing where there is no work.
    template <class Args>
    Launch* launch(std::string kernel, int64_t threads, const Args& args, int64_t block = kBlock) {
        static_assert(std::is_trivially_copyable_v<Args> && sizeof(Args) + sizeof(Ports) <= 4096);
        if (threads <= 0) {
            return nullptr;
        }
        Launch& launch = launches.emplace_back();
        launch.kernel = std::move(kernel);
        // Kernels stride through what is left.
        launch.block = static_cast<uint32_t>(block);
        launch.grid[0] = static_cast<uint32_t>(std::min<int64_t>((threads + block - 1) / block, int64_t{1} << 30));
        launch.args.resize(sizeof args);
        std::memcpy(launch.args.data(), &args, sizeof args);
        return &launch;
    }
    void copyBytes(int32_t from, int32_t to, int64_t bytes) {
        if (bytes > 0) {
            Launch& copy = launches.emplace_back();
            copy.from = from;
            copy.to = to;
            copy.bytes = bytes;
        }
    }
};

// A node with its shapes, and which port each operand is.
struct NodePlan {
    const Call& call;
    Operands operands;
    DevicePlan& plan;
};

inline void fill(I64* to, const Dims& from, size_t most) {
    if (from.size() > most) {
        refuse("a loop over ", from.size(), " dimensions; at most ", most, " are supported");
    }
    std::copy(from.begin(), from.end(), to);
}

// How many threads work on one line: all of a warp or a block where a line is long; one where lines lie side by side.
inline int teamOf(int64_t lines, int64_t length, bool sideBySide) {
    if (sideBySide) {
        return length >= 512 && lines < 8192 ? 256 : 1;
    }
    return length <= 4 ? 1 : length <= 1024 ? 32 : 256;
}

// The kernel for teams of so many threads.
inline std::string withTeam(std::string_view kernel, int team) { return module::text(kernel, "_", team); }

} // namespace tenon::cuda
