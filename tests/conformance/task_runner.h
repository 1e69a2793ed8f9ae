// Runs one tactic of a built task: compiles, reads the bytes back, lays inputs out, launches between guards.
// Used by the conformance runner. Knows no core header.
#pragma once

#include "tests/conformance/task_tactics.h"

#include <cstddef>
#include <functional>
#include <string>
#include <vector>

namespace tenon::conformance {

// A kernel's bytes as compile gave them.
struct CompiledBlob {
    std::string runtime;
    uint32_t version = 0;
    std::vector<std::byte> bytes;
};
// TN_OK, or a code with its reason.
Refusal compileTactic(const ModuleTables& tables, const TnTask& task, const KeptTactic& tactic, int threads,
                      CompiledBlob& blob);
// Makes a kernel of bytes from anywhere, and lets it go again.
TnCode readKernel(const ModuleTables& tables, const CompiledBlob& blob, std::string& reason);
// Compiles, and the bytes are read back: all that can be tried without a device.
std::string compileAndRead(const ModuleTables& tables, const TnTask& task, const KeptTactic& tactic);

struct RunOptions {
    int threads = 1;
    const TnThreadTeam* team = nullptr; // of so many threads; null: one that starts threads for each loop
    bool inPlace = false;               // outputs take over the inputs that the tactic names
    bool time = false;
    double timeMs = 20; // for how long it is timed
    std::function<void(void* data, size_t bytes)>
        beforeTimed; // called with each constant before a launch that is timed
    bool record =
        false; // on a device that records streams, where the tactic allows it: the launch is recorded, then replayed
    CompiledBlob* kept = nullptr; // taken instead of compiling where it is not empty, else filled
};

struct RunResult {
    std::string error;                           // empty, or what went wrong
    std::vector<std::vector<std::byte>> outputs; // per port of the task, linear, in the task's element types
    double microseconds = 0;
};

// `inputs` per port of the task: linear elements.
RunResult runTactic(const ModuleTables& tables, const Case& from, const BuiltTask& task, const KeptTactic& tactic,
                    const std::vector<std::vector<std::byte>>& inputs, const RunOptions& options);

} // namespace tenon::conformance
