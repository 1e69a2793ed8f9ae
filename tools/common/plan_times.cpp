#include "tools/common/plan_times.h"

#include "core/support/text.h"
#include "tools/common/text_table.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <cstdio>
#include <map>
#include <optional>
#include <set>

namespace tenon::tools {

namespace {

using Json = nlohmann::json;
using support::cat;

std::string shortened(std::string text, size_t width) {
    if (text.size() > width) {
        text = text.substr(0, width - 3) + "...";
    }
    return text;
}

// Names of nodes differ at their end.
std::string ending(const std::string& text, size_t width) {
    return text.size() > width ? "..." + text.substr(text.size() - (width - 3)) : text;
}

// Of a chosen region or a candidate: as measured, else as estimated by its provider, which the plan says.
struct Time {
    double us = 0;
    bool estimated = false;
    bool disturbed = false; // other work ran while it was measured
    bool known = false;
    explicit Time(const Json& entry)
        : us(entry.value("us", entry.value("estimate_us", 0.0))),
          estimated(!entry.contains("us") && entry.contains("estimate_us")), disturbed(entry.value("disturbed", false)),
          known(entry.contains("us") || estimated) {}
    // What a table says behind it.
    const char* mark() const { return estimated ? "estimated" : disturbed ? "under load" : ""; }
};

struct Share {
    double us = 0;
    int steps = 0;
    int estimated = 0;
    int disturbed = 0;
    int untimed = 0;

