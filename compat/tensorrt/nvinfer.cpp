// libnvinfer: TensorRT's C functions of builder, runtime, refitter and registry, by way of Tenon's.
#include "export.h"

#include "tenon/fwd.h"

namespace nvinfer1 {
enum class EngineCapability : int32_t;
}

extern "C" {
void* tenon_createInferBuilder(void* logger, int32_t version) noexcept;
void* tenon_createInferRuntime(void* logger, int32_t version) noexcept;
void* tenon_createInferRefitter(void* engine, void* logger, int32_t version) noexcept;
nvinfer1::IPluginRegistry* tenon_getPluginRegistry() noexcept;
nvinfer1::IPluginRegistry* tenon_getBuilderPluginRegistry(nvinfer1::EngineCapability capability) noexcept;
nvinfer1::ILogger* tenon_getLogger() noexcept;
int32_t tenon_getInferLibVersion() noexcept;
int32_t tenon_getInferLibMajorVersion() noexcept;
int32_t tenon_getInferLibMinorVersion() noexcept;
int32_t tenon_getInferLibPatchVersion() noexcept;
int32_t tenon_getInferLibBuildVersion() noexcept;
}

TENON_COMPAT void* createInferBuilder_INTERNAL(void* logger, int32_t version) noexcept {
    return tenon_createInferBuilder(logger, version);
}

TENON_COMPAT void* createInferRuntime_INTERNAL(void* logger, int32_t version) noexcept {
    return tenon_createInferRuntime(logger, version);
}

TENON_COMPAT void* createInferRefitter_INTERNAL(void* engine, void* logger, int32_t version) noexcept {
    return tenon_createInferRefitter(engine, logger, version);
}

TENON_COMPAT nvinfer1::IPluginRegistry* getPluginRegistry() noexcept { return tenon_getPluginRegistry(); }

TENON_COMPAT nvinfer1::IPluginRegistry* getBuilderPluginRegistry(nvinfer1::EngineCapability capability) noexcept {
    return tenon_getBuilderPluginRegistry(capability);
}

TENON_COMPAT nvinfer1::ILogger* getLogger() noexcept { return tenon_getLogger(); }

TENON_COMPAT int32_t getInferLibVersion() noexcept { return tenon_getInferLibVersion(); }
TENON_COMPAT int32_t getInferLibMajorVersion() noexcept { return tenon_getInferLibMajorVersion(); }
TENON_COMPAT int32_t getInferLibMinorVersion() noexcept { return tenon_getInferLibMinorVersion(); }
TENON_COMPAT int32_t getInferLibPatchVersion() noexcept { return tenon_getInferLibPatchVersion(); }
TENON_COMPAT int32_t getInferLibBuildVersion() noexcept { return tenon_getInferLibBuildVersion(); }
