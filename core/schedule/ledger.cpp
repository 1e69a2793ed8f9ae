#include "core/schedule/ledger.h"

#include "core/schedule/copy_costs.h"
#include "core/schedule/verdict_json.h"
#include "core/schedule/verification.h"
#include "core/support/text.h"

#include <nlohmann/json.hpp>

#include <algorithm>

namespace tenon::schedule {

namespace {

using Json = nlohmann::ordered_json;
constexpr int kLedgerFormat = 1;
constexpr const char* kShapeProgram = "shape program"; // stands where there is no provider

// Shortest text that reads back to the same double, so that a replay writes the same bytes.
Json portsJson(const std::vector<PortLayout>& ports) {
    Json list = Json::array();
    for (const PortLayout& port : ports) {
        list.push_back(toText(port));
    }
    return list;
}

class LedgerWriter {
public:
    LedgerWriter(const BuildContext& context, const VerificationMap& verified)
        : mContext(context), mVerified(verified) {}

    Json task(const Task& task) {
        Json json;
        json["key"] = task.key();
        json["op"] = task.label();
        Json candidates = Json::array();
        std::vector<const Candidate*> sorted;
        for (const Candidate& candidate : task.candidates) {
            sorted.push_back(&candidate);
        }
        std::stable_sort(sorted.begin(), sorted.end(), [](const Candidate* a, const Candidate* b) {
            auto cost = [](const Candidate* c) { return c->state == CandidateState::kTimed ? c->time.us : 1e30; };
            return cost(a) < cost(b);
        });
        for (const Candidate* candidate : sorted) {
            candidates.push_back(this->candidate(task, *candidate));
        }
        json["candidates"] = std::move(candidates);
        Json rejections = Json::array();
        for (const Rejection& rejection : task.rejections) {
            rejections.push_back({{"provider", rejection.provider}, {"reason", rejection.reason}});
        }
        json["rejections"] = std::move(rejections);
        return json;
    }

    Json profile(const ProfileDecisions& decisions) {
        Json json;
        const SelectionStatistics& statistics = decisions.selection.statistics;
        json["proven"] = decisions.selection.proven;
        json["predicted_us"] = decisions.selection.totalCost;
        double conversions = 0;
        for (const MaterialisedValue& value : decisions.selection.values) {
            for (const FormatConversion& conversion : value.conversions) {
                conversions += conversion.cost;
            }
        }
        json["conversions_us"] = conversions; // of that
        Json spared = Json::array();
        for (const ProviderGain& gain : decisions.spared) {
            Json entry = {{"provider", mContext.snapshot->providers()[static_cast<size_t>(gain.provider)].name},
                          {"us", gain.withUs},
                          {"us_without", gain.withoutUs}};
            if (gain.runs) {
                entry["run_us"] = gain.runs->withUs;
                entry["run_us_without"] = gain.runs->withoutUs;
            }
            spared.push_back(std::move(entry));
        }
        json["left_out"] = std::move(spared);
        json["solver"] = {
            {"method", statistics.method == SelectionMethod::kElimination ? "elimination" : "greedy cover"},
            {"largest_table", statistics.largestTable},
            {"rounds", statistics.rounds}};
        std::map<int32_t, int32_t> chosen;
        for (const ChosenCandidate& choice : decisions.selection.chosen) {
            chosen[choice.region] = choice.candidate;
        }
        Json regions = Json::array();
        for (const RegionEntry& region : *decisions.regions) {
            Json entry;
            entry["label"] = region.label;
            Json nodes = Json::array();
            ir::SourceSet sources;
            for (const ir::Node* node : region.nodes) {
                nodes.push_back(node->name());
                sources.merge(node->source());
            }
            entry["nodes"] = std::move(nodes);
            entry["sources"] = sources.names();
            entry["task"] = region.task->key();
            auto choice = chosen.find(region.id);
            entry["chosen"] = choice != chosen.end();
            if (choice != chosen.end()) {
                int32_t index = decisions.builder->taskCandidate(choice->second);
                if (index == SelectionBuilder::kHostShape) {
                    entry["tactic"] = {{"provider", kShapeProgram}, {"name", "integers known from the input shapes"}};
                } else {
                    const Candidate& candidate = region.task->candidates[static_cast<size_t>(index)];
                    entry["tactic"] = {{"provider", providerName(candidate)},
                                       {"name", candidate.tactic.name},
                                       {"key", candidate.tactic.key()}};
                    if (region.isSingle() && decisions.views.count(region.nodes[0])) {
                        entry["view"] = true;
                    } else if (candidate.state == CandidateState::kTimed) {
                        entry["us"] = candidate.time.us;
                        if (candidate.time.disturbed) {
                            entry["disturbed"] = true;
                        }
                    } else if (candidate.tactic.estimateUs > 0) {
                        entry["estimate_us"] = candidate.tactic.estimateUs;
                    }
                    if (Json swaps = swapsOf(decisions, region); !swaps.empty()) {
                        entry["faster_alone"] = std::move(swaps);
                    }
                }
            }
            regions.push_back(std::move(entry));
        }
        json["regions"] = std::move(regions);
        return json;
    }

private:
    std::string providerName(const Candidate& candidate) const {
        return mContext.snapshot->providers()[static_cast<size_t>(candidate.provider)].name;
    }

