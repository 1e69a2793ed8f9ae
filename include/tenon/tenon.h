// Everything of Tenon's public C++ interface except the module SDK (tenon/module).
#pragma once

#include "tenon/builder.h"
#include "tenon/onnx_parser.h"
#include "tenon/refitter.h"
#include "tenon/runtime.h"
