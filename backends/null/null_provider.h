// The build side: which tasks this backend takes, with which tactics, and how a tactic becomes bytes.
#pragma once

#include "tenon/module/module.hpp"

#include <memory>

namespace tenon::null_backend {

std::unique_ptr<const module::Provider> makeNullProvider();

} // namespace tenon::null_backend
