// Runs what the provider compiled: cubins and their plans. Needs a driver, no NVRTC.
// Used by module.cpp.
#pragma once

#include "tenon/module/kernel.hpp"

#include <memory>

namespace tenon::cuda {

std::unique_ptr<module::KernelRuntime> makeKernelRuntime();

} // namespace tenon::cuda