    // What its layouts would cost, of each tactic that takes less time than the chosen one.
    Json swapsOf(const ProfileDecisions& decisions, const RegionEntry& region) const {
        Json list = Json::array();
        for (const SwapCost& swap : decisions.swaps) {
            const int32_t index = decisions.builder->taskCandidate(swap.candidate);
            if (swap.region != region.id || index == SelectionBuilder::kHostShape) {
                continue;
            }
            const Candidate& candidate = region.task->candidates[static_cast<size_t>(index)];
            Json entry = {{"provider", providerName(candidate)}, {"key", candidate.tactic.key()}};
            if (swap.cost < kUnreachable) {
                entry["conversions_us"] = swap.cost;
            }
            Json conversions = Json::array();
            for (const ValueConversion& each : swap.conversions) {
                const ValueFormats& value = decisions.builder->value(each.value);
                conversions.push_back({{"value", value.value->name()},
                                       {"from", toText(value.formats[static_cast<size_t>(each.from)])},
                                       {"to", toText(value.formats[static_cast<size_t>(each.to)])},
                                       {"us", each.cost}});
            }
            entry["conversions"] = std::move(conversions);
            list.push_back(std::move(entry));
        }
        return list;
    }

    Json candidate(const Task& task, const Candidate& candidate) {
        Json json;
        json["provider"] = providerName(candidate);
        json["version"] = mContext.snapshot->providers()[static_cast<size_t>(candidate.provider)].version;
        if (candidate.placement != TN_PLACEMENT_HOST) {
            json["on"] = mContext.targetAt(candidate.placement).fingerprint;
        }
        json["name"] = candidate.tactic.name;
        json["key"] = candidate.tactic.key();
        json["inputs"] = portsJson(candidate.tactic.inputs);
        json["outputs"] = portsJson(candidate.tactic.outputs);
        switch (candidate.state) {
        case CandidateState::kOpen:
            json["state"] = "not timed";
            break;
        case CandidateState::kTimed:
            json["state"] = "timed";
            break;
        case CandidateState::kFailed:
            json["state"] = "failed";
            break;
        case CandidateState::kWrong:
            json["state"] = "wrong";
            break;
        }
        if (candidate.time.samples > 0) {
            json["us"] = candidate.time.us;
            json["spread"] = candidate.time.spread;
            json["samples"] = candidate.time.samples;
            if (candidate.time.disturbed) {
                json["disturbed"] = true;
            }
        } else if (candidate.tactic.estimateUs > 0) {
            json["estimate_us"] = candidate.tactic.estimateUs;
        }
        if (!candidate.reason.empty()) {
            json["reason"] = candidate.reason;
        }
        auto verification = mVerified.find(verificationKey(mContext, task, candidate));
        if (verification != mVerified.end()) {
            const Verification& found = verification->second;
            switch (found.verdict) {
            case Verdict::kVerified:
                json["verified"] = verdictJson<Json>(found.record);
                break;
            case Verdict::kNotVerified:
                json["unverified"] = found.reason;
                break;
            case Verdict::kWrong:
                json["wrong"] = found.reason;
                break;
            }
        }
        return json;
    }

