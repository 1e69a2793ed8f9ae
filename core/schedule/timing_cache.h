// Measured times of tactics, kept between builds.
// Used by the tactic timer and the API's ITimingCache. Knows texts and numbers: no kernel, no graph.
//
// target fingerprint -> task key -> tactic (provider, provider version, name and ports) -> samples. Every candidate's time is kept, so that new
// constraints select again without measuring. Text form: one JSON document; other versions and damage are refused as a whole with a reason
// and the caller starts empty. A miss is never an error and has a reason. Whole plans that ran in turns (plan_race) are the tactics of a provider "plan"
// for a task that names both.
// Threads: one at a time.
#pragma once

#include "core/support/status.h"

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace tenon::schedule {

struct TimingKey {
    std::string target; // fingerprint, threads included
    std::string task;   // hash of the task's canonical text
    std::string provider;
    std::string version; // provider's and its library's
    std::string tactic;  // id, name and ports
};

// What comparing a tactic with the reference backend found: the largest differences. It speaks of the module's file of that moment: a version
// is what somebody wrote down, and a rebuilt kernel with the same one may be wrong.
struct VerifiedRecord {
    double maxAbs = 0;
    double maxRel = 0;
    std::string module; // hash of the file's bytes
    // By extents of the profile (ComparisonPoint::name) why it was not compared there, or nothing where it was.
    std::map<std::string, std::string> at = {};
};

struct TimingRecord {
    double us = 0;     // lower quartile of the samples, times `factor`
    double spread = 0; // (median - us) / us
    int32_t samples = 0;
    std::string failure;                    // not empty: the tactic failed with this reason and has no time
    std::optional<VerifiedRecord> verified; // once it was compared and found right
    bool disturbed = false; // other work took processors away from most samples: the time may be too large
    bool together = false;  // its task was timed in turns with others as well
    double factor = 1;      // of that moment over the one of the samples
    double aloneUs() const { return us / factor; }
};

enum class MissReason : uint8_t { kNone, kTarget, kTask, kVersion, kTactic };
const char* nameOf(MissReason reason);

class TimingCache {
public:
    // Null with the reason where nothing is known.
    const TimingRecord* find(const TimingKey& key, MissReason& reason) const;
    void insert(const TimingKey& key, const TimingRecord& record);
    // Entries of `other` that are missing here are added; with `overwrite` they replace ours.
    // Error: the two speak of other targets and `strictTarget` asks for equal ones.
    support::Status merge(const TimingCache& other, bool overwrite, bool strictTarget = false);
    void clear() { mTargets.clear(); }
    size_t size() const;
    bool empty() const { return mTargets.empty(); }

    std::string serialize() const; // the same entries give the same bytes
    static support::Result<TimingCache> deserialize(std::string_view text);

    // What text is that deserialize() refuses: whoever would write over it must know whether anybody loses something.
    enum class Refused : uint8_t {
        kOther,    // no timing cache, as far as can be told
        kBroken,   // one that was cut off or changed, and that no version can read
        kUnusable, // one with something else in it than this version reads: of another version, say
    };
    static Refused whyRefused(std::string_view text);

    // Reads a file that may not exist (then empty). Damage is an error; the caller decides to go on empty.
    static support::Result<TimingCache> load(const std::string& path);
    support::Status save(const std::string& path) const; // atomic

private:
    struct TacticTimes {
        std::string version;
        std::map<std::string, TimingRecord> tactics;
    };
    using Providers = std::map<std::string, TacticTimes>;
    std::map<std::string, std::map<std::string, Providers>> mTargets;
};

} // namespace tenon::schedule
