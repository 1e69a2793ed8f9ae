#include "tools/common/host_threads.h"

#include "core/support/text.h"
#include "tools/common/exit_code.h"

#include <sched.h>

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

void pinThisThread(int32_t processor) { restrictTo({processor}); }

} // namespace tenon::tools
