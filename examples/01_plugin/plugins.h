// Two layers in TensorRT's shape: GainPlugin (IPluginV3), y = gain * x, and RowSumPlugin (IPluginV2DynamicExt), sums along the last axis.
#pragma once

#include "NvInfer.h"

nvinfer1::IPluginCreatorV3One& gainCreator();
nvinfer1::IPluginCreator& rowSumCreator();
