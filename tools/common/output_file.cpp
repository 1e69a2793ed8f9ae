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

// A device, a pipe or a socket.
bool isWrittenInPlace(const std::string& output) {
    std::error_code error;
    return fs::exists(output, error) && !fs::is_regular_file(output, error);
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
    // Devices and pipes are written in place: nothing is made beside them, and folders like /dev take files from root alone. Of a link it is the
    // folder of what it leads to that counts: /dev/stdout may be a file.
    const fs::path resolved = fs::canonical(output, error);
    const std::string target = error ? output : resolved.string();
    if (!isWrittenInPlace(output)) {
        tryToCreateBeside(target);
    }
}

bool isSameFile(const std::string& a, const std::string& b) {
    if (isWrittenInPlace(a)) {
        return false;
    }
    std::error_code error;
    if (fs::equivalent(a, b, error)) {
        return true;
    }
    const fs::path first = fs::weakly_canonical(a, error);
    if (error) {
        return a == b;
    }
    const fs::path second = fs::weakly_canonical(b, error);
    return error ? a == b : first == second;
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
    const bool beside = built.cancelled && fs::is_regular_file(output, error);
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
