// CUDA devices, their memory, streams and events.
// Used by module.cpp. A TnStream is what stream.h says.
#pragma once

#include "tenon/module/backend.hpp"

#include <memory>

namespace tenon::cuda {

std::unique_ptr<module::Backend> makeBackend();

} // namespace tenon::cuda
