// TensorRT's name for the builder, with the runtime.
// Included by code written for TensorRT; its calls then go to TensorRT's C names in the thin libraries.
#pragma once

#include "tenon/compat/entry_points.h"

#include "tenon/builder.h"
#include "tenon/refitter.h"
#include "tenon/runtime.h"
