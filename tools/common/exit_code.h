// The exit codes of the tools, documented in every --help, and the error that carries one.
// Used by all verbs.
#pragma once

#include <stdexcept>
#include <string>

namespace tenon::tools {

enum class ExitCode : int {
    kOk = 0,
    kWrong = 1, // the answer is wrong, or the build failed
    kUsage = 2,
    kBadInput = 3,    // a model, plan or data file is missing or damaged
    kEnvironment = 4, // a module, device or permission is missing
    kStopped = 130,   // Ctrl-C, as shells count it
};

inline constexpr const char* kExitCodesHelp =
    "Exit codes: 0 ok; 1 the answer is wrong or the build failed; 2 usage; 3 "
    "bad input file; 4 environment (missing module, device or permission); 130 stopped "
    "by Ctrl-C.";

// Ends a verb. The message was not printed yet.
class ToolError : public std::runtime_error {
public:
    ToolError(ExitCode code, const std::string& message) : std::runtime_error(message), mCode(code) {}
    ExitCode code() const { return mCode; }

private:
    ExitCode mCode;
};

} // namespace tenon::tools
