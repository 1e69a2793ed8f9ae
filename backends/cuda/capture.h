// The extension "tenon.capture/1": recordings are CUDA graphs.
// Used by the backend.
#pragma once

#include "tenon/module/capture.h"

namespace tenon::cuda {

const TnCapture& captureTable();

} // namespace tenon::cuda
