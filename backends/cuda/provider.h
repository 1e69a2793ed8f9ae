// The tactics of this module: generated kernels for a device described as data.
//
// Who uses it: module.cpp. What it must not know: the CUDA runtime; it must work where there is no device.
#pragma once

#include "tenon/module/provider.hpp"

#include <memory>

namespace tenon::cuda {

inline constexpr std::string_view kBackendName = "cuda";
inline constexpr std::string_view kRuntimeName = "cuda.cubin";
inline constexpr uint32_t kBlobVersion = 1;

std::unique_ptr<const module::Provider> makeProvider();

} // namespace tenon::cuda
