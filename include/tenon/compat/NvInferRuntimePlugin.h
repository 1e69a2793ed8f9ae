// TensorRT's name for plugins of the second generation.
// Included by code written for TensorRT; its calls then go to TensorRT's C names in the thin libraries.
#pragma once

#include "tenon/compat/entry_points.h"

#include "tenon/plugin_v2.h"
