// Times of steps, for whoever asks: the API's IProfiler, tools.
// Used by context_state. Knows names and numbers only.
#pragma once

#include <string_view>

namespace tenon::runtime {

/// Told the time of every step that ran, in launch order, after each enqueue. Called on the enqueuing thread.
struct StepProfiler {
    void* context = nullptr;
    void (*report)(void* context, std::string_view stepName, float milliseconds) = nullptr;
};

} // namespace tenon::runtime
