#include "tools/common/benchmark.h"

#include "core/support/text.h"
#include "registry/host_backend.h"

#include <algorithm>
#include <atomic>
#include <barrier>
#include <chrono>
#include <cmath>
#include <cstdlib>
#include <exception>
#include <filesystem>
#include <fstream>
#include <numeric>
#include <string>
#include <string_view>
#include <system_error>
#include <thread>

namespace tenon::tools {

using Clock = std::chrono::steady_clock;

double percentileOf(std::vector<double> samples, double p) {
    if (samples.empty()) {
        return 0;
    }
    std::sort(samples.begin(), samples.end());
    if (p == 50 && samples.size() % 2 == 0) {
        return (samples[samples.size() / 2 - 1] + samples[samples.size() / 2]) / 2;
    }
    const auto rank = static_cast<size_t>(std::ceil(p / 100 * static_cast<double>(samples.size())));
    return samples[std::clamp<size_t>(rank, 1, samples.size()) - 1];
}

double meanOf(const std::vector<double>& samples) {
    return samples.empty() ? 0
                           : std::accumulate(samples.begin(), samples.end(), 0.0) / static_cast<double>(samples.size());
}

Streams::Streams(std::unique_ptr<EngineSession> first, int32_t count, std::vector<HostTensor> ofAll, bool graph)
    : inputs(std::move(ofAll)) {
    sessions.push_back(std::move(first));
    for (int32_t i = 1; i < count; ++i) {
        sessions.push_back(sessions.front()->another());
    }
    for (const auto& session : sessions) {
        session->bind(inputs);
        if (graph) {
            session->captureGraph();
        }
    }
}

namespace {

// How long the threads of this process were ready to run while others had the processors; 0 where the system does not count that.
double waitedForProcessors() {
    std::error_code error;
    double seconds = 0;
    for (const auto& thread : std::filesystem::directory_iterator("/proc/self/task", error)) {
        std::ifstream statistics(thread.path() / "schedstat");
        double ran = 0;
        double waited = 0; // nanoseconds
        if (statistics >> ran >> waited) {
            seconds += waited / 1e9;
        }
    }
    return seconds;
}

double secondsSince(Clock::time_point begin) { return std::chrono::duration<double>(Clock::now() - begin).count(); }

void warmUp(EngineSession& session, const BenchmarkSettings& settings, const std::atomic<bool>& stop) {
    const Clock::time_point begin = Clock::now();
    do {
        session.enqueue();
    } while (!stop && secondsSince(begin) * 1e3 < settings.warmUpMs);
}

struct Run {
    Clock::time_point start;
    double milliseconds = 0;
};

void measure(EngineSession& session, const BenchmarkSettings& settings, const std::atomic<bool>& stop,
             std::vector<Run>& runs) {
    const Clock::time_point begin = Clock::now();
    do {
        const Clock::time_point start = Clock::now();
        session.enqueue();
        runs.push_back({start, secondsSince(start) * 1e3});
        if (settings.idleMs > 0) {
            std::this_thread::sleep_for(std::chrono::duration<double, std::milli>(settings.idleMs));
        }
    } while (!stop &&
             (static_cast<int64_t>(runs.size()) < settings.iterations || secondsSince(begin) < settings.seconds));
}

} // namespace

BenchmarkResult benchmark(const Streams& streams, const BenchmarkSettings& settings) {
    const size_t count = streams.sessions.size();
    const InterruptsStop interrupts("measurement");
    const std::atomic<bool>& stop = interrupts.flag();
    std::vector<std::vector<Run>> runs(count);
    std::vector<std::exception_ptr> failures(count);
    Clock::time_point begin;
    double waitedBefore = 0;
    // All measure while all others run.
    std::barrier warm(static_cast<std::ptrdiff_t>(count), [&]() noexcept { begin = Clock::now(); });
    const auto stream = [&](size_t i) {
        const auto guarded = [&](const auto& work) {
            try {
                work();
            } catch (...) {
                failures[i] = std::current_exception();
            }
        };
        guarded([&] {
            if (!streams.processors.empty()) {
                pinThisThread(streams.processors[i % streams.processors.size()]);
            }
            warmUp(*streams.sessions[i], settings, stop);
            if (i == 0) {
                waitedBefore = waitedForProcessors();
            }
        });
        warm.arrive_and_wait();
        if (!failures[i]) {
            guarded([&] { measure(*streams.sessions[i], settings, stop, runs[i]); });
        }
    };
    std::vector<std::thread> threads;
    try {
        for (size_t i = 1; i < count; ++i) {
            threads.emplace_back(stream, i);
        }
    } catch (const std::system_error&) {
        // Those that are there shall not wait for the others.
        for (size_t missing = threads.size() + 1; missing < count; ++missing) {
            failures[missing] = std::current_exception();
            warm.arrive_and_drop();
        }
    }
    stream(0);
    for (std::thread& thread : threads) {
        thread.join();
    }
    BenchmarkResult result;
    result.wallSeconds = secondsSince(begin);
    result.waitedSeconds = std::max(0.0, waitedForProcessors() - waitedBefore);
    result.stopped = stop;
    for (size_t i = 0; i < count; ++i) {
        if (failures[i]) {
            std::rethrow_exception(failures[i]);
        }
        for (const Run& run : runs[i]) {
            result.latenciesMs.push_back(run.milliseconds);
            result.startsMs.push_back(std::chrono::duration<double, std::milli>(run.start - begin).count());
        }
    }
    return result;
}

std::string loadText(const BenchmarkResult& result) {
    constexpr double kLeastSeconds = 0.05; // of less, a single turn of another process is a large part
    if (result.wallSeconds < kLeastSeconds || result.waitedSeconds < 0.05 * result.wallSeconds) {
        return "";
    }
    return support::cat(
        "the processors were busy: in ", durationText(result.wallSeconds), " threads waited ",
        durationText(result.waitedSeconds),
        " for one, all together, because of other work or of more threads than processors; the times are those of "
        "such a machine");
}

int32_t threadsPerStream(int32_t streams) {
    return streams > 1 ? std::max(1, registry::hostDescription().cores / streams) : 0;
}

namespace {

// Not getrusage: its peak includes that of the process that started this one.
double statusMib(std::string_view field) {
    std::ifstream status("/proc/self/status");
    for (std::string line; std::getline(status, line);) {
        if (line.starts_with(field)) {
            return std::strtod(line.c_str() + field.size(), nullptr) / 1024;
        }
    }
    return 0;
}

} // namespace

double peakRssMib() { return statusMib("VmHWM:"); }
double rssMib() { return statusMib("VmRSS:"); }

} // namespace tenon::tools
