#include "core/schedule/dealing.h"

#include <gtest/gtest.h>

#include <numeric>
#include <vector>

namespace tenon::schedule {
namespace {

std::unique_ptr<runtime::ThreadTeam> teamOf(int32_t threads) {
    runtime::ThreadTeamOptions options;
    options.threads = threads;
    auto team = runtime::ThreadTeam::start(options);
    EXPECT_TRUE(team.ok());
    return team.ok() ? std::move(*team) : nullptr;
}

// What is beside the bytes is not even touched: it may belong to somebody else.
TEST(Dealing, ContentsStay) {
    for (const int32_t threads : {1, 2, 3}) {
        const auto team = teamOf(threads);
        ASSERT_NE(team, nullptr);
        for (const size_t bytes : {size_t{0}, size_t{1}, size_t{4096}, size_t{100'003}}) {
            std::vector<unsigned char> memory(bytes);
            std::iota(memory.begin(), memory.end(), static_cast<unsigned char>(1));
            const std::vector<unsigned char> before = memory;
            const DealtBytes tensor{reinterpret_cast<std::byte*>(memory.data()), static_cast<int64_t>(bytes)};
            dealOut(*team, std::vector{tensor, tensor});
            EXPECT_EQ(memory, before) << bytes << " bytes, " << threads << " threads";
        }
    }
}

} // namespace
} // namespace tenon::schedule
