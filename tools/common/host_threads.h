// The threads that a tool computes with on the host.
// Used by what builds plans and runs them.
#pragma once

#include "tools/common/console.h"

#include <cstdint>
#include <vector>

namespace tenon::tools {

struct HostThreads {
    int32_t count = 0;               // of the build, and of each context; 0: all cores, or as the plan has it
    std::vector<int32_t> processors; // that they are pinned to, in turn; empty: to none
};

// Lets this process run on these processors only; an empty list changes nothing. To be called before anything counts processors.
// Throws ToolError(kUsage).
void restrictTo(const std::vector<int32_t>& processors);
// Many more threads than processors are a slip, and take memory for nothing: throws ToolError(kUsage). `option` says who asked for them.
// Some more are warned of.
void checkThreadCount(const char* option, int32_t threads, ConsoleLogger& logger);
void pinThisThread(int32_t processor);

} // namespace tenon::tools
