// tenon bench: latency and throughput of a plan or model.
#include "core/schedule/build_notes.h"
#include "core/support/text.h"
#include "tools/common/benchmark.h"
#include "tools/common/file_kind.h"
#include "tools/common/number_range.h"
#include "tools/common/pipe_input.h"
#include "tools/common/plan_times.h"
#include "tools/common/text_table.h"
#include "tools/tenon/verb.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <memory>

namespace tenon::tools {

namespace {

using support::cat;
using Profile = std::vector<std::pair<std::string, std::vector<double>>>; // milliseconds of each step in each run

// A line for each step, as they run or the slowest first, and how their sum and a whole run of `runMs` differ; 0: there is none to compare with.
// `busy`: the whole runs had to share the processors.
void printProfile(const Profile& profile, bool sorted, double runMs, bool busy) {
    std::vector<std::pair<double, std::string>> steps; // microseconds
    double sum = 0;
    for (const auto& [name, times] : profile) {
        steps.emplace_back(1e3 * percentileOf(times, 50), name);
        sum += steps.back().first;
    }
    if (sorted) {
        std::stable_sort(steps.begin(), steps.end(), [](const auto& a, const auto& b) { return a.first > b.first; });
    }
    using Align = TextTable::Align;
    TextTable table({Align::kRight, Align::kRight, Align::kLeft});
    table.add({"us", "share", "step"});
    const auto add = [&](double us, const std::string& what) {
        char share[32];
        std::snprintf(share, sizeof(share), "%.1f %%", sum > 0 ? 100 * us / sum : 0);
        table.add({microsecondsText(us, sum / 10), share, what});
    };
    for (const auto& [us, name] : steps) {
        add(us, name);
    }
    add(sum, steps.size() == 1 ? "sum of 1 step" : cat("sum of ", steps.size(), " steps, each timed by itself"));
    for (const std::string& line : table.lines()) {
        std::printf("%s\n", line.c_str());
    }
    if (const double run = 1e3 * runMs; run > 0) {
        std::printf("a whole run takes %s us, %s us %s\n", microsecondsText(run).c_str(),
                    microsecondsText(std::abs(run - sum)).c_str(),
                    run <= sum ? "less: to time each step takes time itself"
                    : busy     ? "more: what lies between the steps, and waiting for a processor"
                               : "more: what lies between the steps");
    }
}

} // namespace

void addBenchVerb(CLI::App& tool, VerbAction& action) {
    struct Options {
        std::string model;
        std::string data;
        BenchmarkSettings bench;
        BuildFlags build;
        CommonFlags common;
        int32_t streams = 1;
        bool graph = false;
        bool profile = false;
        bool sorted = false;
    };
    auto options = std::make_shared<Options>();
    CLI::App* verb =
        tool.add_subcommand("bench", "Measure latency and throughput on random inputs of the optimal shapes");
    verb->add_option("model", options->model, "ONNX model or plan")->required();
    verb->add_option("--iterations", options->bench.iterations, "Timed runs of each stream, at least")
        ->check(between(int64_t{1}, int64_t{1} << 40));
    verb->add_option("--duration", options->bench.seconds, "Seconds to measure, at least")->check(between(0.0, 1e6));
    verb->add_option("--warm-up", options->bench.warmUpMs, "Milliseconds to run before")->check(between(0.0, 1e9));
    verb->add_option("--streams", options->streams,
                     "Contexts that run at the same time, for throughput; without --threads they share the cores")
        ->check(between(1, 1024));
    verb->add_flag("--graph", options->graph, "Record the run on the device and replay it");
    CLI::Option* const profiles =
        verb->add_flag("--profile", options->profile, "Afterwards the time of each step, run one after the other");
    verb->add_flag("--sorted", options->sorted, "Of --profile the slowest step first")->needs(profiles);
    verb->add_option(
            "--data", options->data,
            cat("Model folder with test_data_set_*, or one data set: runs on the inputs of the first; a model is "
                "built for the extents of all. Left out: the best shapes, values ",
                kRandomInputs))
        ->type_name("DIR");
    options->build.addTo(*verb, "Where the model is no plan yet and is built first");
    options->common.addTo(*verb);
    verb->footer(
        cat("Of the latencies min is the fastest run; p50, p90 and p99 are the times that 50, 90 and 99 of 100 "
            "runs stay below: what a run usually takes, and what the slow ones take.\n",
            kExitCodesHelp));
    verb->callback([options, &action] {
        action = [options] {
            ConsoleLogger logger(options->common.threshold());
            options->model = keptFile(options->model);
            BuildSettings settings = options->build.settings(logger);
            if (settings.threads.count == 0) {
                settings.threads.count = threadsPerStream(options->streams);
            }
            const std::vector<int32_t>& processors = settings.threads.processors;
            if (options->streams > 1 && settings.threads.count > 1 && !processors.empty()) {
                throw ToolError(ExitCode::kUsage, "--affinity with several --streams wants --threads 1: each stream's "
                                                  "threads would be pinned to the same processors");
            }
            if (!options->data.empty()) {
                settings.shapesFrom = readDataSets(options->data);
                settings.dataIsRun = true;
            }
            const double rssBefore = rssMib();
            double buildSeconds = 0;
            double devicesSeconds = 0;
            std::unique_ptr<EngineSession> session;
            std::map<std::string, std::vector<int64_t>> shapes;
            if (isPlanFile(options->model)) {
                shapes = options->build.shapesOfPlan(options->model);
                loadExtensions(settings.modules, settings.plugins, logger);
                devicesSeconds = EngineSession::openDevices(options->model);
                session = EngineSession::fromFile(options->model, settings.threads, logger);
                if (session->level() == 0) {
                    logger.warn(cat("plan '", options->model, "': ", schedule::noteOfLevel(0)));
                }
            } else {
                BuiltPlan built = buildPlan(options->model, settings, logger);
                buildSeconds = built.seconds;
                session = EngineSession::fromMemory(built.plan->data(), built.plan->size(), settings.threads, logger);
            }
            const double loadSeconds = session->loadSeconds();
            if (options->graph && !session->hasDevice()) {
                throw ToolError(ExitCode::kUsage, "--graph records the runs of a device, and '" + options->model +
                                                      "' computes on the CPU, which has nothing to record; leave "
                                                      "--graph out");
            }
            std::vector<HostTensor> inputs = settings.shapesFrom.empty()
                                                 ? session->randomInputs(shapes)
                                                 : std::move(settings.shapesFrom.front().inputs);
            Streams streams(std::move(session), options->streams, std::move(inputs), options->graph);
            streams.processors = processors;
            EngineSession& first = *streams.sessions.front();
            const auto begin = std::chrono::steady_clock::now();
            first.enqueue();
            const double firstRunSeconds =
                std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
            BenchmarkResult result = benchmark(streams, options->bench);
            const std::vector<double> enqueues = result.stopped ? std::vector<double>() : first.enqueueTimes(201);
            const double enqueueUs = enqueues.empty() ? -1 : 1e3 * percentileOf(enqueues, 50);
            const Profile profile = options->profile && !result.stopped ? first.profile(21) : Profile();
            if (options->common.json) {
                nlohmann::json document = {{"latency_ms",
                                            {{"min", result.minimum()},
                                             {"p50", result.percentile(50)},
                                             {"p90", result.percentile(90)},
                                             {"p99", result.percentile(99)},
                                             {"mean", result.mean()}}},
                                           {"iterations", result.latenciesMs.size()},
                                           {"stopped", result.stopped},
                                           {"plan_stopped", first.wasStopped()}, // its build
                                           {"throughput", result.throughput()},
                                           {"streams", options->streams},
                                           {"waited_s", result.waitedSeconds}, // of all threads, for a processor
                                           {"build_s", buildSeconds},
                                           {"devices_s", devicesSeconds},
                                           {"load_s", loadSeconds},
                                           {"first_run_s", firstRunSeconds},
                                           {"enqueue_us", enqueueUs < 0 ? nlohmann::json() : nlohmann::json(enqueueUs)},
                                           {"rss_before_mib", rssBefore}, // of the program and its libraries
                                           {"peak_rss_mib", peakRssMib()}};
                for (const auto& [name, times] : profile) {
                    document["profile"].push_back({{"name", name}, {"ms", percentileOf(times, 50)}});
                }
                std::printf("%s\n", document.dump(1).c_str());
            } else {
                const std::vector<std::string> names = first.inputNames(); // data sets need not name theirs
                for (size_t i = 0; i < streams.inputs.size(); ++i) {
                    const HostTensor& input = streams.inputs[i];
                    const std::string& name = input.name.empty() && i < names.size() ? names[i] : input.name;
                    std::printf("%s %s\n", name.c_str(), shapeText(input.dims).c_str());
                }
                std::printf("latency   min %s   p50 %s   p90 %s   p99 %s   (%zu %s)\n",
                            durationText(result.minimum() / 1e3).c_str(),
                            durationText(result.percentile(50) / 1e3).c_str(),
                            durationText(result.percentile(90) / 1e3).c_str(),
                            durationText(result.percentile(99) / 1e3).c_str(), result.latenciesMs.size(),
                            result.latenciesMs.size() == 1 ? "run" : "runs");
                const std::string build = buildSeconds > 0 ? "   build " + durationText(buildSeconds) : "";
                std::printf("throughput %.1f runs/s%s   load %s   peak memory %.0f MiB\n", result.throughput(),
                            build.c_str(), durationText(loadSeconds).c_str(), peakRssMib());
                if (enqueueUs >= 0) {
                    std::printf("first run %s after the load   the host takes %.1f us to enqueue\n",
                                durationText(firstRunSeconds).c_str(), enqueueUs);
                }
                if (!profile.empty()) {
                    printProfile(profile, options->sorted, options->streams == 1 ? result.percentile(50) : 0,
                                 !loadText(result).empty());
                }
            }
            if (const std::string busy = loadText(result); !busy.empty()) {
                logger.warn(busy);
            }
            if (result.stopped) {
                logger.warn("stopped: these are the times so far");
            }
            return result.stopped ? ExitCode::kStopped : ExitCode::kOk;
        };
    });
}

} // namespace tenon::tools
