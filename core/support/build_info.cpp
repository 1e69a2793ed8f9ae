#include "core/support/build_info.h"

namespace tenon::support {

// The texts are compile definitions of this file alone, so that a new version recompiles nothing else.
std::string_view versionText() noexcept { return TENON_VERSION_TEXT; }

std::string_view archText() noexcept { return TENON_ARCH_TEXT; }

std::string_view sanitizerText() noexcept { return TENON_SANITIZER_TEXT; }

} // namespace tenon::support
