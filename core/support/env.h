// Environment variables, read safely. Used by the registry (module paths), logging and tools.
#pragma once

#include <optional>
#include <string>

namespace tenon::support {

/// The variable's value, or nothing when it is not set.
std::optional<std::string> readEnv(const char* name);

/// As `readEnv`, but nothing when the process runs with more privilege than its user (set-uid, set-gid, capabilities):
/// whoever starts it must not be able to choose what it loads. For paths of modules, plugins and libraries.
std::optional<std::string> readTrustedEnv(const char* name);

/// True when the process runs with more privilege than its user.
bool hasElevatedPrivilege() noexcept;

} // namespace tenon::support
