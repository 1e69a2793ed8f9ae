// Models and plans that come through a pipe.
// Used by verbs that read their file more than once: to see what it is, and then as that.
#pragma once

#include <string>

namespace tenon::tools {

// The path itself, or of a pipe (/dev/stdin, the shell's <(command)) that of a copy in memory, which lives as long as the process: a pipe gives its
// bytes once. Throws ToolError where it cannot be read.
std::string keptFile(const std::string& path);

} // namespace tenon::tools
