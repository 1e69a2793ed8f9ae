// NVRTC, opened when something is to be compiled: CUDA C++ to a cubin, on any machine that has the library, with or without a device.
//
// Who uses it: the provider, through the cubin cache. What it must not know: ops, tasks.
#pragma once

#include "tenon/module/result.hpp"

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace tenon::cuda {

// Callable from several threads. kEnvironment where there is no NVRTC, kInternal where the source does not compile (the log is the reason).
module::Code compileCubin(const std::string& source, int sm, std::vector<std::byte>& cubin, module::Reason& reason);

} // namespace tenon::cuda
