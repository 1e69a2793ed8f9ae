// Kernels of regions that run in exactly one layout and type per port.
//
// Who uses it: products and convolutions with constant weights. What it must not know: kernels.
#pragma once

#include "backends/common/task_kernel.h"

#include <string_view>
#include <vector>

namespace tenon::cpu {

using namespace tenon::kernels;

// `layouts` of the inputs and then, if there is one more, of the first output; other outputs are linear. Throws a refusal, which says `what` has such a port.
inline void checkLayouts(const Task& task, const std::vector<TnFormat>& layouts, std::string_view what) {
    const auto check = [&](const TnPortFormat& port, const TnFormat& layout) {
        if (port.dtype != TN_F32 || !module::equal(port.format, layout)) {
            refuse(what, " with a port of ", nameOf(port.dtype), " in the layout ", module::describe(port.format),
                   " instead of ", module::describe(layout));
        }
    };
    for (size_t i = 0; i < task.inputs.size(); ++i) {
        check(task.inputs[i], layouts[i]);
    }
    for (size_t o = 0; o < task.outputs.size(); ++o) {
        const size_t at = task.inputs.size() + o;
        check(task.outputs[o], at < layouts.size() ? layouts[at] : module::linearFormat(task.outputs[o].format.rank));
    }
}

// The same for ports of the body's own types and one output.
inline void checkFormats(const Task& task, const std::vector<TnFormat>& layouts, std::string_view what) {
    for (size_t i = 0; i < layouts.size(); ++i) {
        const TnFormat& format = i < task.inputs.size() ? task.inputs[i].format : task.outputs[0].format;
        if (!module::equal(format, layouts[i])) {
            refuse(what, " in the layout ", module::describe(format), " instead of ", module::describe(layouts[i]));
        }
    }
}

// The same where types differ: `ports` are those of the inputs and then of the first output.
inline void checkPortsOf(const Task& task, const std::vector<TnPortFormat>& ports, std::string_view what) {
    for (size_t i = 0; i < ports.size(); ++i) {
        const TnPortFormat& port = i < task.inputs.size() ? task.inputs[i] : task.outputs[0];
        if (port.dtype != ports[i].dtype || !module::equal(port.format, ports[i].format)) {
            refuse(what, " with a port of ", nameOf(port.dtype), " in the layout ", module::describe(port.format),
                   " instead of ", nameOf(ports[i].dtype), " in ", module::describe(ports[i].format));
        }
    }
}

} // namespace tenon::cpu
