// Pointwise programs: any body of pointwise ops with broadcasting, compiled to steps over registers and run block by block, so that values
// inside the body never leave the first-level cache. A single pointwise op is a program of one step.
//
// Who uses it: the cpu planner. What it must not know: how tactics are offered; any op that is not pointwise.
#pragma once

#include "backends/common/task_kernel.h"
#include "backends/cpu/simd/steps.h"

#include <string_view>
#include <vector>

namespace tenon::cpu {

using namespace tenon::kernels;

// Whether an op may be part of a program at all.
bool isPointwise(std::string_view op);

// Throws a refusal that names what cannot be computed: an op, an element type, an output of another shape than the rest.
void checkProgram(const module::GraphView& body);

// Layouts besides the linear one in which a program can run: given those that neighbours offer at its inputs. Operands of the output's shape and
// the outputs take the layout, operands that broadcast stay linear.
std::vector<TnFormat> programLayouts(const module::TaskView& task);
// True when the body's input has the shape of the output in every run.
bool isFullShape(const module::ValueView& value, const module::ValueView& output);
// Further conditions on a layout (extents that divide into blocks); throws Failure.
void checkProgramLayout(const Task& task);

TaskPlan planProgram(const Task& task, const PortShapes& shapes);

} // namespace tenon::cpu
