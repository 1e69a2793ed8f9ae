// The threads that compute a context's steps on the host: one owner for all kernels, whatever module they are of.
// Used by whoever opens sessions: contexts, the weight program, builds. Knows nothing of tensors or kernels.
#pragma once

#include "core/support/status.h"
#include "include/tenon/module/abi.h"

#include <atomic>
#include <cstdint>
#include <memory>
#include <thread>
#include <vector>

namespace tenon::runtime {

struct ThreadTeamOptions {
    int32_t threads = 1; ///< >= 1, the calling thread included
    /// Member i is pinned to processor i of the list, in turn; empty: to none. Member 0 is the caller's thread and is left alone.
    std::vector<int32_t> processors;
};

/// Threads that wait for work: for some microseconds looking, as the next step mostly follows at once, then asleep, so that whoever shares the
/// machine is not kept from it. One run at a time.
class ThreadTeam {
public:
    using Body = void (*)(void* argument, int32_t member);

    /// Fails where the system gives no more threads, or has no such processor.
    static support::Result<std::unique_ptr<ThreadTeam>> start(const ThreadTeamOptions& options);
    ~ThreadTeam();
    ThreadTeam(const ThreadTeam&) = delete;
    ThreadTeam& operator=(const ThreadTeam&) = delete;

    int32_t threads() const { return mTable.threads; }
    /// What kernels are given; valid while the team lives.
    const TnThreadTeam* table() const { return &mTable; }

    /// See TnThreadTeam.
    void run(int32_t members, Body body, void* argument);
    void barrier();

private:
    static constexpr size_t kLine = 64; // of the cache

    // A number that one side changes and others wait for.
    struct Gate {
        std::atomic<uint32_t> value{0};
        std::atomic<int32_t> sleepers{0};

        // `mayLook`: whether waiting awake helps; asked now and then.
        template <class F>
        void awaitChange(uint32_t from, const F& mayLook);
        void change();
    };
    // What one side writes and the other reads lies in one line of the cache, since each line takes a tenth of a microsecond from one processor to the other.
    struct alignas(kLine) Order {
        Gate turns;          // the last one that was begun
        Body body = nullptr; // null: no more turns
        void* argument = nullptr;
    };
    struct alignas(kLine) Answer {
        Gate turns;                     // the last one that was ended
        std::atomic<int> processor{-1}; // that the last one began on
    };
    struct Worker {
        Order order;
        Answer answer;
        std::thread thread;
    };

    ThreadTeam() = default;
    void work(Worker& worker, int32_t member);

    TnThreadTeam mTable{};
    std::vector<std::unique_ptr<Worker>> mWorkers;
    bool mLooks = true;                          // there is a processor for each: waiting awake takes nobody's
    alignas(kLine) std::atomic<int> mCaller{-1}; // the processor that the last run was called on
    alignas(kLine) std::atomic<int32_t> mArrived{0};
    int32_t mMembers = 1;         // of the run
    alignas(kLine) Gate mBarrier; // changes when all are there
};

} // namespace tenon::runtime
