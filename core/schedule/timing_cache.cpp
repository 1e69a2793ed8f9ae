#include "core/schedule/timing_cache.h"

#include "core/schedule/times_json.h"
#include "core/schedule/verdict_json.h"
#include "core/support/file_map.h"

#include <nlohmann/json.hpp>

#include <filesystem>

namespace tenon::schedule {

namespace {

constexpr int kCacheFormat = 1;
constexpr const char* kFormatKey = "tenon_timing_cache";
constexpr std::string_view kBeginning =
    "{\n \"targets\": {"; // of what serialize() writes; the format stands at the end
using Json = nlohmann::json;

} // namespace

const char* nameOf(MissReason reason) {
    switch (reason) {
    case MissReason::kNone:
        return "hit";
    case MissReason::kTarget:
        return "no times for this target";
    case MissReason::kTask:
        return "no times for this task";
    case MissReason::kVersion:
        return "times are of another version of the provider";
    case MissReason::kTactic:
        return "no time for this tactic";
    }
    return "";
}

const TimingRecord* TimingCache::find(const TimingKey& key, MissReason& reason) const {
    auto target = mTargets.find(key.target);
    if (target == mTargets.end()) {
        reason = MissReason::kTarget;
        return nullptr;
    }
    auto task = target->second.find(key.task);
    if (task == target->second.end()) {
        reason = MissReason::kTask;
        return nullptr;
    }
    auto provider = task->second.find(key.provider);
    if (provider == task->second.end()) {
        reason = MissReason::kTactic;
        return nullptr;
    }
    if (provider->second.version != key.version) {
        reason = MissReason::kVersion;
        return nullptr;
    }
    auto tactic = provider->second.tactics.find(key.tactic);
    if (tactic == provider->second.tactics.end()) {
        reason = MissReason::kTactic;
        return nullptr;
    }
    reason = MissReason::kNone;
    return &tactic->second;
}

void TimingCache::insert(const TimingKey& key, const TimingRecord& record) {
    TacticTimes& times = mTargets[key.target][key.task][key.provider];
    if (times.version != key.version) {
        // Times of another version say nothing about this one.
        times.version = key.version;
        times.tactics.clear();
    }
    times.tactics[key.tactic] = record;
}

support::Status TimingCache::merge(const TimingCache& other, bool overwrite, bool strictTarget) {
    if (strictTarget && !empty() && !other.empty()) {
        for (const auto& [target, tasks] : other.mTargets) {
            if (!mTargets.count(target)) {
                return support::invalidArgument("timing caches are of different targets: the other has ", target,
                                                "; combine with ignoreMismatch to keep both");
            }
        }
    }
    for (const auto& [target, tasks] : other.mTargets) {
        for (const auto& [task, providers] : tasks) {
            for (const auto& [provider, times] : providers) {
                auto& mine = mTargets[target][task];
                auto known = mine.find(provider);
                if (known == mine.end() || (known->second.version != times.version && overwrite)) {
                    mine[provider] = times;
                } else if (known->second.version == times.version) {
                    for (const auto& [tactic, record] : times.tactics) {
                        if (overwrite || !known->second.tactics.count(tactic)) {
                            known->second.tactics[tactic] = record;
                        }
                    }
                }
            }
        }
    }
    return {};
}

size_t TimingCache::size() const {
    size_t count = 0;
    for (const auto& [target, tasks] : mTargets) {
        for (const auto& [task, providers] : tasks) {
            for (const auto& [provider, times] : providers) {
                count += times.tactics.size();
            }
        }
    }
    return count;
}

std::string TimingCache::serialize() const {
    Json targets = Json::object();
    for (const auto& [target, tasks] : mTargets) {
        Json tasksJson = Json::object();
        for (const auto& [task, providers] : tasks) {
            Json providersJson = Json::object();
            for (const auto& [provider, times] : providers) {
                Json tactics = Json::object();
                for (const auto& [tactic, record] : times.tactics) {
                    if (record.failure.empty()) {
                        Json& json = tactics[tactic];
                        json = {{"us", record.us}, {"spread", record.spread}, {"samples", record.samples}};
                        if (record.disturbed) {
                            json["disturbed"] = true;
                        }
                        if (record.together) {
                            json["together"] = true;
                            json["factor"] = record.factor;
                        }
                        if (record.verified) {
                            json["verified"] = verdictJson<Json>(*record.verified);
                        }
                    } else {
                        tactics[tactic] = {{"failure", record.failure}};
                    }
                }
                providersJson[provider] = {{"version", times.version}, {"tactics", std::move(tactics)}};
            }
            tasksJson[task] = std::move(providersJson);
        }
        targets[target] = std::move(tasksJson);
    }
    Json document = {{kFormatKey, kCacheFormat}, {"targets", std::move(targets)}};
    return document.dump(1, ' ', false, Json::error_handler_t::replace) + "\n";
}

support::Result<TimingCache> TimingCache::deserialize(std::string_view text) {
    TimingCache cache;
    if (text.empty()) {
        return cache;
    }
    TN_ASSIGN_OR_RETURN(const Json document, parseTimes(text, "timing cache"));
    // The exception is nlohmann's way to report damage; it does not leave this function.
    try {
        if (!document.is_object() || !document.contains(kFormatKey)) {
            return support::invalidFile("not a Tenon timing cache: the key \"", kFormatKey, "\" is missing");
        }
        int format = document.at(kFormatKey).get<int>();
        if (format != kCacheFormat) {
            return support::invalidFile("timing cache has format ", format, ", this version reads ", kCacheFormat,
                                        "; delete it to start anew");
        }
        for (const auto& [target, tasks] : document.at("targets").items()) {
            for (const auto& [task, providers] : tasks.items()) {
                for (const auto& [provider, times] : providers.items()) {
                    for (const auto& [tactic, json] : times.at("tactics").items()) {
                        TimingRecord record;
                        if (json.contains("failure")) {
                            record.failure = json.at("failure").get<std::string>();
                        } else {
                            record.us = json.at("us").get<double>();
                            record.spread = json.value("spread", 0.0);
                            record.samples = json.value("samples", 0);
                            record.disturbed = json.value("disturbed", false);
                            record.together = json.value("together", false);
                            record.factor = json.value("factor", 1.0);
                            if (const auto verified = json.find("verified"); verified != json.end()) {
                                record.verified = verdictOf(*verified);
                            }
                            if (!(record.us >= 0)) {
                                return support::invalidFile("timing cache has a negative time for tactic ", tactic,
                                                            " of task ", task);
                            }
                        }
                        cache.insert({target, task, provider, times.at("version").get<std::string>(), tactic}, record);
                    }
                }
            }
        }
    } catch (const Json::exception& error) {
        return support::invalidFile("timing cache is damaged: ", error.what());
    }
    return cache;
}

TimingCache::Refused TimingCache::whyRefused(std::string_view text) {
    const support::Result<Json> document = parseTimes(text, "");
    if (document.ok()) {
        return document->is_object() && document->contains(kFormatKey) ? Refused::kUnusable : Refused::kOther;
    }
    return text.starts_with(kBeginning) && !Json::accept(text) ? Refused::kBroken : Refused::kOther;
}

support::Result<TimingCache> TimingCache::load(const std::string& path) {
    std::error_code ignored;
    if (!std::filesystem::exists(path, ignored)) {
        return TimingCache();
    }
    TN_ASSIGN_OR_RETURN(support::FileMap file, support::FileMap::open(path));
    support::Result<TimingCache> cache = deserialize(file.text());
    if (!cache.ok()) {
        return cache.status().withContext(support::cat("while reading timing cache ", path));
    }
    return cache;
}

support::Status TimingCache::save(const std::string& path) const {
    return support::writeFileAtomically(path, serialize());
}

} // namespace tenon::schedule