    const BuildContext& mContext;
    const VerificationMap& mVerified;
};

} // namespace

std::string ledgerJson(const BuildContext& context, const PrecisionOptions& asked,
                       const std::vector<ProfileDecisions>& profiles,
                       const std::vector<std::shared_ptr<Task>>& conversionTasks,
                       const std::map<std::string, TimingRecord>& copies, const VerificationMap& verified,
                       const std::vector<std::string>& notes) {
    LedgerWriter writer(context, verified);
    Json document;
    document["tenon_ledger"] = kLedgerFormat;
    document["level"] = context.options->level;
    Json types = Json::array(); // beside f32
    for (const auto& [bit, name] : {std::pair(uint64_t{1} << TN_BF16, "bf16"), std::pair(uint64_t{1} << TN_F16, "f16"),
                                    std::pair(TN_COMPUTE_TF32, "tf32")}) {
        if ((asked.computeTypes & bit) != 0) {
            types.push_back(name);
        }
    }
    document["types"] = std::move(types);
    document["target"] = context.host().fingerprint;
    document["threads"] = context.host().threads;
    Json devices = Json::array();
    for (size_t t = 1; t < context.targets.size(); ++t) {
        const Target& target = context.targets[t];
        devices.push_back({{"backend", target.backend}, {"fingerprint", target.fingerprint}});
    }
    document["devices"] = std::move(devices);
    Json copyList = Json::array();
    for (const auto& [point, record] : copies) {
        copyList.push_back(
            {{"copy", point}, {"us", record.us}, {"spread", record.spread}, {"samples", record.samples}});
    }
    document["copies"] = std::move(copyList);
    document["notes"] = notes;
    document["held_layers"] = std::any_of(profiles.begin(), profiles.end(), [](const ProfileDecisions& profile) {
        return std::any_of(profile.regions->begin(), profile.regions->end(),
                           [](const RegionEntry& region) { return region.precision.has_value(); });
    });
    Json modules = Json::array();
    for (const registry::ProviderEntry& entry : context.snapshot->providers()) {
        modules.push_back({{"provider", entry.name}, {"version", entry.version}, {"rank", entry.rank}});
    }
    document["providers"] = std::move(modules);
    Json profileList = Json::array();
    std::map<std::string, const Task*> tasks;
    for (const ProfileDecisions& profile : profiles) {
        profileList.push_back(writer.profile(profile));
        for (const RegionEntry& region : *profile.regions) {
            tasks.emplace(region.task->key(), region.task.get());
        }
    }
    document["profiles"] = std::move(profileList);
    Json taskList = Json::array();
    for (const auto& [key, task] : tasks) {
        taskList.push_back(writer.task(*task));
    }
    document["tasks"] = std::move(taskList);
    Json conversionList = Json::array();
    for (const std::shared_ptr<Task>& task : conversionTasks) {
        conversionList.push_back(writer.task(*task));
    }
    document["conversions"] = std::move(conversionList);
    return document.dump(1, ' ', false, Json::error_handler_t::replace) + "\n";
}

support::Result<TimingCache> timesOf(const std::string& ledger) {
    TimingCache cache;
    // The exception is nlohmann's way to report damage; it does not leave this function.
    try {
        Json document = Json::parse(ledger);
        if (document.at("tenon_ledger").get<int>() != kLedgerFormat) {
            return support::invalidFile("the ledger has format ", document.at("tenon_ledger").get<int>(),
                                        ", this version replays ", kLedgerFormat);
        }
        std::string target = document.at("target").get<std::string>();
        for (const char* list : {"tasks", "conversions"}) {
            for (const Json& task : document.at(list)) {
                for (const Json& candidate : task.at("candidates")) {
                    TimingRecord record;
                    if (candidate.contains("us")) {
                        record.us = candidate.at("us").get<double>();
                        record.spread = candidate.at("spread").get<double>();
                        record.samples = candidate.at("samples").get<int32_t>();
                        record.disturbed = candidate.value("disturbed", false);
                        if (const auto verified = candidate.find("verified"); verified != candidate.end()) {
                            record.verified = verdictOf(*verified);
                        }
                    } else if (candidate.at("state") == "failed") {
                        record.failure = candidate.at("reason").get<std::string>();
                    } else {
                        continue;
                    }
                    cache.insert({candidate.value("on", target), task.at("key").get<std::string>(),
                                  candidate.at("provider").get<std::string>(),
                                  candidate.at("version").get<std::string>(), candidate.at("key").get<std::string>()},
                                 record);
                }
            }
        }
        // Of the one device that a plan has.
        for (const Json& device : document.value("devices", Json::array())) {
            for (const Json& copy : document.value("copies", Json::array())) {
                TimingRecord record;
                record.us = copy.at("us").get<double>();
                record.spread = copy.at("spread").get<double>();
                record.samples = copy.at("samples").get<int32_t>();
                Target where;
                where.backend = device.at("backend").get<std::string>();
                where.fingerprint = device.at("fingerprint").get<std::string>();
                cache.insert(CopyCosts::keyOf(where, copy.at("copy").get<std::string>()), record);
            }
        }
    } catch (const Json::exception& error) {
        return support::invalidFile("not a decision ledger: ", error.what());
    }
    return cache;
}

support::Status requireProviders(const std::string& ledger, const std::vector<std::string>& providers) {
    std::vector<std::string> missing;
    try { // as in timesOf
        const Json document = Json::parse(ledger);
        for (const Json& profile : document.at("profiles")) {
            for (const Json& region : profile.at("regions")) {
                const std::string provider =
                    region.contains("tactic") ? region.at("tactic").at("provider").get<std::string>() : std::string();
                const auto isIn = [&](const std::vector<std::string>& names) {
                    return std::find(names.begin(), names.end(), provider) != names.end();
                };
                if (!provider.empty() && provider != kShapeProgram && !isIn(providers) && !isIn(missing)) {
                    missing.push_back(provider);
                }
            }
        }
    } catch (const Json::exception& error) {
        return support::invalidFile("not a decision ledger: ", error.what());
    }
    return missing.empty()
               ? support::Status()
               : support::unsupported("the plan that is replayed has tactics of ", support::join(missing, ", "),
                                      ", which may not be used here or is not loaded");
}

support::Result<std::vector<ProviderGain>> sparedOf(const std::string& ledger,
                                                    const std::vector<registry::ProviderEntry>& providers) {
    std::vector<ProviderGain> gains;
    try { // as in timesOf
        const Json document = Json::parse(ledger);
        for (const Json& profile : document.at("profiles")) {
            for (const Json& spared : profile.value("left_out", Json::array())) {
                const auto named =
                    std::find_if(providers.begin(), providers.end(), [&](const registry::ProviderEntry& each) {
                        return each.name == spared.at("provider").get<std::string>();
                    });
                if (named != providers.end()) {
                    ProviderGain gain{static_cast<int32_t>(named - providers.begin()), spared.at("us").get<double>(),
                                      spared.at("us_without").get<double>(), true, std::nullopt};
                    if (spared.contains("run_us")) {
                        gain.runs =
                            RunTimes{spared.at("run_us").get<double>(), spared.at("run_us_without").get<double>()};
                    }
                    gains.push_back(gain);
                }
            }
        }
    } catch (const Json::exception& error) {
        return support::invalidFile("not a decision ledger: ", error.what());
    }
    return gains;
}

} // namespace tenon::schedule
