#include "core/schedule/dealing.h"

namespace tenon::schedule {

namespace {

constexpr int64_t kLine = 64;
// Less than this is fetched in no time.
constexpr int64_t kFewBytes = 4096;

struct Deal {
    std::span<const DealtBytes> tensors;
    int64_t threads = 1;
};

// Each line of the member's part is written with what it holds.
void deal(void* argument, int32_t member) {
    const Deal& all = *static_cast<const Deal*>(argument);
    for (const DealtBytes& tensor : all.tensors) {
        if (tensor.bytes < kFewBytes) {
            continue;
        }
        const int64_t end = tensor.bytes * (member + 1) / all.threads / kLine * kLine;
        for (int64_t at = tensor.bytes * member / all.threads / kLine * kLine; at < end; at += kLine) {
            volatile std::byte* const line = tensor.data + at;
            *line = *line;
        }
    }
}

} // namespace

void dealOut(runtime::ThreadTeam& team, std::span<const DealtBytes> tensors) {
    if (team.threads() > 1) {
        Deal all{tensors, team.threads()};
        team.run(team.threads(), deal, &all);
    }
}

} // namespace tenon::schedule
