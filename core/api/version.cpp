// The version functions that libtenon_runtime exports.
#include "tenon/runtime.h"

extern "C" {
int32_t tenon_getInferLibVersion() noexcept { return static_cast<int32_t>(NV_TENSORRT_VERSION); }
int32_t tenon_getInferLibMajorVersion() noexcept { return NV_TENSORRT_MAJOR; }
int32_t tenon_getInferLibMinorVersion() noexcept { return NV_TENSORRT_MINOR; }
int32_t tenon_getInferLibPatchVersion() noexcept { return NV_TENSORRT_PATCH; }
int32_t tenon_getInferLibBuildVersion() noexcept { return NV_TENSORRT_BUILD; }
}
