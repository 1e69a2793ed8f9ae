// Leaves tensors in the caches of a team's threads as the steps before and behind a kernel leave them there: each thread has written its part, one part
// behind the other. A kernel that is launched again and again finds all of its operands where its own threads want them, which no network grants it:
// fetching a line that another core has written takes ten times as long as one from the own cache.
// Used by the tactic timer. Knows only bytes.
#pragma once

#include "core/runtime/thread_team.h"

#include <cstddef>
#include <span>

namespace tenon::schedule {

struct DealtBytes {
    std::byte* data = nullptr;
    int64_t bytes = 0;
};

// Contents stay as they are. Nothing is done where the team is one thread.
void dealOut(runtime::ThreadTeam& team, std::span<const DealtBytes> tensors);

} // namespace tenon::schedule
