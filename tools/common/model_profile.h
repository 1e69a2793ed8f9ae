// The optimization profile of a model: ranges of what it leaves open, from options, data sets, or 1.
// Used by plan_builder. Knows the public API only.
#pragma once

#include "tools/common/plan_builder.h"

#include <map>
#include <string>
#include <vector>

namespace tenon::tools {

// That the inputs of settings.shapesFrom are the model's, where they have names; without names they go by position. Throws ToolError(kBadInput).
void checkDataNames(const nvinfer1::INetworkDefinition& network, const BuildSettings& settings);

// One profile of all inputs whose shapes, or values that shapes depend on, the model leaves open. An extent with a name has one range, at every
// input that has it; two that differ are refused, naming both. Gives the ranges by input. Throws ToolError(kUsage).
std::map<std::string, ShapeRange> addProfile(nvinfer1::IBuilder& builder, const nvinfer1::INetworkDefinition& network,
                                             nvinfer1::IBuilderConfig& config, const BuildSettings& settings,
                                             ConsoleLogger& logger);

// The names that the model gives to extents of its inputs, each once.
std::vector<std::string> extentNames(const nvinfer1::INetworkDefinition& network);

// That one data set at least can be run where settings.dataIsRun: with another's nothing would be known before the end of the build. Throws
// ToolError(kBadInput, kUsage) with what is wrong with the first.
void checkDataToRun(const nvinfer1::INetworkDefinition& network, const BuildSettings& settings);

// That the ranges take settings.shapesToRun, of inputs and of extents by their names. Throws ToolError(kUsage).
void checkShapesToRun(const nvinfer1::INetworkDefinition& network, const BuildSettings& settings);

} // namespace tenon::tools
