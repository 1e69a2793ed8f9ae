#include "core/support/env.h"

#include <cstdlib>

#include <sys/auxv.h>

namespace tenon::support {

std::optional<std::string> readEnv(const char* name) {
    const char* const value = std::getenv(name);
    return value == nullptr ? std::nullopt : std::optional<std::string>(value);
}

std::optional<std::string> readTrustedEnv(const char* name) {
    return hasElevatedPrivilege() ? std::nullopt : readEnv(name);
}

bool hasElevatedPrivilege() noexcept {
    // The kernel's own verdict: it covers set-uid, set-gid and file capabilities, which comparing ids would not.
    return getauxval(AT_SECURE) != 0;
}

} // namespace tenon::support
