#include "tools/common/host_threads.h"

#include "core/support/text.h"
#include "registry/host_backend.h"
#include "tools/common/exit_code.h"

#include <sched.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace tenon::tools {

void restrictTo(const std::vector<int32_t>& processors) {
    if (processors.empty()) {
        return;
    }
    cpu_set_t usable;
    CPU_ZERO(&usable);
    sched_getaffinity(0, sizeof(usable), &usable);
    cpu_set_t wanted;
    CPU_ZERO(&wanted);
    for (const int32_t processor : processors) {
        if (processor < 0 || processor >= CPU_SETSIZE || !CPU_ISSET(static_cast<size_t>(processor), &usable)) {
            throw ToolError(ExitCode::kUsage, support::cat("--affinity: this process may not use processor ", processor,
                                                           "; it may use ", CPU_COUNT(&usable), " processors"));
        }
        CPU_SET(static_cast<size_t>(processor), &wanted);
    }
    if (sched_setaffinity(0, sizeof(wanted), &wanted) != 0) {
        throw ToolError(ExitCode::kUsage, support::cat("--affinity: ", std::strerror(errno)));
    }
}

void checkThreadCount(const char* option, int32_t threads, ConsoleLogger& logger) {
    // Some more than there are is what a test of a larger machine asks for.
    constexpr int32_t kAlwaysAllowed = 64;
    const int32_t cores = registry::hostDescription().cores;
    const int32_t limit = std::max(kAlwaysAllowed, 4 * cores);
    if (threads > limit) {
        throw ToolError(ExitCode::kUsage, support::cat(option, " ", threads, ": this process may use ", cores,
                                                       cores == 1 ? " core" : " cores", ", and more than ", limit,
                                                       " threads only wait for each other; 0 takes one per core"));
    }
    if (threads > cores) {
        logger.warn(support::cat(option, " ", threads, ": this process may use ", cores,
                                 cores == 1 ? " core" : " cores",
                                 "; more threads wait for each other, often for milliseconds"));
    }
}

void pinThisThread(int32_t processor) { restrictTo({processor}); }

} // namespace tenon::tools
