// Puts bytes out of the processor's caches, so that what is measured next finds them in memory.
// Used by the tactic timer. Knows only bytes.
#pragma once

#include <cstddef>

namespace tenon::support {

/// False where the processor cannot be told so; then nothing was done. Contents stay as they are. Any thread.
bool flushFromCaches(const void* data, size_t bytes);

} // namespace tenon::support
