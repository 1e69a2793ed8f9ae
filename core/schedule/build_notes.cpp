#include "core/schedule/build_notes.h"

#include "core/schedule/tactic_timer.h"
#include "core/schedule/verification.h"
#include "core/support/text.h"

#include <algorithm>

namespace tenon::schedule {

namespace {

using support::cat;

struct Floats {
    bool any = false;     // some task reads or writes f32
    bool offered = false; // some tactic keeps it in the type
};

Floats floatsKeptIn(ir::DataType type, const std::vector<RegionEntry>& regions) {
    Floats found;
    const auto look = [&](const std::vector<ir::Value*>& values, const std::vector<PortLayout>* ports) {
        for (size_t i = 0; i < values.size(); ++i) {
            if (values[i]->type().dtype == ir::DataType::kF32) {
                found.any = true;
                found.offered =
                    found.offered || (ports != nullptr && (*ports)[i].dtype == static_cast<TnDataType>(type));
            }
        }
    };
    for (const RegionEntry& region : regions) {
        const ir::Graph& body = region.task->body();
        look(body.inputs(), nullptr);
        for (const Candidate& candidate : region.task->candidates) {
            look(body.inputs(), &candidate.tactic.inputs);
            look(body.outputs(), &candidate.tactic.outputs);
        }
    }
    return found;
}

bool allows(const PrecisionOptions& precision, ir::DataType type) {
    return !precision.stronglyTyped && (precision.computeTypes >> static_cast<uint32_t>(type) & 1U) != 0;
}

} // namespace

std::vector<std::string> notesOfUnusedTypes(const BuildContext& context, const PrecisionOptions& asked,
                                            const std::vector<RegionEntry>& regions) {
    std::vector<std::string> notes;
    const bool hasBf16 = context.host().json.find("\"avx512_bf16\"") != std::string::npos;
    for (const ir::DataType type : {ir::DataType::kF16, ir::DataType::kBF16}) {
        if (context.targets.size() > 1 || !allows(asked, type)) {
            continue;
        }
        if (const Floats floats = floatsKeptIn(type, regions); !floats.any || floats.offered) {
            continue;
        }
        const bool half = type == ir::DataType::kF16;
        const bool someLeftOut = !context.options->providers.empty() || !context.options->forbiddenProviders.empty();
        const bool bf16Helps = half && hasBf16 && !allows(asked, ir::DataType::kBF16);
        notes.push_back(cat(half ? "kFP16 (--fp16)" : "kBF16 (--bf16)", " has no effect: nothing keeps f32 tensors in ",
                            ir::nameOf(type), " on this CPU",
                            bf16Helps     ? "; kBF16 (--bf16) may have one, this processor has AVX-512 BF16"
                            : half        ? "; that is for GPUs"
                            : !hasBf16    ? "; that is for processors with AVX-512 BF16, and for GPUs"
                            : someLeftOut ? "; this processor has AVX-512 BF16, and backends that --backend "
                                            "(setTacticProviders) leaves out may use it"
                                          : "; this processor has AVX-512 BF16, and no module that is loaded uses it "
                                            "here: `tenon modules` lists them"));
    }
    return notes;
}

void reportTimes(const TacticTimer& timer, const support::Logger& log) {
    log.info("times of tactics: ", timer.cacheHits(), " from the timing cache (", timer.disturbedHits(),
             " of them measured under load), ", timer.measured(), " measured now (", timer.retimed(),
             " of them since what the cache has was measured under load); ", timer.together(),
             " tasks timed again in turns, since a fusion seemed slower than its parts");
    if (timer.disturbed() * 10 > timer.measured()) {
        log.warning("other work kept the processors busy while ", timer.disturbed(), " of ", timer.measured(),
                    " tactics were timed: the plan may be slower than it could be. Build it on an idle machine, or "
                    "again: with the same timing cache a build measures only these anew");
    }
    if (timer.disturbedHits() * 10 > timer.cacheHits()) {
        log.warning(timer.disturbedHits(), " of ", timer.cacheHits(),
                    " times from the timing cache were measured while other work kept the processors busy: the plan "
                    "may be slower than it could be. A build on an idle machine measures them again");
    }
}

std::string textOfUncompared(const VerificationMap& results) {
    size_t count = 0;
    std::string reason;
    for (const auto& [key, found] : results) {
        if (found.verdict == Verdict::kNotVerified && found.reason != Verifier::kIsReference &&
            found.reason != Verifier::kIsPacked) {
            reason = count++ == 0 ? found.reason : reason;
        }
    }
    return count == 0 ? std::string()
                      : cat(count, " of ", results.size(), " chosen tactics ", count == 1 ? "was" : "were",
                            " not compared with the reference backend; the first because: ", reason);
}

std::string textOfGaps(const VerificationMap& results) {
    size_t compared = 0;
    size_t count = 0;
    std::string first;
    for (const auto& [key, found] : results) {
        if (found.verdict != Verdict::kVerified) {
            continue;
        }
        ++compared;
        const auto gap = std::find_if(found.record.at.begin(), found.record.at.end(),
                                      [](const auto& at) { return !at.second.empty(); });
        if (gap != found.record.at.end()) {
            first = count++ == 0 ? cat("the ", gap->first, ", ", gap->second) : first;
        }
    }
    if (count == 0) {
        return {};
    }
    const size_t all = results.size();
    const std::string subject = all == 1 ? "the chosen tactic was"
                                : compared == all
                                    ? cat("all ", all, " chosen tactics were")
                                    : cat(compared, " of ", all, " chosen tactics ", compared == 1 ? "was" : "were");
    const std::string where = compared == 1       ? "but not everywhere"
                              : count == compared ? "none of them everywhere"
                                                  : cat(count, " of them not everywhere");
    return cat(subject, " compared with the reference backend, ", where,
               " in the profile; `tenon explain` says where. ", count == 1 ? "It" : "The first",
               " was not compared at ", first);
}

std::string noteOfLevel(int32_t level) {
    return level > 0 ? std::string()
                     : "level 0 timed no kernel: the plan is for trials, and often many times slower than that of "
                       "level 3, the default";
}

} // namespace tenon::schedule
