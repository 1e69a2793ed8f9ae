// Layers that are held to an element type, as users of the command line name them.
// Used by plan_builder and by the readers of options. Knows layer names, no layer kinds.
#pragma once

#include <tenon/network.h>

#include <string>
#include <vector>

namespace tenon::tools {

// `pattern`: a layer's name, in which each `*` stands for anything. Later ones in a list override earlier ones.
struct LayerPrecision {
    std::string pattern;
    nvinfer1::DataType type = nvinfer1::DataType::kFLOAT;
};

// NAME=TYPE, or with another character between them; TYPE: f32, f16 or bf16, fp32 and fp16 as well. `option` is for the message. Throws ToolError(kUsage).
LayerPrecision parseLayerPrecision(const std::string& option, const std::string& text, char between);

// Throws ToolError(kUsage) with the names that are most like it where no layer has a name as asked for.
void applyLayerPrecisions(nvinfer1::INetworkDefinition& network, const std::vector<LayerPrecision>& precisions);

} // namespace tenon::tools
