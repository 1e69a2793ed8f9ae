// Any text as a module's manifest.
#include "registry/module_manifest.h"

#include <cstdint>
#include <cstdlib>

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    const auto manifest = tenon::registry::parseManifest(text, "/m/fuzz.tenonmod");
    if (manifest.ok() &&
        (!tenon::registry::isModuleName(manifest->name) || manifest->libraryPath().substr(0, 3) != "/m/" ||
         manifest->library.find('/') != std::string::npos)) {
        std::abort();
    }
    return 0;
}
