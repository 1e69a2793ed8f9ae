#include "tools/common/benchmark.h"

#include "registry/host_backend.h"

#include <algorithm>
#include <barrier>
#include <chrono>
#include <cmath>
#include <cstdlib>
#include <exception>
#include <fstream>
#include <numeric>
#include <system_error>
#include <thread>

namespace tenon::tools {

using Clock = std::chrono::steady_clock;

double BenchmarkResult::percentile(double p) const {
    if (latenciesMs.empty()) {
        return 0;
    }
    std::vector<double> sorted = latenciesMs;
    std::sort(sorted.begin(), sorted.end());
    auto rank = static_cast<size_t>(std::ceil(p / 100 * static_cast<double>(sorted.size())));
    return sorted[std::clamp<size_t>(rank, 1, sorted.size()) - 1];
}

double BenchmarkResult::mean() const {
    return latenciesMs.empty()
               ? 0
               : std::accumulate(latenciesMs.begin(), latenciesMs.end(), 0.0) / static_cast<double>(latenciesMs.size());
}

Streams::Streams(std::unique_ptr<EngineSession> first, int32_t count,
                 const std::map<std::string, std::vector<int64_t>>& shapes, bool graph)
    : inputs(first->randomInputs(shapes)) {
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

double secondsSince(Clock::time_point begin) { return std::chrono::duration<double>(Clock::now() - begin).count(); }

void warmUp(EngineSession& session, const BenchmarkSettings& settings) {
    const Clock::time_point begin = Clock::now();
    do {
        session.enqueue();
    } while (secondsSince(begin) * 1e3 < settings.warmUpMs && !interrupted());
}

void measure(EngineSession& session, const BenchmarkSettings& settings, std::vector<double>& latenciesMs) {
    const Clock::time_point begin = Clock::now();
    // Once at least, also when the build before was stopped: what is reported was measured.
    do {
        const Clock::time_point start = Clock::now();
        session.enqueue();
        latenciesMs.push_back(secondsSince(start) * 1e3);
    } while (!interrupted() && (static_cast<int64_t>(latenciesMs.size()) < settings.iterations ||
                                secondsSince(begin) < settings.seconds));
}

} // namespace

BenchmarkResult benchmark(const Streams& streams, const BenchmarkSettings& settings) {
    const size_t count = streams.sessions.size();
    std::vector<std::vector<double>> latencies(count);
    std::vector<std::exception_ptr> failures(count);
    Clock::time_point begin;
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
            warmUp(*streams.sessions[i], settings);
        });
        warm.arrive_and_wait();
        if (!failures[i]) {
            guarded([&] { measure(*streams.sessions[i], settings, latencies[i]); });
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
    for (size_t i = 0; i < count; ++i) {
        if (failures[i]) {
            std::rethrow_exception(failures[i]);
        }
        result.latenciesMs.insert(result.latenciesMs.end(), latencies[i].begin(), latencies[i].end());
    }
    return result;
}

int32_t threadsPerStream(int32_t streams) {
    return streams > 1 ? std::max(1, registry::hostDescription().cores / streams) : 0;
}

double peakRssMib() {
    // Not getrusage: its peak includes that of the process that started this one.
    std::ifstream status("/proc/self/status");
    for (std::string line; std::getline(status, line);) {
        if (line.starts_with("VmHWM:")) {
            return std::strtod(line.c_str() + 6, nullptr) / 1024;
        }
    }
    return 0;
}

} // namespace tenon::tools
