// The plugin library's one entry: what IPluginRegistry::loadLibrary asks for.
#include "plugins.h"

extern "C" __attribute__((visibility("default"))) nvinfer1::IPluginCreatorInterface* const*
getCreators(int32_t& count) {
    static nvinfer1::IPluginCreatorInterface* const creators[] = {&gainCreator(), &rowSumCreator()};
    count = 2;
    return creators;
}
