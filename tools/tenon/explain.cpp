// tenon explain: everything that was considered for a node, and why each lost.
#include "core/schedule/rejections.h"
#include "core/support/text.h"
#include "tools/common/nearest.h"
#include "tools/common/plan_summary.h"
#include "tools/common/plan_times.h"
#include "tools/tenon/verb.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <cctype>
#include <cstdint>
#include <iterator>
#include <limits>
#include <map>
#include <memory>
#include <set>

namespace tenon::tools {

namespace {

using Json = nlohmann::json;

bool mentions(const Json& region, const std::string& node) {
    for (const char* list : {"nodes", "sources"}) {
        for (const Json& name : region.value(list, Json::array())) {
            if (name == node) {
                return true;
            }
        }
    }
    return false;
}

bool containsInAnyCase(const std::string& text, const std::string& part) {
    return std::search(text.begin(), text.end(), part.begin(), part.end(), [](unsigned char a, unsigned char b) {
               return std::tolower(a) == std::tolower(b);
           }) != text.end();
}

// "b/c" of "a/b/c/d".
bool hasComponents(const std::string& path, const std::string& part) {
    return support::cat("/", path, "/").find(support::cat("/", part, "/")) != std::string::npos;
}

// What is called `asked`, or the one name that has it between slashes, or that it is a part of, in whatever case if it is a part of none in its
// own. Throws ToolError(kUsage) with the names that it may have meant.
std::string nodeNamed(const Json& regions, const std::string& asked) {
    constexpr size_t kMost = 10;
    std::set<std::string> all;
    std::vector<std::string> alike;
    for (const Json& region : regions) {
        for (const char* list : {"nodes", "sources"}) {
            for (const Json& name : region.value(list, Json::array())) {
                all.insert(name.get<std::string>());
            }
        }
    }
    if (all.count(asked) > 0) {
        return asked;
    }
    const auto isWithin = [&](const std::string& name) { return hasComponents(name, asked); };
    if (std::count_if(all.begin(), all.end(), isWithin) == 1) {
        return *std::find_if(all.begin(), all.end(), isWithin);
    }
    std::copy_if(all.begin(), all.end(), std::back_inserter(alike),
                 [&](const std::string& name) { return name.find(asked) != std::string::npos; });
    if (alike.empty()) {
        std::copy_if(all.begin(), all.end(), std::back_inserter(alike),
                     [&](const std::string& name) { return containsInAnyCase(name, asked); });
    }
    if (alike.size() == 1) {
        return alike.front();
    }
    const bool none = alike.empty();
    std::vector<std::string> names =
        nearestFirst(asked, none ? std::vector<std::string>(all.begin(), all.end()) : alike);
    const size_t count = names.size();
    names.resize(std::min(names.size(), kMost));
    const std::string listed =
        support::cat(support::join(names, ", "), count > kMost ? support::cat(" and ", count - kMost, " more") : "");
    throw ToolError(ExitCode::kUsage,
                    none ? support::cat("nothing in the plan comes from '", asked,
                                        "' (it may have been folded away); names in it, the nearest first: ", listed)
                         : support::cat("'", asked, "' is a part of ", count, " names: ", listed,
                                        "; give more of the one that is meant"));
}

// Of a tactic that takes less time by itself than the chosen one: what its layouts would cost.
void printLayoutCost(const Json& candidate, const Json& region) {
    const std::string indent(16, ' ');
    for (const Json& each : region.value("faster_alone", Json::array())) {
        if (each.value("key", "") != candidate.value("key", "") ||
            each.value("provider", "") != candidate.value("provider", "")) {
            continue;
        }
        if (!each.contains("conversions_us")) {
            std::printf("%sfaster by itself, but nothing brings its neighbours' tensors into its layouts\n",
                        indent.c_str());
            return;
        }
        const double conversions = each["conversions_us"].get<double>();
        std::printf("%sfaster by itself; its layouts would add %s us of conversions, %s us in all\n", indent.c_str(),
                    microsecondsText(conversions).c_str(),
                    microsecondsText(candidate.value("us", 0.0) + conversions).c_str());
        for (const Json& conversion : each.value("conversions", Json::array())) {
            std::printf("%s  %s: %s to %s, %s us\n", indent.c_str(), conversion.value("value", "").c_str(),
                        conversion.value("from", "").c_str(), conversion.value("to", "").c_str(),
                        microsecondsText(conversion.value("us", 0.0)).c_str());
        }
        return;
    }
}

bool isChosen(const Json& candidate, const Json& chosen) {
    return chosen.is_object() && candidate.value("key", "") == chosen.value("key", "") &&
           candidate.value("provider", "") == chosen.value("provider", "");
}

using Points = std::map<std::string, std::string>; // of a profile; why a tactic was not compared there, or nothing

Points pointsOf(const Json& candidate) { return candidate.value("verified", Json::object()).value("at", Points()); }

// " at the minimum and optimum"; nothing for what has no other extents.
std::string comparedText(const Json& candidate) {
    const Points points = pointsOf(candidate);
    std::vector<std::string> compared;
    for (const char* name : {"minimum", "optimum", "maximum"}) {
        if (const auto at = points.find(name); at != points.end() && at->second.empty()) {
            compared.emplace_back(name);
        }
    }
    if (compared.empty()) {
        return "";
    }
    const std::string last = compared.back();
    compared.pop_back();
    return support::cat(" at the ", support::join(compared, ", "), compared.empty() ? "" : " and ", last);
}

void printGaps(const Json& candidate) {
    for (const auto& [name, why] : pointsOf(candidate)) {
        if (!why.empty()) {
            std::printf("%16snot compared at the %s, %s\n", "", name.c_str(), why.c_str());
        }
    }
}

void printCandidate(const Json& candidate, const Json& chosen, double best, bool isView) {
    const bool won = isChosen(candidate, chosen);
    std::string time = "-";
    for (const char* kind : {"us", "estimate_us"}) {
        if (candidate.contains(kind)) {
            time = support::cat(kind[0] == 'e' ? "~" : "", microsecondsText(candidate[kind].get<double>()), " us");
            break;
        }
    }
    std::string verdict;
    if (won) {
        verdict = candidate.contains("verified") ? "CHOSEN, verified against the reference" + comparedText(candidate)
                  : candidate.contains("unverified") ? "CHOSEN, not verified: " + candidate.value("unverified", "")
                                                     : "CHOSEN";
        verdict += isView ? "; no step, since its operands share memory" : "";
    } else if (candidate.value("state", "") == "failed" || candidate.value("state", "") == "wrong") {
        verdict = candidate.value("state", "") + ": " + candidate.value("reason", "");
    } else if (candidate.contains("us") && best > 0) {
        char text[64];
        double ratio = candidate["us"].get<double>() / best;
        std::snprintf(text, sizeof(text), ratio > 1 ? "%.2f times the fastest here" : "fastest here", ratio);
        verdict = text;
    } else {
        verdict = candidate.value("state", "");
    }
    if (candidate.value("disturbed", false)) {
        verdict += " (timed under load)";
    } else if (candidate.contains("estimate_us")) {
        verdict += " (estimated)";
    }
    std::printf("    %10s  %-10s %-27s  %s\n", time.c_str(), candidate.value("provider", "").c_str(),
                candidate.value("name", "").c_str(), verdict.c_str());
    std::printf("                %s -> %s\n",
                support::join(candidate.value("inputs", std::vector<std::string>{}), ", ").c_str(),
                support::join(candidate.value("outputs", std::vector<std::string>{}), ", ").c_str());
    if (won) {
        printGaps(candidate);
    }
}

// What takes least time first, and of what was not timed what came first.
std::vector<const Json*> byTime(const Json& candidates) {
    std::vector<const Json*> order;
    for (const Json& candidate : candidates) {
        order.push_back(&candidate);
    }
    const auto time = [](const Json* candidate) {
        return candidate->value("us", candidate->value("estimate_us", std::numeric_limits<double>::infinity()));
    };
    std::stable_sort(order.begin(), order.end(), [&](const Json* a, const Json* b) { return time(a) < time(b); });
    return order;
}

void printRejections(const Json& list, bool each) {
    std::vector<schedule::Rejection> rejections;
    for (const Json& rejection : list) {
        rejections.push_back({rejection.value("provider", ""), rejection.value("reason", "")});
    }
    for (const schedule::Rejection& rejection : each ? rejections : schedule::gathered(rejections)) {
        std::printf("    %10s  %-10s refused: %s\n", "", rejection.provider.c_str(), rejection.reason.c_str());
    }
}

// The fastest time of each node that some tactic computes by itself, of those that the plan may have.
std::map<std::string, double> fastestAlone(const Json& profile, const std::map<std::string, Json>& tasks,
                                           const std::vector<std::string>& leftOut) {
    std::map<std::string, double> fastest;
    for (const Json& region : profile["regions"]) {
        const auto task = tasks.find(region.value("task", ""));
        if (region["nodes"].size() != 1 || task == tasks.end()) {
            continue;
        }
        const std::string node = region["nodes"][0];
        for (const Json& candidate : task->second["candidates"]) {
            const bool isLeftOut =
                std::find(leftOut.begin(), leftOut.end(), candidate.value("provider", "")) != leftOut.end();
            if (!isLeftOut && candidate.contains("us") && candidate.value("state", "") == "timed") {
                const double us = candidate["us"].get<double>();
                const auto [known, added] = fastest.emplace(node, us);
                known->second = std::min(known->second, us);
            }
        }
    }
    return fastest;
}

// What the nodes of a fused region take one by one.
void printParts(const Json& region, const std::map<std::string, double>& alone) {
    const std::vector<std::string> nodes = region.value("nodes", std::vector<std::string>{});
    double sum = 0;
    std::string parts;
    for (const std::string& node : nodes) {
        const auto known = alone.find(node);
        if (nodes.size() < 2 || known == alone.end()) {
            return; // nothing to compare with
        }
        parts += (parts.empty() ? "" : " + ") + microsecondsText(known->second);
        sum += known->second;
    }
    std::printf("    %7s us  its nodes one by one, each by its fastest tactic: %s us\n", microsecondsText(sum).c_str(),
                parts.c_str());
}

// Of a region that was not chosen: what its nodes run in.
std::string insteadText(const Json& region, const Json& regions) {
    std::vector<std::string> labels;
    for (const Json& node : region["nodes"]) {
        for (const Json& other : regions) {
            const Json& nodes = other["nodes"];
            if (other.value("chosen", false) && std::find(nodes.begin(), nodes.end(), node) != nodes.end()) {
                const std::string label = other.value("label", "");
                if (std::find(labels.begin(), labels.end(), label) == labels.end()) {
                    labels.push_back(label);
                }
            }
        }
    }
    return labels.empty() ? "" : support::cat(" (the plan has ", support::join(labels, " and "), ")");
}

double fastestOf(const Json& task) {
    double best = 0;
    for (const Json& candidate : task.value("candidates", Json::array())) {
        if (candidate.contains("us") && candidate.value("state", "") == "timed") {
            best = best == 0 ? candidate["us"].get<double>() : std::min(best, candidate["us"].get<double>());
        }
    }
    return best;
}

// A region that was not chosen in a line.
void printOutline(const Json& region, const Json& regions) {
    const Json& task = region["considered"];
    const double best = task.is_object() ? fastestOf(task) : 0;
    const size_t count = task.is_object() ? task["candidates"].size() : 0;
    std::printf(
        "  %s of %s%s: %s\n", region.value("label", "").c_str(),
        support::join(region.value("nodes", std::vector<std::string>{}), " + ").c_str(),
        insteadText(region, regions).c_str(),
        best > 0 ? support::cat(microsecondsText(best), " us at best, of ", count, count == 1 ? " tactic" : " tactics")
                       .c_str()
        : count == 0 ? "no tactic"
                     : support::cat(count, count == 1 ? " tactic" : " tactics", ", none timed").c_str());
}

// A region with its tactics; `most` of them, the fastest and what was chosen. `leftOut`: providers that the plan does without.
void printRegion(const Json& region, const Json& regions, const std::map<std::string, double>& alone, size_t most,
                 bool eachRefusal, const std::vector<std::string>& leftOut) {
    const bool chosen = region.value("chosen", false);
    std::printf("%s region %s: %s%s\n", chosen ? "CHOSEN" : "not chosen", region.value("label", "").c_str(),
                support::join(region.value("nodes", std::vector<std::string>{}), " + ").c_str(),
                chosen ? "" : insteadText(region, regions).c_str());
    printParts(region, alone);
    const Json& task = region["considered"];
    if (!task.is_object()) {
        return;
    }
    const Json tactic = region.value("tactic", Json());
    const double best = fastestOf(task);
    const std::vector<const Json*> candidates = byTime(task["candidates"]);
    size_t printed = 0;
    for (const Json* candidate : candidates) {
        if (printed < most || isChosen(*candidate, tactic)) {
            printCandidate(*candidate, tactic, best, region.value("view", false));
            if (std::find(leftOut.begin(), leftOut.end(), candidate->value("provider", "")) != leftOut.end()) {
                std::printf("%16sits provider is left out of the plan; the notes of `tenon inspect` say why\n", "");
            } else {
                printLayoutCost(*candidate, region);
            }
            ++printed;
        }
    }
    if (printed < candidates.size()) {
        std::printf("    %10s  and %zu slower or not timed, which --all lists\n", "", candidates.size() - printed);
    }
    if (chosen && tactic.is_object() && !tactic.contains("key")) {
        std::printf("    evaluated by the shape program: %s\n", tactic.value("name", "").c_str());
    }
    printRejections(task["rejections"], eachRefusal);
}

// All about the regions of one node: what was chosen first, and the rest in lines.
void printNode(const Json& found, const Json& profile, const std::map<std::string, Json>& tasks, bool all,
               bool eachRefusal) {
    constexpr size_t kMostTactics = 8;
    constexpr size_t kMostRegions = 10;
    const Json& regions = profile["regions"];
    const std::map<std::string, double> alone = fastestAlone(profile, tasks, leftOutOf(profile));
    size_t others = 0;
    for (const Json& region : found) {
        if (all || region.value("chosen", false)) {
            printRegion(region, regions, alone, all ? SIZE_MAX : kMostTactics, eachRefusal, leftOutOf(profile));
        } else {
            ++others;
        }
    }
    size_t printed = 0;
    for (const Json& region : found) {
        if (!all && !region.value("chosen", false) && printed < kMostRegions) {
            std::printf("%s", printed == 0 ? "not chosen, with all their tactics by --all:\n" : "");
            printOutline(region, regions);
            ++printed;
        }
    }
    if (printed < others) {
        std::printf("  and %zu more\n", others - printed);
    }
}

} // namespace

void addExplainVerb(CLI::App& tool, VerbAction& action) {
    struct Options {
        std::string plan;
        std::string node;
        bool all = false;
        CommonFlags common;
    };
    auto options = std::make_shared<Options>();
    CLI::App* verb = tool.add_subcommand(
        "explain", "Why a node runs as it does: the regions and tactics considered, times, reasons");
    verb->add_option("plan", options->plan, "Plan file")->required();
    verb->add_option("node", options->node,
                     "Name of an ONNX node, layer or graph node, or a part of it that no other has [default: all "
                     "steps, the slowest first]");
    verb->add_flag("--all", options->all,
                   "With every tactic of every region; else what was chosen with its fastest rivals, and a line for "
                   "each region that was not");
    options->common.addTo(*verb);
    verb->callback([options, &action] {
        action = [options] {
            plan::Plan plan = readPlan(options->plan);
            Json ledger = Json::parse(plan.ledgerJson.view(), nullptr, false);
            if (!ledger.is_object() || !ledger.contains("profiles")) {
                throw ToolError(ExitCode::kBadInput, "the plan has no decision ledger");
            }
            std::map<std::string, Json> tasks;
            for (const Json& task : ledger["tasks"]) {
                tasks[task.value("key", "")] = task;
            }
            const Json& regions = ledger["profiles"][0]["regions"]; // others are in --json of inspect
            const std::string node = options->node.empty() ? "" : nodeNamed(regions, options->node);
            Json found = Json::array();
            for (const Json& region : regions) {
                if (node.empty() ? options->all || region.value("chosen", false) : mentions(region, node)) {
                    found.push_back(region);
                    found.back()["considered"] = tasks[region.value("task", "")];
                }
            }
            if (options->common.json) {
                std::printf("%s\n", found.dump(1).c_str());
                return ExitCode::kOk;
            }
            if (node.empty() && !options->all) {
                for (const std::string& line : decisionTable(plan, SIZE_MAX)) {
                    std::printf("%s\n", line.c_str());
                }
                std::printf(
                    "tenon explain %s NAME says more of a node; a part of its name that no other has is enough\n",
                    options->plan.c_str());
                return ExitCode::kOk;
            }
            if (node != options->node) {
                std::printf("%s\n", node.c_str());
            }
            printNode(found, ledger["profiles"][0], tasks, options->all, options->common.verbose > 0);
            return ExitCode::kOk;
        };
    });
}

} // namespace tenon::tools
