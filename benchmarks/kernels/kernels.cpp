// Times every tactic that host modules offer on the cases of a file, one JSON line each, beside what the machine gives at most: the peak of its
// vector units, and copies of as many bytes. benchmarks/run.py --kernels makes the table.
//
//   kernel_bench CASES THREADS MILLISECONDS COLD MODULE...
//
// COLD 1: constants come from memory at every launch, 0: from wherever the launch before left them.
#include "benchmarks/kernels/peak.h"
#include "core/support/cache_flush.h"
#include "tests/conformance/task_runner.h"

#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

namespace {

using namespace tenon;
using namespace tenon::conformance;

int64_t elementsOf(const TensorText& tensor) {
    int64_t elements = 1;
    for (int64_t dim : tensor.dims) {
        elements *= dim;
    }
    return elements;
}

// Multiplications and additions as the op defines them; 0 where moving the data is the work.
int64_t flopsOf(const Case& one) {
    const std::string& op = one.statements[0].op;
    const std::vector<InputText>& in = one.inputs;
    const int64_t results = elementsOf(one.outputs[0].type);
    if (op == "conv") {
        return 2 * results * (elementsOf(in[1].type) / in[1].type.dims[0]);
    }
    if (op == "deconv") {
        return 2 * elementsOf(in[0].type) * (elementsOf(in[1].type) / in[1].type.dims[0]);
    }
    if (op == "matmul") {
        return 2 * results * in[0].type.dims.back();
    }
    if (op == "attention") {
        const std::vector<int64_t>& keys = in[1].type.dims;
        const int64_t positions = elementsOf(in[0].type) / in[0].type.dims.back();
        return 2 * positions * keys[keys.size() - 2] * (keys.back() + in[2].type.dims.back());
    }
    return 0;
}

std::string describePorts(const KeptTactic& tactic) {
    return module::describe(tactic.inputs[0].format) + " -> " + module::describe(tactic.outputs[0].format);
}

bool timeCase(const Case& one, const LoadedModule& library, const RunOptions& options) {
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
    int64_t bytes = elementsOf(one.outputs[0].type) * 4;
    for (const InputText& input : one.inputs) {
        bytes += input.present ? elementsOf(input.type) * 4 : 0;
    }
    const double bandwidth = bench::copyBandwidth(options.threads, bytes);
    for (const KeptTactic& tactic : tacticsOf(library.tables(), task.task, options.threads, refusal)) {
        const RunResult result = runTactic(library.tables(), one, task, tactic, inputs, options);
        if (!result.error.empty()) {
            std::fprintf(stderr, "%s: %s: %s\n", one.line.c_str(), tactic.name.c_str(), result.error.c_str());
            return false;
        }
        std::printf("{\"case\": \"%s\", \"module\": \"%s\", \"tactic\": \"%s\", \"layout\": \"%s\", \"us\": %.2f, "
                    "\"flops\": %lld, \"bytes\": %lld, \"copy_gbs\": %.1f}\n",
                    one.line.c_str(), library.tables().name.c_str(), tactic.name.c_str(), describePorts(tactic).c_str(),
                    result.microseconds, static_cast<long long>(flopsOf(one)), static_cast<long long>(bytes),
                    bandwidth);
        std::fflush(stdout);
    }
    return true;
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
    std::printf("{\"peak_gflops\": %.1f, \"memory_gbs\": %.1f}\n", bench::peakFlops(options.threads),
                bench::copyBandwidth(options.threads, int64_t{1} << 28));
    for (const Case& one : cases.cases) {
        for (const auto& library : modules) {
            if (!timeCase(one, *library, options)) {
                return 1;
            }
        }
    }
    return 0;
}
