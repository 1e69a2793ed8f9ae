#include "tools/common/output_file.h"

#include "core/support/file_map.h"
#include "core/support/text.h"
#include "tools/common/exit_code.h"

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>

#include <unistd.h>

namespace tenon::tools {

namespace {

namespace fs = std::filesystem;
using support::cat;

[[noreturn]] void refuse(const std::string& output, int why) {
    throw ToolError(ExitCode::kEnvironment, cat("cannot write '", output, "': ", std::strerror(why)));
}

// access() alone says yes to root also where no file can be made (/proc, a file system without room for a name).
void tryToCreateBeside(const std::string& output) {
    std::string probe = output + ".XXXXXX";
    const int file = mkstemp(probe.data());
    if (file < 0) {
        refuse(output, errno);
    }
    close(file);
    unlink(probe.c_str());
}

} // namespace

void checkOutput(const std::string& output, const std::string& input) {
    std::error_code error;
    if (fs::equivalent(output, input, error)) {
        throw ToolError(ExitCode::kUsage, cat("'", output, "' is the model itself; write to another file"));
    }
    if (fs::is_directory(output, error)) {
        refuse(output, EISDIR);
    }
    if (fs::exists(output, error) && access(output.c_str(), W_OK) != 0) {
        refuse(output, errno);
    }
    tryToCreateBeside(output);
}

void checkOutputFolder(const std::string& folder) {
    std::error_code error;
    fs::create_directories(folder, error);
    if (error) {
        refuse(folder, error.value());
    }
    tryToCreateBeside((fs::path(folder) / "output").string());
}

void writeOutput(const std::string& path, std::string_view text) {
    if (const support::Status written = support::writeFileAtomically(path, text); !written.ok()) {
        throw ToolError(ExitCode::kEnvironment, written.message());
    }
}

std::string savePlan(const std::string& output, const BuiltPlan& built) {
    std::error_code error;
    const bool beside = built.cancelled && fs::exists(output, error);
    std::string path = beside ? output + ".stopped" : output;
    writeOutput(path, std::string_view(static_cast<const char*>(built.plan->data()), built.plan->size()));
    return path;
}

std::string stoppedText(const std::string& written, const std::string& wanted) {
    return cat("stopped: '", written,
               "' runs, but not every tactic was timed, and what was chosen after the stop was not compared with the "
               "reference",
               written == wanted ? "" : cat("; '", wanted, "' stays as it was"));
}

} // namespace tenon::tools
