// TensorRT's name for the fixed-rank dimensions.
// Included by code written for TensorRT; its calls then go to TensorRT's C names in the thin libraries.
#pragma once

#include "tenon/compat/entry_points.h"

#include "tenon/dims.h"
