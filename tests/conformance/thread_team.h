// A thread team for sessions that no host opened: a thread for each member of each loop.
// Used by task_runner, which also runs where Tenon's core is not.
#pragma once

#include "tenon/module/abi.h"

#include <barrier>
#include <optional>
#include <thread>
#include <vector>

namespace tenon::conformance {

class PlainTeam {
public:
    explicit PlainTeam(int32_t threads) {
        mTable.struct_size = sizeof(mTable);
        mTable.threads = threads;
        mTable.self = this;
        mTable.run = [](void* self, int32_t members, void (*body)(void*, int32_t), void* argument) {
            static_cast<PlainTeam*>(self)->run(members, body, argument);
        };
        mTable.barrier = [](void* self) { static_cast<PlainTeam*>(self)->mBarrier->arrive_and_wait(); };
    }
    PlainTeam(const PlainTeam&) = delete;
    PlainTeam& operator=(const PlainTeam&) = delete;
    const TnThreadTeam* table() const { return &mTable; }

private:
    void run(int32_t members, void (*body)(void*, int32_t), void* argument) {
        mBarrier.emplace(members);
        std::vector<std::thread> threads;
        for (int32_t member = 1; member < members; ++member) {
            threads.emplace_back(body, argument, member);
        }
        body(argument, 0);
        for (std::thread& thread : threads) {
            thread.join();
        }
    }

    TnThreadTeam mTable{};
    std::optional<std::barrier<>> mBarrier;
};

} // namespace tenon::conformance
