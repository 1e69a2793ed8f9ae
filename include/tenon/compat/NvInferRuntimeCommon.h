// TensorRT's name for the plugin registry and what it needs; 8.x code expects ILogger here.
// Included by code written for TensorRT; its calls then go to TensorRT's C names in the thin libraries.
#pragma once

#include "tenon/compat/entry_points.h"

#include "tenon/logger.h"
#include "tenon/plugin.h"
