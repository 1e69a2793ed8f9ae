#include "core/runtime/thread_team.h"

#include <pthread.h>
#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstring>
#include <set>
#include <system_error>

namespace tenon::runtime {

using support::Code;
using support::makeError;
using support::Result;

namespace {

using Clock = std::chrono::steady_clock;

// Longer than most gaps between two steps, shorter than a scheduler's slice: going to sleep and waking costs tens of microseconds.
constexpr std::chrono::microseconds kLook{100};
constexpr int kLooksPerClock = 32;

void relax() {
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    asm volatile("yield");
#endif
}

// Of the process's first thread: the calling one may be pinned.
cpu_set_t usableSet() {
    cpu_set_t set;
    CPU_ZERO(&set);
    sched_getaffinity(getpid(), sizeof(set), &set);
    return set;
}

int32_t usableProcessors() {
    const cpu_set_t set = usableSet();
    return CPU_COUNT(&set);
}

support::Status pin(std::thread& thread, int32_t processor) {
    cpu_set_t set;
    CPU_ZERO(&set);
    int failed = EINVAL;
    if (processor >= 0 && processor < CPU_SETSIZE) {
        CPU_SET(static_cast<size_t>(processor), &set);
        failed = pthread_setaffinity_np(thread.native_handle(), sizeof(set), &set);
    }
    if (failed != 0) {
        return makeError(Code::kInvalidArgument, "a thread cannot be pinned to processor ", processor, ": ",
                         std::strerror(failed), "; this process may use ", usableProcessors(), " processors");
    }
    return {};
}

// Threads that are made meanwhile take no signals: a handler would write below the stack pointer, where generated code may have data.
class SignalsBlocked {
public:
    SignalsBlocked() {
        sigset_t all;
        sigfillset(&all);
        pthread_sigmask(SIG_SETMASK, &all, &mBefore);
    }
    ~SignalsBlocked() { pthread_sigmask(SIG_SETMASK, &mBefore, nullptr); }
    SignalsBlocked(const SignalsBlocked&) = delete;
    SignalsBlocked& operator=(const SignalsBlocked&) = delete;

private:
    sigset_t mBefore{};
};

} // namespace

template <class F>
void ThreadTeam::Gate::awaitChange(uint32_t from, const F& mayLook) {
    if (value.load(std::memory_order_acquire) != from) {
        return;
    }
    if (mayLook()) {
        const auto end = Clock::now() + kLook;
        do {
            for (int i = 0; i < kLooksPerClock; ++i) {
                if (value.load(std::memory_order_acquire) != from) {
                    return;
                }
                relax();
            }
        } while (Clock::now() < end && mayLook());
    }
    // Sequentially consistent on both sides: either the changer sees the sleeper or the sleeper the change.
    sleepers.fetch_add(1);
    while (value.load() == from) {
        value.wait(from);
    }
    sleepers.fetch_sub(1);
}

void ThreadTeam::Gate::change() {
    value.fetch_add(1);
    if (sleepers.load() != 0) {
        value.notify_all();
    }
}

Result<std::unique_ptr<ThreadTeam>> ThreadTeam::start(const ThreadTeamOptions& options) {
    std::unique_ptr<ThreadTeam> team(new ThreadTeam);
    team->mTable.struct_size = sizeof(TnThreadTeam);
    team->mTable.threads = options.threads;
    team->mTable.self = team.get();
    team->mTable.run = [](void* self, int32_t members, Body body, void* argument) {
        static_cast<ThreadTeam*>(self)->run(members, body, argument);
    };
    team->mTable.barrier = [](void* self) { static_cast<ThreadTeam*>(self)->barrier(); };
    const std::set<int32_t> pins(options.processors.begin(), options.processors.end());
    const int32_t places = pins.empty() ? usableProcessors() : static_cast<int32_t>(pins.size());
    team->mLooks = options.threads <= places;
    const SignalsBlocked blocked;
    for (int32_t member = 1; member < options.threads; ++member) {
        Worker& worker = *team->mWorkers.emplace_back(std::make_unique<Worker>());
        try {
            worker.thread = std::thread([self = team.get(), &worker, member] { self->work(worker, member); });
        } catch (const std::system_error& error) {
            team->mWorkers.pop_back();
            return makeError(Code::kEnvironment, "the system gave ", member, " of ", options.threads,
                             " threads: ", error.what(), "; ask for fewer");
        }
        pthread_setname_np(worker.thread.native_handle(), "tenon-team");
        if (options.processors.empty()) {
            const cpu_set_t usable = usableSet();
            pthread_setaffinity_np(worker.thread.native_handle(), sizeof(usable), &usable); // may fail: as it was made
        } else {
            const auto place = static_cast<size_t>(member) % options.processors.size();
            TN_RETURN_IF_ERROR(pin(worker.thread, options.processors[place]));
        }
    }
    return team;
}

ThreadTeam::~ThreadTeam() {
    for (const auto& worker : mWorkers) {
        worker->order.body = nullptr;
        worker->order.turns.change();
        worker->thread.join();
    }
}

void ThreadTeam::work(Worker& worker, int32_t member) {
    const Order& order = worker.order;
    for (uint32_t seen = 0;; ++seen) {
        // Whoever waits awake on the processor of the one that it waits for waits for itself.
        worker.order.turns.awaitChange(
            seen, [this] { return mLooks && mCaller.load(std::memory_order_relaxed) != sched_getcpu(); });
        if (order.body == nullptr) {
            return;
        }
        worker.answer.processor.store(sched_getcpu(), std::memory_order_relaxed);
        order.body(order.argument, member);
        worker.answer.turns.change();
    }
}

void ThreadTeam::run(int32_t members, Body body, void* argument) {
    mMembers = members;
    for (int32_t i = 0; i + 1 < members; ++i) {
        Order& order = mWorkers[static_cast<size_t>(i)]->order;
        order.body = body;
        order.argument = argument;
        order.turns.change();
    }
    mCaller.store(sched_getcpu(), std::memory_order_relaxed);
    body(argument, 0);
    for (int32_t i = 0; i + 1 < members; ++i) {
        Worker& worker = *mWorkers[static_cast<size_t>(i)];
        const uint32_t turn = worker.order.turns.value.load(std::memory_order_relaxed);
        worker.answer.turns.awaitChange(turn - 1, [&] {
            return mLooks && worker.answer.processor.load(std::memory_order_relaxed) != sched_getcpu();
        });
    }
}

void ThreadTeam::barrier() {
    const uint32_t round = mBarrier.value.load(std::memory_order_relaxed);
    if (mArrived.fetch_add(1, std::memory_order_acq_rel) + 1 == mMembers) {
        mArrived.store(0, std::memory_order_relaxed);
        mBarrier.change();
    } else {
        mBarrier.awaitChange(round, [this] { return mLooks; });
    }
}

} // namespace tenon::runtime
