#include "tools/common/plan_summary.h"

#include "core/plan/reader.h"
#include "core/support/text.h"
#include "tools/common/exit_code.h"
#include "tools/common/file_kind.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <cstdio>

namespace tenon::tools {

namespace {

using Json = nlohmann::json;

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

} // namespace

plan::Plan readPlan(const std::string& path) {
    requireFile(path, WantedFile::kPlan);
    support::Result<plan::Plan> plan = plan::readPlanFile(path);
    if (!plan.ok()) {
        throw ToolError(exitCodeOf(plan.status()), plan.status().toString());
    }
    return std::move(*plan);
}

PlanSummary summarisePlan(const void* bytes, size_t size) {
    // The caller keeps the bytes for as long as the plan is looked at here, so that its weights need no copy.
    const std::shared_ptr<const void> owner(bytes, [](const void*) {});
    const support::Result<plan::Plan> plan =
        plan::readPlan({static_cast<const std::byte*>(bytes), size}, owner, {.checkWeights = false});
    if (!plan.ok()) {
        throw ToolError(ExitCode::kWrong, plan.status().toString());
    }
    return summarisePlan(*plan);
}

PlanSummary summarisePlan(const plan::Plan& plan) {
    PlanSummary summary;
    if (!plan.programs.empty()) {
        summary.layers = static_cast<int>(plan.programs[0].steps.size());
        for (const plan::PlanStep& step : plan.programs[0].steps) {
            std::string provider = "core";
            if (step.kernel >= 0) {
                const std::string& tactic = plan.kernels[static_cast<size_t>(step.kernel)].tactic;
                provider = tactic.substr(0, tactic.find('/'));
            }
            ++summary.stepsByProvider[provider];
        }
    }
    Json ledger = Json::parse(plan.ledgerJson.view(), nullptr, false);
    if (ledger.is_object() && ledger.contains("profiles")) {
        for (const Json& profile : ledger["profiles"]) {
            summary.proven = summary.proven && profile.value("proven", true);
        }
    }
    return summary;
}

namespace {

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

std::string steps(int count) { return support::cat(count, count == 1 ? " step" : " steps"); }

} // namespace

std::vector<std::string> timeShares(const plan::Plan& plan) {
    const Json ledger = Json::parse(plan.ledgerJson.view(), nullptr, false);
    if (!ledger.is_object() || !ledger.contains("profiles") || ledger["profiles"].empty() || plan.level == 0 ||
        plan.programs.empty()) {
        return {};
    }
    struct Share {
        double us = 0;
        int steps = 0;
        int estimated = 0;
        int disturbed = 0;
    };
    const Json& profile = ledger["profiles"][0];
    const double total = profile.value("predicted_us", 0.0);
    std::map<std::string, Share> shares;
    Share all;
    all.us = total;
    all.steps = static_cast<int>(plan.programs[0].steps.size());
    Share rest = all;
    // Steps as the plan has them: regions that are views or belong to the shape program are none.
    for (const plan::PlanStep& step : plan.programs[0].steps) {
        if (step.kind == plan::StepKind::kLaunch && step.kernel >= 0) {
            const std::string& tactic = plan.kernels[static_cast<size_t>(step.kernel)].tactic;
            ++shares[tactic.substr(0, tactic.find('/'))].steps;
            --rest.steps;
        }
    }
    for (const Json& region : profile["regions"]) {
        if (!region.value("chosen", false) || !region.contains("tactic")) {
            continue;
        }
        const Time time(region);
        if (const auto share = shares.find(region["tactic"].value("provider", "")); share != shares.end()) {
            share->second.us += time.us;
            rest.us -= time.us;
            for (Share* each : {&share->second, &all}) {
                each->estimated += time.estimated ? 1 : 0;
                each->disturbed += time.disturbed ? 1 : 0;
            }
        }
    }
    rest.us = std::max(0.0, rest.us);
    const auto named = [](const std::string& name, const Share& share) {
        return support::cat(name, " (", steps(share.steps),
                            share.estimated > 0 ? support::cat(", ", share.estimated, " of them estimated") : "",
                            share.disturbed > 0 ? support::cat(", ", share.disturbed, " timed under load") : "", ")");
    };
    std::vector<std::pair<double, std::string>> rows;
    for (const auto& [provider, share] : shares) {
        rows.emplace_back(share.us, named(provider, share));
    }
    if (rest.steps > 0 || rest.us > 0) {
        rows.emplace_back(rest.us, named("conversions, copies, and what was not timed", rest));
    }
    std::stable_sort(rows.begin(), rows.end(), [](const auto& a, const auto& b) { return a.first > b.first; });
    rows.emplace_back(total, named("sum, step by step", all));
    std::vector<std::string> lines;
    for (const auto& [us, what] : rows) {
        char text[240];
        std::snprintf(text, sizeof(text), "%9.1f us  %3.0f %%  %s", us, total > 0 ? 100 * us / total : 0, what.c_str());
        lines.emplace_back(text);
    }
    return lines;
}

std::vector<std::string> planNotes(const plan::Plan& plan) {
    const Json ledger = Json::parse(plan.ledgerJson.view(), nullptr, false);
    return ledger.is_object() ? ledger.value("notes", std::vector<std::string>{}) : std::vector<std::string>{};
}

std::string deviceText(const plan::PlanDevice& device) {
    const Json json = Json::parse(device.json, nullptr, false);
    const std::string name = json.is_object() ? json.value("name", "") : "";
    return support::cat(device.backend, " device ", name.empty() ? device.fingerprint : name,
                        name.empty() || device.fingerprint.empty() ? "" : support::cat(" (", device.fingerprint, ")"));
}

std::vector<std::string> decisionTable(const plan::Plan& plan, size_t rows) {
    Json ledger = Json::parse(plan.ledgerJson.view(), nullptr, false);
    if (!ledger.is_object() || !ledger.contains("profiles") || ledger["profiles"].empty()) {
        return {};
    }
    std::map<std::string, const Json*> tasks;
    for (const Json& task : ledger["tasks"]) {
        tasks[task.value("key", "")] = &task;
    }
    struct Row {
        double us;
        std::string text;
    };
    std::vector<Row> chosen;
    for (const Json& region : ledger["profiles"][0]["regions"]) {
        if (!region.value("chosen", false) || !region.contains("tactic")) {
            continue;
        }
        const Time time(region);
        const double us = time.us;
        std::string tactic = region["tactic"].value("provider", "") + "/" + region["tactic"].value("name", "");
        std::string why = "only candidate";
        auto task = tasks.find(region.value("task", ""));
        if (task != tasks.end()) {
            int lost = 0;
            double runnerUp = 0;
            for (const Json& candidate : (*task->second)["candidates"]) {
                if (candidate.value("key", "") == region["tactic"].value("key", "") &&
                    candidate.value("provider", "") == region["tactic"].value("provider", "")) {
                    continue;
                }
                if (const Time against(candidate); against.known && against.estimated == time.estimated) {
                    ++lost;
                    const double other = against.us;
                    runnerUp = runnerUp == 0 ? other : std::min(runnerUp, other);
                }
            }
            if (lost > 0 && us > 0) {
                char text[96];
                std::snprintf(text, sizeof(text), "%d %s against it, the next %s %.1f us", lost,
                              time.estimated ? "estimated" : "timed", runnerUp >= us ? "takes" : "alone takes",
                              runnerUp);
                why = text;
            }
        }
        const std::vector<std::string> nodes = region.value("nodes", std::vector<std::string>{});
        char figure[32] = "not timed";
        if (time.known) {
            std::snprintf(figure, sizeof(figure), "%.1f us", us);
        }
        char line[400];
        std::snprintf(line, sizeof(line), "%12s %-10s  %-26s  %-26s  %-40s  %s", figure, time.mark(),
                      shortened(region.value("label", ""), 26).c_str(), shortened(tactic, 26).c_str(),
                      nodes.empty() ? "" : ending(nodes.front(), 40).c_str(), why.c_str());
        chosen.push_back({us, line});
    }
    std::stable_sort(chosen.begin(), chosen.end(), [](const Row& a, const Row& b) { return a.us > b.us; });
    std::vector<std::string> table;
    for (size_t i = 0; i < chosen.size() && i < rows; ++i) {
        table.push_back(chosen[i].text);
    }
    return table;
}

} // namespace tenon::tools
