#include "tools/trtexec/report.h"

#include "tools/common/output_file.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <cstdio>
#include <numeric>

namespace tenon::tools {

namespace {

using Json = nlohmann::ordered_json;

void writeJson(const std::string& path, const Json& document) {
    writeOutput(path, document.dump(1, ' ', false, Json::error_handler_t::replace) + "\n");
}

void printStatistics(const char* what, const std::vector<double>& times, const std::vector<double>& percentiles) {
    std::printf("[I] %s: min = %g ms, max = %g ms, mean = %g ms, median = %g ms", what, percentileOf(times, 0),
                percentileOf(times, 100), meanOf(times), percentileOf(times, 50));
    for (const double percentile : percentiles) {
        std::printf(", percentile(%g%%) = %g ms", percentile, percentileOf(times, percentile));
    }
    std::printf("\n");
}

double sum(const std::vector<double>& times) { return std::accumulate(times.begin(), times.end(), 0.0); }

double sumOf(const LayerTimes& layers) {
    double total = 0;
    for (const auto& [name, times] : layers) {
        total += sum(times);
    }
    return total;
}

} // namespace

void printSummary(const TrtexecOptions& options, const BenchmarkResult& result, const std::vector<double>& enqueues) {
    const std::vector<double>& runs = result.latenciesMs;
    const std::vector<double>& enqueued = enqueues.empty() ? runs : enqueues;
    const auto group = static_cast<size_t>(options.avgRuns);
    for (size_t begin = 0; options.averages && begin + group <= runs.size(); begin += group) {
        const auto first = runs.begin() + static_cast<std::ptrdiff_t>(begin);
        const double mean = meanOf({first, first + static_cast<std::ptrdiff_t>(group)});
        std::printf("[I] Average on %zu runs - GPU latency: %g ms - Host latency: %g ms (enqueue %g ms)\n", group, mean,
                    mean, enqueues.empty() ? mean : meanOf(enqueues));
    }
    const std::vector<double> none(runs.size(),
                                   0.0); // inputs and outputs are copied before and after the measured runs
    std::printf("[I] === Performance summary ===\n");
    std::printf("[I] Throughput: %g qps\n", result.throughput());
    printStatistics("Latency", runs, options.percentiles);
    printStatistics("Enqueue Time", enqueued, options.percentiles);
    printStatistics("H2D Latency", none, options.percentiles);
    printStatistics("GPU Compute Time", runs, options.percentiles);
    printStatistics("D2H Latency", none, options.percentiles);
    std::printf("[I] Total Host Walltime: %g s\n", result.wallSeconds);
    std::printf("[I] Total GPU Compute Time: %g s\n", sum(runs) / 1e3);
    if (enqueues.empty()) {
        std::printf("[I] The plan computes on the CPU: GPU Compute Time is the time of a run there, and a run is over "
                    "when its enqueue returns.\n");
    }
}

void printProfile(const LayerTimes& layers) {
    const double total = sumOf(layers);
    const size_t count = layers.empty() ? 0 : layers.front().second.size();
    std::printf("[I] === Profile (%zu iterations ) ===\n", count);
    std::printf("[I] %12s %12s %12s %9s  Layer\n", "Time(ms)", "Avg.(ms)", "Median(ms)", "Time(%)");
    double averages = 0;
    double medians = 0;
    for (const auto& [name, times] : layers) {
        std::printf("[I] %12.2f %12.4f %12.4f %9.1f  %s\n", sum(times), meanOf(times), percentileOf(times, 50),
                    total > 0 ? 100 * sum(times) / total : 0, name.c_str());
        averages += meanOf(times);
        medians += percentileOf(times, 50);
    }
    std::printf("[I] %12.2f %12.4f %12.4f %9.1f  Total\n", total, averages, medians, 100.0);
}

void printOutputs(const std::vector<HostTensor>& outputs) {
    std::printf("[I] Output Tensors:\n");
    for (const HostTensor& output : outputs) {
        std::printf("[I] %s: (%s)\n[I] ", output.name.c_str(), shapeText(output.dims).c_str());
        for (int64_t i = 0; i < output.elements(); ++i) {
            std::printf("%s%g", i ? " " : "", output.numberAt(i));
        }
        std::printf("\n");
    }
}

void exportTimes(const std::string& path, const BenchmarkResult& result) {
    Json document = Json::array();
    for (size_t i = 0; i < result.latenciesMs.size(); ++i) {
        const double start = result.startsMs[i];
        const double end = start + result.latenciesMs[i];
        document.push_back({{"startEnqMs", start},
                            {"endEnqMs", end},
                            {"startH2dMs", start},
                            {"endH2dMs", start},
                            {"startComputeMs", start},
                            {"endComputeMs", end},
                            {"startD2hMs", end},
                            {"endD2hMs", end},
                            {"h2dMs", 0.0},
                            {"computeMs", result.latenciesMs[i]},
                            {"d2hMs", 0.0},
                            {"latencyMs", result.latenciesMs[i]}});
    }
    writeJson(path, document);
}

void exportProfile(const std::string& path, const LayerTimes& layers) {
    const double total = sumOf(layers);
    Json document = Json::array();
    document.push_back({{"count", layers.empty() ? 0 : layers.front().second.size()}});
    for (const auto& [name, times] : layers) {
        document.push_back({{"name", name},
                            {"timeMs", sum(times)},
                            {"averageMs", meanOf(times)},
                            {"medianMs", percentileOf(times, 50)},
                            {"percentage", total > 0 ? 100 * sum(times) / total : 0.0}});
    }
    writeJson(path, document);
}

void exportOutputs(const std::string& path, const std::vector<HostTensor>& outputs) {
    Json document = Json::array();
    for (const HostTensor& output : outputs) {
        Json values = Json::array();
        for (int64_t i = 0; i < output.elements(); ++i) {
            const double value = output.numberAt(i);
            values.push_back(ir::isFloat(output.dtype) ? Json(value) : Json(static_cast<int64_t>(value)));
        }
        document.push_back(
            {{"name", output.name}, {"dimensions", shapeText(output.dims)}, {"values", std::move(values)}});
    }
    writeJson(path, document);
}

} // namespace tenon::tools
