// TensorRT's engine information: {"Layers": [...], "Bindings": [...]}.
// Used by build_engine; served by IEngineInspector and `tenon inspect`. Field names are TensorRT's (10.16's --exportLayerInfo).
#pragma once

#include "core/plan/plan_model.h"

#include <string>

namespace tenon::schedule {

std::string inspectorJson(const plan::Plan& plan);

} // namespace tenon::schedule
