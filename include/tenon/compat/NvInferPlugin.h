// TensorRT's name for the library of built-in plugins.
// Included by code written for TensorRT; its calls then go to TensorRT's C names in the thin libraries.
#pragma once

#include "tenon/compat/entry_points.h"

#include "tenon/builder.h"
#include "tenon/plugin.h"

extern "C" {
// Adds the plugins of Tenon's plugin libraries to the registry under `libNamespace`. `logger` is an
// nvinfer1::ILogger*. True if all that are installed are there; calling it again does no harm.
TENSORRTAPI bool initLibNvInferPlugins(void* logger, char const* libNamespace);
}
