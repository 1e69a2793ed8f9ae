// TensorRT's name for the ONNX parser.
// Included by code written for TensorRT; its calls then go to TensorRT's C names in the thin libraries.
#pragma once

#include "tenon/compat/entry_points.h"

#include "tenon/builder.h"
#include "tenon/onnx_parser.h"
#include "tenon/refitter.h"
