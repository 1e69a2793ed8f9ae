#include "tools/common/replay.h"

#include "core/api/type_convert.h"
#include "core/plan/reader.h"
#include "core/schedule/rejections.h"
#include "core/support/text.h"
#include "tools/common/exit_code.h"
#include "tools/common/file_kind.h"
#include "tools/common/host_tensor.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <set>
#include <vector>

namespace tenon::tools {

namespace {

using support::cat;

// "input x f32 of rank 4", for each; equal where a plan and a network may be of the same model.
std::vector<std::string> interfaceOf(const nvinfer1::INetworkDefinition& network) {
    std::vector<std::string> texts;
    const auto add = [&](const char* kind, const nvinfer1::ITensor& tensor) {
        texts.push_back(cat(kind, " '", tensor.getName(), "' ", ir::nameOf(*api::toIr(tensor.getType())), " of rank ",
                            tensor.getDimensions().nbDims));
    };
    for (int32_t i = 0; i < network.getNbInputs(); ++i) {
        add("input", *network.getInput(i));
    }
    for (int32_t i = 0; i < network.getNbOutputs(); ++i) {
        add("output", *network.getOutput(i));
    }
    return texts;
}

std::vector<std::string> interfaceOf(const plan::Plan& plan) {
    std::vector<std::string> texts;
    for (const plan::PlanBinding& binding : plan.bindings) {
        texts.push_back(cat(binding.isInput ? "input" : "output", " '", binding.name, "' ", ir::nameOf(binding.dtype),
                            " of rank ", binding.dims.size()));
    }
    return texts;
}

// Those of `texts` that are not among `others`; all where there is none, so that something is said.
std::string missing(const std::vector<std::string>& texts, const std::vector<std::string>& others) {
    std::vector<std::string> found;
    std::copy_if(texts.begin(), texts.end(), std::back_inserter(found), [&](const std::string& text) {
        return std::find(others.begin(), others.end(), text) == others.end();
    });
    return found.empty() ? "nothing more" : support::join(found, ", ");
}

std::string rangeText(const std::vector<int64_t>& min, const std::vector<int64_t>& opt,
                      const std::vector<int64_t>& max) {
    std::vector<std::string> extents;
    for (size_t d = 0; d < opt.size(); ++d) {
        extents.push_back(min[d] == max[d] ? cat(opt[d]) : cat(min[d], "..", opt[d], "..", max[d]));
    }
    return extents.empty() ? "scalar" : support::join(extents, "x");
}

plan::Plan readReplayed(const std::string& file) {
    requireFile(file, WantedFile::kPlan);
    support::Result<plan::Plan> plan = plan::readPlanFile(file);
    if (!plan.ok()) {
        throw ToolError(exitCodeOf(plan.status()), plan.status().toString());
    }
    return std::move(*plan);
}

nlohmann::json ledgerOf(const plan::Plan& plan) {
    return nlohmann::json::parse(plan.ledgerJson.view(), nullptr, false);
}

} // namespace

Replay::Replay(const std::string& planFile, const nvinfer1::INetworkDefinition& network)
    : mFile(planFile), mPlan(readReplayed(planFile)) {
    const std::vector<std::string> theirs = interfaceOf(mPlan);
    const std::vector<std::string> ours = interfaceOf(network);
    if (theirs != ours) {
        throw ToolError(ExitCode::kUsage, cat("--replay: '", mFile, "' is the plan of another network: it has ",
                                              missing(theirs, ours), ", and the model has ", missing(ours, theirs)));
    }
}

void Replay::apply(nvinfer1::IBuilder& builder, nvinfer1::IBuilderConfig& config, const BuildSettings& settings,
                   ConsoleLogger& logger) const {
    if (!config.setReplayLedger(std::string(mPlan.ledgerJson.view()).c_str())) {
        throw ToolError(ExitCode::kBadInput,
                        cat("'", mFile, "' cannot be replayed: ", logger.takeError("it has no decision ledger")));
    }
    requirePrecision(settings);
    const int32_t threads = mPlan.hostThreads;
    if (settings.threads.count > 0 && threads > 0 && settings.threads.count != threads) {
        throw ToolError(ExitCode::kUsage,
                        cat("--replay: '", mFile, "' was timed with ", threads, threads == 1 ? " thread" : " threads",
                            ", and --threads says ", settings.threads.count,
                            "; leave --threads out to take those of the plan"));
    }
    if (threads > 0) {
        builder.setMaxThreads(threads);
    }
    if (settings.level && settings.level != mPlan.level) {
        throw ToolError(ExitCode::kUsage,
                        cat("--replay: '", mFile, "' was built at level ", mPlan.level, ", and --level says ",
                            *settings.level, "; leave --level out to take that of the plan"));
    }
    config.setBuilderOptimizationLevel(mPlan.level);
    if (mPlan.level == 0 && !settings.level) {
        logger.warn(
            cat("'", mFile, "' was built at level 0, without times: so is its replay, from the same estimates"));
    }
}

// Plans of older versions do not say what they were built with.
void Replay::requirePrecision(const BuildSettings& settings) const {
    const nlohmann::json ledger = ledgerOf(mPlan);
    if (!ledger.contains("types")) {
        return;
    }
    const nlohmann::json& types = ledger["types"];
    const auto require = [&](const char* flag, bool then, bool now) {
        if (then != now) {
            throw ToolError(ExitCode::kUsage, cat("--replay: '", mFile, "' was built with", then ? " " : "out ", flag,
                                                  then ? "; give it here as well" : "; leave it out here"));
        }
    };
    const auto has = [&](const char* type) { return std::find(types.begin(), types.end(), type) != types.end(); };
    require("--bf16", has("bf16"), settings.bf16);
    require("--fp16", has("f16"), settings.fp16);
    require("--no-tf32", !has("tf32"), !settings.tf32);
    if (ledger.contains("held_layers")) {
        require("--layer-precision", ledger["held_layers"] == true, !settings.layerPrecisions.empty());
    }
}

std::string Replay::differences(const std::map<std::string, ShapeRange>& ranges, const BuildSettings& settings) const {
    std::string text;
    for (const plan::PlanBinding& binding : mPlan.bindings) {
        const auto asked = ranges.find(binding.name);
        if (asked == ranges.end() || binding.profiles.empty()) {
            continue;
        }
        const auto& [min, opt, max] = binding.profiles.front();
        const std::string theirs = rangeText(min, opt, max);
        const std::string ours = rangeText(asked->second.min, asked->second.opt, asked->second.max);
        if (theirs != ours) {
            text += cat(text.empty() ? "" : ", ", "'", mFile, "' has ", binding.name, "=", theirs, ", this build ",
                        binding.name, "=", ours);
        }
    }
    return cat(text.empty() ? "" : cat(". Shapes differ: ", text), providersText(settings));
}

std::string Replay::providersText(const BuildSettings& settings) const {
    if (!settings.providers.empty()) {
        return cat(". --backend ", support::join(settings.providers, ","),
                   " leaves tactics out that the plan may have times of");
    }
    const nlohmann::json ledger = ledgerOf(mPlan);
    std::set<std::string> used;
    bool restricted = false;
    for (const nlohmann::json& task : ledger.value("tasks", nlohmann::json::array())) {
        for (const nlohmann::json& candidate : task.value("candidates", nlohmann::json::array())) {
            used.insert(candidate.value("provider", ""));
        }
        for (const nlohmann::json& rejection : task.value("rejections", nlohmann::json::array())) {
            restricted = restricted || rejection.value("reason", "") == schedule::kProviderNotAllowed;
        }
    }
    return restricted
               ? cat(". '", mFile, "' was built with --backend, which this build is without; its tactics are of ",
                     support::join(used, ", "))
               : std::string();
}

} // namespace tenon::tools
