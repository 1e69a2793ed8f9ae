// What a build's options promise and its plan does not keep, as a user should read it: in the log, and in the plan's notes.
// Used by build_engine, after tactics were enumerated. Decides nothing.
#pragma once

#include "core/schedule/build_context.h"
#include "core/schedule/ledger.h"
#include "core/schedule/regions.h"

#include <string>
#include <vector>

namespace tenon::schedule {

class TacticTimer;

// Of a plan whose build was stopped.
inline constexpr const char* kStoppedNote =
    "the build was stopped: what was not timed by then is ranked by estimates, and what was not compared with the "
    "reference is used all the same";

// Types that were `asked` for (kFP16, kBF16; what the build was given) and that nothing on the host offers a kernel in; a line for each. Empty
// where the plan may use a device, or where there are no f32 tensors.
std::vector<std::string> notesOfUnusedTypes(const BuildContext& context, const PrecisionOptions& asked,
                                            const std::vector<RegionEntry>& regions);

// Where the times of tactics came from, and warnings of other work that was in them. A little always is: the system does something now and then.
void reportTimes(const TacticTimer& timer, const support::Logger& log);

// Of chosen tactics that were not compared with the reference at all; empty: there are none.
std::string textOfUncompared(const VerificationMap& results);

// Of those that were compared, but not everywhere in their profile; empty: there are none.
std::string textOfGaps(const VerificationMap& results);

// What a plan of level 0 is good for; empty for other levels.
std::string noteOfLevel(int32_t level);

} // namespace tenon::schedule
