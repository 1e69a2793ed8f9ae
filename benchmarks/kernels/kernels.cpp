// Times every tactic that host modules offer on the cases of a file, one JSON line each, beside what the machine gives at most: the peaks of its
// units, and copies of as many bytes. Products of f32 are timed again in bf16. benchmarks/run.py --kernels makes the table.
//
//   kernel_bench CASES THREADS MILLISECONDS COLD MODULE...
//
// COLD 1: constants come from memory at every launch, 0: from wherever the launch before left them.
#include "backends/common/parallel.h"
#include "benchmarks/kernels/peak.h"
#include "benchmarks/kernels/work.h"
#include "core/runtime/thread_team.h"
#include "core/support/cache_flush.h"
#include "tests/conformance/task_runner.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <string>
#include <vector>

namespace {

using namespace tenon;
using namespace tenon::conformance;

using bench::elementsOf;

// Of what a tactic reads and writes, in the types that it has them in.
int64_t bytesOf(const Case& one, const BuiltTask& task, const KeptTactic& tactic) {
    const bool isPicked = one.statements[0].op == "gather"; // as much of the table as the result has
    int64_t bytes = 0;
    for (size_t i = 0; i < tactic.inputs.size(); ++i) {
        const TensorText& read =
            i == 0 && isPicked ? one.outputs[0].type : one.inputs[static_cast<size_t>(task.inputPorts[i])].type;
        bytes += elementsOf(read) * module::bitsOf(tactic.inputs[i].dtype) / 8;
    }
    for (size_t o = 0; o < tactic.outputs.size(); ++o) {
        bytes += elementsOf(one.outputs[static_cast<size_t>(task.outputPorts[o])].type) *
                 module::bitsOf(tactic.outputs[o].dtype) / 8;
    }
    return bytes;
}

// Both are ours: nothing but quotes and backslashes needs care.
std::string quoted(const std::string& text) {
    std::string out = "\"";
    for (const char c : text) {
        out += c == '"' || c == '\\' ? "\\" : "";
        out += c;
    }
    return out + '"';
}

bool isBrain(const KeptTactic& tactic) {
    const auto brain = [](const TnPortFormat& port) { return port.dtype == TN_BF16; };
    return std::any_of(tactic.inputs.begin(), tactic.inputs.end(), brain) ||
           std::any_of(tactic.outputs.begin(), tactic.outputs.end(), brain);
}

std::string describePorts(const KeptTactic& tactic) {
    return module::describe(tactic.inputs[0].format) + " -> " + module::describe(tactic.outputs[0].format);
}

// Appends why the module offers nothing to `refusals`.
bool timeCase(const Case& one, const LoadedModule& library, const RunOptions& options, std::string& refusals) {
    std::vector<std::vector<std::byte>> data;
    for (size_t i = 0; i < one.inputs.size(); ++i) {
        data.push_back(fillInput(one, i));
    }
    BuiltTask task;
    buildTask(one, data, false, task);
    Refusal refusal;
    std::vector<std::vector<std::byte>> inputs;
    for (int32_t input : task.inputPorts) {
        inputs.push_back(data[static_cast<size_t>(input)]);
    }
    const bench::Work work = bench::workOf(one);
    if (work.flops > 0 && !work.isOfBytes) {
        task.task.compute_types |= uint64_t{1} << TN_BF16;
    }
    std::map<int64_t, double> bandwidths;
    for (const KeptTactic& tactic : tacticsOf(library.tables(), task.task, options.threads, refusal)) {
        const RunResult result = runTactic(library.tables(), one, task, tactic, inputs, options);
        if (!result.error.empty()) {
            std::fprintf(stderr, "%s: %s: %s\n", one.line.c_str(), tactic.name.c_str(), result.error.c_str());
            return false;
        }
        const int64_t bytes = bytesOf(one, task, tactic);
        const kernels::TeamScope scope(options.team);
        double& bandwidth = bandwidths[bytes];
        bandwidth = bandwidth > 0 ? bandwidth : bench::copyBandwidth(options.threads, bytes);
        const char* const products = work.flops == 0 ? "" : work.isOfBytes ? "i8" : isBrain(tactic) ? "bf16" : "f32";
        std::printf("{\"case\": %s, \"module\": \"%s\", \"tactic\": %s, \"layout\": \"%s\", \"us\": %.2f, "
                    "\"products\": \"%s\", \"flops\": %lld, \"lane_steps\": %lld, \"bytes\": %lld, "
                    "\"copy_gbs\": %.1f}\n",
                    quoted(one.line).c_str(), library.tables().name.c_str(), quoted(tactic.name).c_str(),
                    describePorts(tactic).c_str(), result.microseconds, products, static_cast<long long>(work.flops),
                    static_cast<long long>(work.laneSteps), static_cast<long long>(bytes), bandwidth);
        std::fflush(stdout);
    }
    if (bandwidths.empty()) {
        refusals += module::text("  ", library.tables().name, ": ", refusal.reason, "\n");
    }
    return true;
}

void printLimits(const RunOptions& options) {
    const kernels::TeamScope scope(options.team);
    const int threads = options.threads;
    std::printf("{\"peak_gflops\": {\"f32\": %.1f, \"bf16\": %.1f, \"i8\": %.1f}, \"memory_gbs\": %.1f}\n",
                bench::peakFlops(threads), bench::peakOfBrain(threads), bench::peakOfBytes(threads),
                bench::copyBandwidth(threads, int64_t{1} << 28));
}

} // namespace

int main(int argc, char** argv) {
    if (argc < 6) {
        std::fputs("usage: kernel_bench CASES THREADS MILLISECONDS COLD MODULE...\n", stderr);
        return 2;
    }
    const CaseFile cases = readCases(argv[1]);
    if (!cases.error.empty()) {
        std::fprintf(stderr, "%s\n", cases.error.c_str());
        return 3;
    }
    RunOptions options;
    options.threads = std::atoi(argv[2]);
    const auto team = runtime::ThreadTeam::start({options.threads, {}});
    if (!team.ok()) {
        std::fprintf(stderr, "%s\n", team.status().toString().c_str());
        return 4;
    }
    options.team = (*team)->table(); // as a context has it
    options.time = true;
    options.timeMs = std::atof(argv[3]);
    if (std::atoi(argv[4]) != 0) {
        options.beforeTimed = [](void* data, size_t bytes) { support::flushFromCaches(data, bytes); };
    }
    std::vector<std::unique_ptr<LoadedModule>> modules;
    for (int i = 5; i < argc; ++i) {
        std::string error;
        modules.push_back(LoadedModule::open(argv[i], error));
        if (!modules.back()) {
            std::fprintf(stderr, "%s: %s\n", argv[i], error.c_str());
            return 4;
        }
    }
    printLimits(options);
    for (const Case& one : cases.cases) {
        std::string refusals;
        for (const auto& library : modules) {
            if (!timeCase(one, *library, options, refusals)) {
                return 1;
            }
        }
        if (static_cast<size_t>(std::count(refusals.begin(), refusals.end(), '\n')) == modules.size()) {
            std::fprintf(stderr, "%s: no module computes it\n%s", one.line.c_str(), refusals.c_str());
            return 1;
        }
    }
    printLimits(options); // again: other work may have fallen on the first ones
    return 0;
}
