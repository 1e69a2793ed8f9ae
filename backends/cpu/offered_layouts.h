// The layouts that the neighbours of a task have: a kernel in one of them saves a conversion.
//
// Who uses it: kernels that run in any of several layouts. What it must not know: kernels.
#pragma once

#include "tenon/module/module.hpp"

#include <algorithm>
#include <cstdint>
#include <vector>

namespace tenon::cpu {

// Those of the inputs for which `wanted(port)` holds, in host memory and of the input's rank, each once, without the linear one.
template <class Wanted>
std::vector<TnFormat> offeredLayouts(const module::TaskView& task, Wanted&& wanted) {
    std::vector<TnFormat> layouts;
    for (int32_t port = 0; port < task.inputCount(); ++port) {
        if (!wanted(port)) {
            continue;
        }
        for (const TnPortFormat& offered : task.offered(port)) {
            const TnFormat& format = offered.format;
            const bool known = std::any_of(layouts.begin(), layouts.end(),
                                           [&](const TnFormat& other) { return module::equal(other, format); });
            if (offered.placement == TN_PLACEMENT_HOST && format.rank == task.input(port).rank() &&
                !module::isLinear(format) && !known) {
                layouts.push_back(format);
            }
        }
    }
    return layouts;
}

} // namespace tenon::cpu
