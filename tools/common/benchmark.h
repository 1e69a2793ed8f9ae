// Measuring an engine: warm-up, then timed enqueues, then percentiles.
// Used by `tenon bench` and trtexec.
#pragma once

#include "tools/common/engine_session.h"

#include <cstdint>
#include <string>
#include <vector>

namespace tenon::tools {

struct BenchmarkSettings {
    int64_t iterations = 10; // at least
    double seconds = 3;      // at least, unless iterations alone were asked for
    double warmUpMs = 200;
};

struct BenchmarkResult {
    std::vector<double> latenciesMs; // in order
    double wallSeconds = 0;
    double percentile(double p) const; // 0..100, nearest rank
    double minimum() const { return percentile(0); }
    double mean() const;
    double throughput() const { return wallSeconds > 0 ? static_cast<double>(latenciesMs.size()) / wallSeconds : 0; }
};

// The session is bound. Stops early on Ctrl-C.
BenchmarkResult benchmark(EngineSession& session, const BenchmarkSettings& settings);

// Peak resident memory of this process.
double peakRssMib();

} // namespace tenon::tools
