// The exit codes of the tools, documented in every --help, and the error that carries one.
// Used by all verbs.
#pragma once

#include "core/support/status.h"

#include <stdexcept>
#include <string>

namespace tenon::tools {

enum class ExitCode : int {
    kOk = 0,
    kWrong = 1,    // the answer is wrong, or the build failed
    kUsage = 2,    // options that contradict themselves, each other or the model: shapes outside a plan's ranges, too
    kBadInput = 3, // a model, plan or data file is missing, damaged or does not fit
    kEnvironment = 4, // a module, device or permission is missing
    kStopped = 130,   // Ctrl-C, as shells count it
};

inline constexpr const char* kExitCodesHelp =
    "Exit codes: 0 ok; 1 the answer is wrong or the build failed; 2 usage, shapes outside a plan's ranges too; 3 "
    "input file missing, damaged or unfit; 4 environment (missing module, device, memory, or permission to read or "
    "write); 130 stopped by Ctrl-C.";

// Of an input file that could not be read or taken.
inline ExitCode exitCodeOf(const support::Status& status) {
    const bool environment =
        status.code() == support::Code::kEnvironment || status.code() == support::Code::kOutOfMemory;
    return environment ? ExitCode::kEnvironment : ExitCode::kBadInput;
}

// Ends a verb. The message was not printed yet.
class ToolError : public std::runtime_error {
public:
    ToolError(ExitCode code, const std::string& message) : std::runtime_error(message), mCode(code) {}
    ExitCode code() const { return mCode; }

private:
    ExitCode mCode;
};

} // namespace tenon::tools
