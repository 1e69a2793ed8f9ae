#include "core/schedule/build_threads.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <system_error>
#include <thread>
#include <vector>

namespace tenon::schedule {

namespace {

constexpr size_t kMostThreads = 32; // each may hold a library's handle
constexpr std::chrono::milliseconds kAskEvery{50};

} // namespace

void inParallel(size_t count, const std::function<void(size_t)>& work, const std::function<bool()>& stopped) {
    const size_t wanted = std::min({count, size_t{std::thread::hardware_concurrency()}, kMostThreads});
    if (wanted < 2) {
        for (size_t i = 0; i < count && !stopped(); ++i) {
            work(i);
        }
        return;
    }
    std::atomic<size_t> next{0};
    std::atomic<bool> stop{false};
    std::mutex mutex;
    std::condition_variable ended;
    size_t running = wanted;
    const auto loop = [&] {
        for (size_t i = next++; i < count && !stop; i = next++) {
            work(i);
        }
        const std::lock_guard<std::mutex> lock(mutex);
        --running;
        ended.notify_all();
    };
    std::vector<std::thread> threads;
    for (size_t t = 0; t < wanted; ++t) {
        try {
            threads.emplace_back(loop);
        } catch (const std::system_error&) { // no more threads to be had
            const std::lock_guard<std::mutex> lock(mutex);
            running -= wanted - t;
            break;
        }
    }
    for (size_t i = 0; threads.empty() && i < count && !stopped(); ++i) {
        work(i);
    }
    std::unique_lock<std::mutex> lock(mutex);
    while (!ended.wait_for(lock, kAskEvery, [&] { return running == 0; })) {
        stop = stop || stopped();
    }
    lock.unlock();
    for (std::thread& thread : threads) {
        thread.join();
    }
}

} // namespace tenon::schedule
