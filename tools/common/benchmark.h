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
    double idleMs = 0; // between two runs of a stream
};

// The nearest rank, and for 50 the median: of an even count the mean of the two in the middle. p of 0..100; 0 of no samples.
double percentileOf(std::vector<double> samples, double p);
double meanOf(const std::vector<double>& samples);

struct BenchmarkResult {
    std::vector<double> latenciesMs; // in order, one stream after the other
    std::vector<double> startsMs;    // of the same runs, since the first one began
    double wallSeconds = 0;
    double waitedSeconds = 0; // of all threads of the process together: ready to run, and no processor was free
    bool stopped = false;     // by Ctrl-C: fewer runs than were asked for, one per stream at least
    double percentile(double p) const { return percentileOf(latenciesMs, p); }
    double minimum() const { return percentile(0); }
    double mean() const { return meanOf(latenciesMs); }
    double throughput() const { return wallSeconds > 0 ? static_cast<double>(latenciesMs.size()) / wallSeconds : 0; }
};

// What several contexts of one engine run at the same time, each on a thread of its own.
struct Streams {
    // Of the session that was opened first; bound, with a graph where wanted. Throws ToolError.
    Streams(std::unique_ptr<EngineSession> first, int32_t count, std::vector<HostTensor> inputs, bool graph);

    std::vector<HostTensor> inputs; // all read the same ones
    std::vector<std::unique_ptr<EngineSession>> sessions;
    std::vector<int32_t> processors; // that the streams' own threads are pinned to, in turn; empty: to none
};

// Every stream runs at least so often and so long. Throws ToolError.
BenchmarkResult benchmark(const Streams& streams, const BenchmarkSettings& settings);

// What the times of a machine that had other work say about it; empty where threads waited for less than a twentieth of the time.
std::string loadText(const BenchmarkResult& result);

// Threads of each of `streams` contexts where nobody said: one stream is left to the plan, several share the cores.
int32_t threadsPerStream(int32_t streams);

// Resident memory of this process: at its peak, and now.
double peakRssMib();
double rssMib();

} // namespace tenon::tools
