// Building as another plan was built: its decisions, and what it has in common with the model.
// Used by plan_builder.
#pragma once

#include "core/plan/plan_model.h"
#include "tools/common/plan_builder.h"

#include <map>
#include <string>

namespace tenon::tools {

class Replay {
public:
    // Reads the plan. Throws ToolError: kBadInput where it is none, kUsage where it is of a network with other inputs or outputs.
    Replay(const std::string& planFile, const nvinfer1::INetworkDefinition& network);

    // At its level, with its threads, since times are those of a level and a number of threads. Throws ToolError: kUsage for options that
    // contradict the record, kBadInput.
    void apply(nvinfer1::IBuilder& builder, nvinfer1::IBuilderConfig& config, const BuildSettings& settings,
               ConsoleLogger& logger) const;

    // For a build that failed: which ranges the plan has that are other than `ranges`, by input, and what else may be why. Empty where nothing is.
    std::string differences(const std::map<std::string, ShapeRange>& ranges, const BuildSettings& settings) const;

private:
    void requirePrecision(const BuildSettings& settings) const;
    std::string providersText(const BuildSettings& settings) const;

    std::string mFile;
    plan::Plan mPlan;
};

} // namespace tenon::tools
