#include "core/api/host_memory.h"

#include <cstring>

namespace tenon::api {

HostMemory::HostMemory(const std::string& text) : mBytes(text.size()) {
    if (!text.empty()) {
        std::memcpy(mBytes.data(), text.data(), text.size());
    }
}

} // namespace tenon::api
