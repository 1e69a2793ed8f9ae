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
    std::vector<double> latenciesMs; // in order, one stream after the other
    double wallSeconds = 0;
    double percentile(double p) const; // 0..100, nearest rank
    double minimum() const { return percentile(0); }
    double mean() const;
    double throughput() const { return wallSeconds > 0 ? static_cast<double>(latenciesMs.size()) / wallSeconds : 0; }
};

// What several contexts of one engine run at the same time, each on a thread of its own.
struct Streams {
    // Of the session that was opened first; bound, with a graph where wanted. Throws ToolError.
    Streams(std::unique_ptr<EngineSession> first, int32_t count,
            const std::map<std::string, std::vector<int64_t>>& shapes, bool graph);

    std::vector<HostTensor> inputs; // all read the same ones
    std::vector<std::unique_ptr<EngineSession>> sessions;
    std::vector<int32_t> processors; // that the streams' own threads are pinned to, in turn; empty: to none
};

// Every stream runs at least so often and so long. Stops early on Ctrl-C. Throws ToolError.
BenchmarkResult benchmark(const Streams& streams, const BenchmarkSettings& settings);

// Threads of each of `streams` contexts where nobody said: one stream is left to the plan, several share the cores.
int32_t threadsPerStream(int32_t streams);

// Peak resident memory of this process.
double peakRssMib();

} // namespace tenon::tools
