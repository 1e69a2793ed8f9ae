// TensorRT's name for the runtime, its engines and contexts.
// Included by code written for TensorRT; its calls then go to TensorRT's C names in the thin libraries.
#pragma once

#include "tenon/compat/entry_points.h"

#include "tenon/refitter.h"
#include "tenon/runtime.h"
