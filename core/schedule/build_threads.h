// Work of a build that several threads share: compiling kernels, asking providers.
// Used by compiled_kernels and layout_offers. Knows no tactic.
#pragma once

#include <cstddef>
#include <functional>

namespace tenon::schedule {

// Calls work(0) .. work(count - 1), each once, in as many threads as the machine has cores; returns when all have ended. `stopped` is asked in
// the calling thread from time to time: once it says yes, nothing new is begun. Nothing is thrown by `work`.
void inParallel(size_t count, const std::function<void(size_t)>& work, const std::function<bool()>& stopped);

} // namespace tenon::schedule
