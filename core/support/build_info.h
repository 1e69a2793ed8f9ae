// What this build of Tenon is. Used by the registry (manifests), plans and tools.
#pragma once

#include <string_view>

namespace tenon::support {

/// "0.1.0"
std::string_view versionText() noexcept;

/// The processor architecture as manifests spell it: "x86_64", "aarch64".
std::string_view archText() noexcept;

/// The sanitizer that everything is instrumented with: "", "address" or "thread".
std::string_view sanitizerText() noexcept;

} // namespace tenon::support
