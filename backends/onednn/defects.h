// What oneDNN 2.6 takes and computes wrong, whatever extents a task has at run time.
//
// Who uses it: the module, before it offers tactics. What it must not know: layouts, primitives.
#pragma once

#include "backends/onednn/chain.h"

#include <string>

namespace tenon::onednn {

// What goes wrong where the task is computed in `type`; empty: nothing that is known.
std::string defectOf(const module::TaskView& task, const Chain& chain, TnDataType type);

} // namespace tenon::onednn
