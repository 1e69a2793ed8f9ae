// TensorRT's name for the definitions that every part shares.
// Included by code written for TensorRT; its calls then go to TensorRT's C names in the thin libraries.
#pragma once

#include "tenon/compat/entry_points.h"

#include "tenon/allocator.h"
#include "tenon/dims.h"
#include "tenon/error_recorder.h"
#include "tenon/types.h"
