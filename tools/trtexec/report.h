// What trtexec says of a measured engine: the summary and tables that scripts read, and files in TensorRT's JSON shapes.
// Used by trtexec alone.
#pragma once

#include "tools/common/benchmark.h"
#include "tools/trtexec/options.h"

#include <string>
#include <vector>

namespace tenon::tools {

// Milliseconds of each layer in each run, in order.
using LayerTimes = std::vector<std::pair<std::string, std::vector<double>>>;

// `enqueues`: milliseconds that the host took to enqueue a run; empty: a run is over when its enqueue returns.
void printSummary(const TrtexecOptions& options, const BenchmarkResult& result, const std::vector<double>& enqueues);
void printProfile(const LayerTimes& layers);
void printOutputs(const std::vector<HostTensor>& outputs);

// [{startEnqMs, endEnqMs, startH2dMs, ..., latencyMs}], a run each. Throws ToolError(kEnvironment), as those below.
void exportTimes(const std::string& path, const BenchmarkResult& result);
// [{count}, {name, timeMs, averageMs, medianMs, percentage}, ...]
void exportProfile(const std::string& path, const LayerTimes& layers);
// [{name, dimensions, values}]
void exportOutputs(const std::string& path, const std::vector<HostTensor>& outputs);

} // namespace tenon::tools
