#include "tools/common/plan_summary.h"

#include "core/plan/expression_table.h"
#include "core/plan/reader.h"
#include "core/support/text.h"
#include "tools/common/exit_code.h"
#include "tools/common/file_kind.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <memory>

namespace tenon::tools {

namespace {

using Json = nlohmann::json;

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
    for (const plan::PlanDevice& device : plan.devices) {
        summary.devices.push_back(deviceText(device));
    }
    Json ledger = Json::parse(plan.ledgerJson.view(), nullptr, false);
    if (ledger.is_object() && ledger.contains("profiles")) {
        for (const Json& profile : ledger["profiles"]) {
            summary.proven = summary.proven && profile.value("proven", true);
        }
    }
    return summary;
}

std::string ExtentTexts::of(const std::vector<plan::ExprIndex>& dims) const {
    std::vector<std::string> texts;
    for (const plan::ExprIndex dim : dims) {
        texts.push_back(mPool.toText(mExpressions[static_cast<size_t>(dim)]));
    }
    return support::cat("[", support::join(texts, ", "), "]");
}

ExtentTexts::ExtentTexts(const plan::Plan& plan) {
    const auto operand = [&](const ir::ExprNode& node, size_t i) {
        return mExpressions[static_cast<size_t>(node.operands[i].id)];
    };
    for (const ir::ExprNode& node : plan.expressions) {
        const int32_t operands = plan::operandCount(node.op);
        if (node.op == ir::ExprOp::kConstant) {
            mExpressions.push_back(mPool.constant(node.value));
        } else if (node.op == ir::ExprOp::kSymbol) {
            mExpressions.push_back(mPool.symbol(plan.symbols[static_cast<size_t>(node.value)]));
        } else if (operands == 1) {
            mExpressions.push_back(mPool.scaled(node.op, operand(node, 0), node.scale));
        } else if (operands == 2) {
            mExpressions.push_back(mPool.binary(node.op, operand(node, 0), operand(node, 1)));
        } else {
            mExpressions.push_back(mPool.select(operand(node, 0), operand(node, 1), operand(node, 2)));
        }
    }
}

std::string rangesText(const plan::Plan& plan, const plan::PlanProgram& program) {
    std::string text;
    for (size_t i = 0; i < plan.symbols.size() && i < program.box.size(); ++i) {
        if (plan.symbols[i].source == ir::SymbolSource::kUnbacked) {
            continue;
        }
        const plan::SymbolRange& range = program.box[i];
        text += support::cat(text.empty() ? "" : ", ", plan.symbols[i].name, "=", range.min,
                             range.min == range.max ? "" : support::cat("..", range.opt, "..", range.max));
    }
    return text;
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

} // namespace tenon::tools
