#include "tools/common/pipe_input.h"

#include "core/support/file_map.h"
#include "core/support/text.h"
#include "tools/common/exit_code.h"

#include <cerrno>
#include <cstring>
#include <filesystem>

#include <sys/mman.h>
#include <unistd.h>

namespace tenon::tools {

namespace fs = std::filesystem;

std::string keptFile(const std::string& path) {
    std::error_code error;
    if (!fs::is_fifo(path, error) && !fs::is_socket(path, error) && !fs::is_character_file(path, error)) {
        return path;
    }
    const support::Result<support::FileMap> file = support::FileMap::open(path);
    if (!file.ok()) {
        throw ToolError(exitCodeOf(file.status()), file.status().message());
    }
    if (file->size() == 0) {
        throw ToolError(ExitCode::kBadInput, support::cat("'", path, "' is a pipe, and nothing came from it"));
    }
    const int copy = ::memfd_create("tenon input", MFD_CLOEXEC); // open until the end of the process
    size_t written = 0;
    while (copy >= 0 && written < file->size()) {
        const ssize_t done = ::write(copy, file->data() + written, file->size() - written);
        if (done < 0 && errno != EINTR) {
            break;
        }
        written += done > 0 ? static_cast<size_t>(done) : 0;
    }
    if (written < file->size()) {
        throw ToolError(ExitCode::kEnvironment,
                        support::cat("'", path, "' is a pipe, and cannot be kept in memory: ", std::strerror(errno)));
    }
    return support::cat("/proc/self/fd/", copy);
}

} // namespace tenon::tools
