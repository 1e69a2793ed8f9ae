#include "tools/common/plan_summary.h"

#include "core/plan/reader.h"
#include "core/support/text.h"
#include "tools/common/exit_code.h"

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
    support::Result<plan::Plan> plan = plan::readPlanFile(path);
    if (!plan.ok()) {
        throw ToolError(ExitCode::kBadInput, plan.status().toString());
    }
    return std::move(*plan);
}

PlanSummary summarisePlan(const std::string& path) { return summarisePlan(readPlan(path)); }

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
    Json ledger = Json::parse(plan.ledgerJson, nullptr, false);
    if (ledger.is_object() && ledger.contains("profiles")) {
        for (const Json& profile : ledger["profiles"]) {
            summary.proven = summary.proven && profile.value("proven", true);
        }
    }
    return summary;
}

std::vector<std::string> timeShares(const plan::Plan& plan) {
    const Json ledger = Json::parse(plan.ledgerJson, nullptr, false);
    if (!ledger.is_object() || !ledger.contains("profiles") || ledger["profiles"].empty() || plan.level == 0) {
        return {};
    }
    const Json& profile = ledger["profiles"][0];
    const double total = profile.value("predicted_us", 0.0);
    std::map<std::string, std::pair<double, int>> shares;
    double timed = 0;
    for (const Json& region : profile["regions"]) {
        if (region.value("chosen", false) && region.contains("tactic")) {
            auto& [us, steps] = shares[region["tactic"].value("provider", "")];
            us += region.value("us", 0.0);
            timed += region.value("us", 0.0);
            ++steps;
        }
    }
    std::vector<std::pair<double, std::string>> rows;
    for (const auto& [provider, share] : shares) {
        rows.emplace_back(share.first,
                          support::cat(provider, " (", share.second, share.second == 1 ? " step)" : " steps)"));
    }
    rows.emplace_back(std::max(0.0, total - timed), "conversions, copies, and what was not timed");
    std::stable_sort(rows.begin(), rows.end(), [](const auto& a, const auto& b) { return a.first > b.first; });
    rows.emplace_back(total, "sum, as measured step by step");
    std::vector<std::string> lines;
    for (const auto& [us, what] : rows) {
        char text[200];
        std::snprintf(text, sizeof(text), "%9.1f us  %3.0f %%  %s", us, total > 0 ? 100 * us / total : 0, what.c_str());
        lines.emplace_back(text);
    }
    return lines;
}

std::vector<std::string> decisionTable(const plan::Plan& plan, size_t rows) {
    Json ledger = Json::parse(plan.ledgerJson, nullptr, false);
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
        double us = region.value("us", 0.0);
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
                if (candidate.contains("us")) {
                    ++lost;
                    double other = candidate["us"].get<double>();
                    runnerUp = runnerUp == 0 ? other : std::min(runnerUp, other);
                }
            }
            if (lost > 0 && us > 0) {
                char text[96];
                std::snprintf(text, sizeof(text), "%d timed against it, the next %s %.1f us", lost,
                              runnerUp >= us ? "takes" : "alone takes", runnerUp);
                why = text;
            }
        }
        const std::vector<std::string> nodes = region.value("nodes", std::vector<std::string>{});
        char line[400];
        std::snprintf(line, sizeof(line), "%9.1f us  %-26s  %-26s  %-40s  %s", us,
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
