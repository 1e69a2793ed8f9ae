// The extension tenon.trace/1 of the backend: NVTX ranges. Used by backend.cpp.
#pragma once

#include "tenon/module/trace.h"

namespace tenon::cuda {

const TnTrace& traceTable();

} // namespace tenon::cuda
