// libnvinfer_plugin: makes the plugins of Tenon's plugin libraries known. They are modules, found where modules are, so
// that asking the registry is all it takes.
#include "export.h"

#include "tenon/plugin.h"

TENON_COMPAT bool initLibNvInferPlugins(void*, char const*) {
    int32_t count = 0;
    return tenon_getPluginRegistry()->getAllCreators(&count) != nullptr || count == 0;
}
