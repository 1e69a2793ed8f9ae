#include "tools/common/benchmark.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdlib>
#include <fstream>
#include <numeric>

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

BenchmarkResult benchmark(EngineSession& session, const BenchmarkSettings& settings) {
    auto since = [](Clock::time_point begin) { return std::chrono::duration<double>(Clock::now() - begin).count(); };
    Clock::time_point warm = Clock::now();
    do {
        session.enqueue();
    } while (since(warm) * 1e3 < settings.warmUpMs && !interrupted());
    BenchmarkResult result;
    Clock::time_point begin = Clock::now();
    const auto enough = [&] {
        return static_cast<int64_t>(result.latenciesMs.size()) >= settings.iterations &&
               since(begin) >= settings.seconds;
    };
    // Once at least, also when the build before was stopped: what is reported was measured.
    do {
        Clock::time_point start = Clock::now();
        session.enqueue();
        result.latenciesMs.push_back(since(start) * 1e3);
    } while (!interrupted() && !enough());
    result.wallSeconds = since(begin);
    return result;
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
