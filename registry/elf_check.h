// A look at a shared library's headers before the system's loader sees it: a truncated file makes that one crash.
// Used by SharedLibrary. Reads the file, runs nothing of it.
#pragma once

#include "core/support/status.h"

#include <cstddef>
#include <span>

namespace tenon::registry {

/// Ok when the bytes are a whole shared library for this processor as far as its headers tell; kInvalidFile otherwise.
/// Survives any bytes.
support::Status checkSharedLibrary(std::span<const std::byte> file);

} // namespace tenon::registry