    void add(const Share& other) {
        us += other.us;
        steps += other.steps;
        estimated += other.estimated;
        disturbed += other.disturbed;
        untimed += other.untimed;
    }
    std::string text(const std::string& name) const {
        return cat(name, " (", steps, steps == 1 ? " step" : " steps",
                   estimated > 0 ? cat(", ", estimated, " of them estimated") : "",
                   untimed > 0 ? cat(", ", untimed, " without a time") : "",
                   disturbed > 0 ? cat(", ", disturbed, " timed under load") : "", ")");
    }
};

// Of regions that are steps: what is a view, or is known from shapes, is none.
bool isStep(const Json& region) {
    return region.value("chosen", false) && region.contains("tactic") && region["tactic"].contains("key") &&
           !region.value("view", false);
}

bool isSame(const Json& a, const Json& b) {
    return a.value("key", "") == b.value("key", "") && a.value("provider", "") == b.value("provider", "");
}

// "f32", "u8, i8 to f32", from texts of ports.
std::string typesText(const Json& candidate) {
    const auto types = [&](const char* ports) {
        std::vector<std::string> found;
        for (const std::string& port : candidate.value(ports, std::vector<std::string>{})) {
            const std::string type = port.substr(0, port.find(' '));
            if (std::find(found.begin(), found.end(), type) == found.end()) {
                found.push_back(type);
            }
        }
        return support::join(found, ", ");
    };
    const std::string inputs = types("inputs");
    const std::string outputs = types("outputs");
    return inputs == outputs ? inputs : cat(inputs, " to ", outputs);
}

// What regions that were not chosen, and that something could have run, are called: by their nodes.
using Rivals = std::map<std::string, std::set<std::string>>;

Rivals rivalsOf(const Json& regions, const std::map<std::string, const Json*>& tasks) {
    Rivals rivals;
    for (const Json& region : regions) {
        const auto task = tasks.find(region.value("task", ""));
        if (region.value("chosen", false) || task == tasks.end() || (*task->second)["candidates"].empty()) {
            continue;
        }
        for (const std::string& node : region.value("nodes", std::vector<std::string>{})) {
            rivals[node].insert(region.value("label", ""));
        }
    }
    return rivals;
}

// Of a region with one tactic: what it was chosen over.
std::string aloneText(const Json& region, const Rivals& rivals) {
    std::set<std::string> labels;
    for (const std::string& node : region.value("nodes", std::vector<std::string>{})) {
        if (const auto found = rivals.find(node); found != rivals.end()) {
            labels.insert(found->second.begin(), found->second.end());
        }
    }
    return labels.empty() ? "only candidate"
                          : cat("its only tactic, against ", shortened(support::join(labels, ", "), 60));
}

// What was against the chosen tactic: how many, and the one that would be next, with the conversions that its layouts would cost. `leftOut`: providers that
// the plan does without.
std::string againstText(const Json& region, const Json& task, const Time& time, const Rivals& rivals,
                        const std::vector<std::string>& leftOut) {
    int count = 0;
    int others = 0;             // without a time that can be compared
    const Json* next = nullptr; // by the time that the plan would take with it
    double least = 0;
    std::optional<double> conversions; // of it
    bool alone = false;                // it takes less by itself
    for (const Json& candidate : task["candidates"]) {
        const Time against(candidate);
        const std::string state = candidate.value("state", "");
        if (isSame(candidate, region["tactic"]) || state == "failed" || state == "wrong") {
            continue;
        }
        if (!against.known || against.estimated != time.estimated) {
            ++others;
            continue;
        }
        ++count;
        std::optional<double> cost;
        for (const Json& each : region.value("faster_alone", Json::array())) {
            if (isSame(each, candidate) && each.contains("conversions_us")) {
                cost = each["conversions_us"].get<double>();
            }
        }
        const double whole = against.us + cost.value_or(0);
        if (next == nullptr || whole < least) {
            next = &candidate;
            least = whole;
            conversions = cost;
            alone = against.us < time.us;
        }
    }
    if (count == 0 && others == 0) {
        return aloneText(region, rivals);
    }
    if (count == 0 || !time.known) {
        return cat(count + others, " against it", time.known ? ", without a time to compare" : "");
    }
    const std::string text = cat(count, time.estimated ? " estimated" : " timed", " against it, the next takes ",
                                 microsecondsText(Time(*next).us), " us");
    const std::string provider = next->value("provider", "");
    if (std::find(leftOut.begin(), leftOut.end(), provider) != leftOut.end()) {
        return cat(text, ", but ", provider, " is left out");
    }
    if (conversions) {
        return cat(text, " and ", microsecondsText(*conversions), " us of conversions");
    }
    return alone ? cat(text, " but nothing brings its layouts") : text;
}

} // namespace

std::vector<std::string> leftOutOf(const nlohmann::json& profile) {
    std::vector<std::string> names;
    for (const Json& each : profile.value("left_out", Json::array())) {
        names.push_back(each.value("provider", ""));
    }
    return names;
}

std::string microsecondsText(double us, double largest) {
    char text[32];
    std::snprintf(text, sizeof(text), "%.*f", largest < 1 ? 3 : largest < 10 ? 2 : largest < 1000 ? 1 : 0, us);
    return text;
}

std::string microsecondsText(double us) { return microsecondsText(us, us); }

std::vector<std::string> timeShares(const plan::Plan& plan) {
    const Json ledger = Json::parse(plan.ledgerJson.view(), nullptr, false);
    if (!ledger.is_object() || !ledger.contains("profiles") || ledger["profiles"].empty() || plan.level == 0 ||
        plan.programs.empty()) {
        return {};
    }
    const Json& profile = ledger["profiles"][0];
    std::map<std::string, Share> shares;
    Share conversions;
    for (const plan::PlanStep& step : plan.programs[0].steps) {
        if (step.kind == plan::StepKind::kLaunch && step.kernel >= 0) {
            const std::string& tactic = plan.kernels[static_cast<size_t>(step.kernel)].tactic;
            ++shares[tactic.substr(0, tactic.find('/'))].steps;
        } else {
            ++conversions.steps;
        }
    }
    double chosen = 0;
    for (const Json& region : profile["regions"]) {
        if (!isStep(region)) {
            continue;
        }
        const Time time(region);
        chosen += time.us;
        if (const auto share = shares.find(region["tactic"].value("provider", "")); share != shares.end()) {
            share->second.add({time.us, 0, time.estimated ? 1 : 0, time.disturbed ? 1 : 0, time.known ? 0 : 1});
        }
    }
    Share all;
    std::vector<std::pair<Share, std::string>> rows;
    for (const auto& [provider, share] : shares) {
        rows.emplace_back(share, provider);
    }
    if (conversions.steps > 0) {
        // Plans of older versions say what everything takes only.
        conversions.us = profile.value("conversions_us", std::max(0.0, profile.value("predicted_us", 0.0) - chosen));
        rows.emplace_back(conversions, "conversions and copies");
    }
    std::stable_sort(rows.begin(), rows.end(), [](const auto& a, const auto& b) { return a.first.us > b.first.us; });
    for (const auto& row : rows) {
        all.add(row.first);
    }
    rows.emplace_back(all, "sum, step by step");
    std::vector<std::string> lines;
    for (const auto& [share, name] : rows) {
        char text[64];
        std::snprintf(text, sizeof(text), "%9s us  %3.0f %%  ", microsecondsText(share.us, all.us / 10).c_str(),
                      all.us > 0 ? 100 * share.us / all.us : 0);
        lines.push_back(text + share.text(name));
    }
    return lines;
}

std::vector<std::string> decisionTable(const plan::Plan& plan, size_t rows) {
    const Json ledger = Json::parse(plan.ledgerJson.view(), nullptr, false);
    if (!ledger.is_object() || !ledger.contains("profiles") || ledger["profiles"].empty()) {
        return {};
    }
    std::map<std::string, const Json*> tasks;
    for (const Json& task : ledger["tasks"]) {
        tasks[task.value("key", "")] = &task;
    }
    const Rivals rivals = rivalsOf(ledger["profiles"][0]["regions"], tasks);
    const auto leftOut = leftOutOf(ledger["profiles"][0]);
    using Cells = std::vector<std::string>;
    std::vector<std::pair<double, Cells>> chosen;
    for (const Json& region : ledger["profiles"][0]["regions"]) {
        const auto task = tasks.find(region.value("task", ""));
        if (!isStep(region) || task == tasks.end()) {
            continue;
        }
        const Time time(region);
        const Json& candidates = (*task->second)["candidates"];
        const auto own = std::find_if(candidates.begin(), candidates.end(),
                                      [&](const Json& each) { return isSame(each, region["tactic"]); });
        // What tells tactics apart stands at the ends of their names.
        const std::string tactic = region["tactic"].value("provider", "") + "/" + region["tactic"].value("name", "");
        const std::vector<std::string> nodes = region.value("nodes", std::vector<std::string>{});
        chosen.emplace_back(time.us, Cells{time.known ? "" : "not timed", time.mark(),
                                           own == candidates.end() ? "" : typesText(*own),
                                           shortened(region.value("label", ""), 32), shortened(tactic, 60),
                                           nodes.empty() ? "" : ending(nodes.front(), 40),
                                           againstText(region, *task->second, time, rivals, leftOut)});
    }
    std::stable_sort(chosen.begin(), chosen.end(), [](const auto& a, const auto& b) { return a.first > b.first; });
    using Align = TextTable::Align;
    TextTable table(
        {Align::kRight, Align::kLeft, Align::kLeft, Align::kLeft, Align::kLeft, Align::kLeft, Align::kLeft});
    table.add({"time", "", "types", "what", "tactic", "first node", "why"});
    for (size_t i = 0; i < chosen.size() && i < rows; ++i) {
        if (chosen[i].second[0].empty()) { // with the digits of the slowest
            chosen[i].second[0] = cat(microsecondsText(chosen[i].first, chosen[0].first / 10), " us");
        }
        table.add(std::move(chosen[i].second));
    }
    return table.lines();
}

} // namespace tenon::tools
