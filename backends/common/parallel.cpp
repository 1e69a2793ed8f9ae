#include "backends/common/parallel.h"

namespace tenon::kernels {

namespace {

thread_local const TnThreadTeam* gTeam = nullptr;

} // namespace

TeamScope::TeamScope(const TnThreadTeam* team) : mBefore(gTeam) { gTeam = team; }
TeamScope::~TeamScope() { gTeam = mBefore; }

const TnThreadTeam* currentTeam() { return gTeam; }

void runMembers(int64_t members, void (*body)(void* argument, int32_t member), void* argument) {
    const TnThreadTeam* const team = gTeam;
    const TeamScope within(nullptr); // a team serves one loop at a time: those inside run on their threads
    if (team != nullptr && members <= team->threads) {
        team->run(team->self, static_cast<int32_t>(members), body, argument);
        return;
    }
    for (int32_t member = 0; member < members; ++member) {
        body(argument, member);
    }
}

} // namespace tenon::kernels
