// The weights of Winograd convolutions: transformed when a plan is built, in a layout that this backend alone knows.
//
// Who uses it: Winograd convolutions and the cpu planner (the conversion into the layout). What it must not know: images.
#pragma once

#include "backends/common/task_kernel.h"

#include <optional>

namespace tenon::cpu {

using namespace tenon::kernels;

// Panels of `columns` output channels; in each, for every element of a tile (row by row), a line of columns per input channel.
struct WinogradWeights {
    int64_t results = 0; // of a tile, per dimension: 2 or 4
    int64_t columns = 0;

    int64_t elements() const { return (results + 2) * (results + 2); }
};

// Of weights [outputs, inputs, 3, 3].
TnFormat winogradFormat(const WinogradWeights& weights, int64_t outputs, int64_t inputs);
// Nothing for other layouts.
std::optional<WinogradWeights> winogradWeightsOf(const TnFormat& format);

// A conversion from the linear layout, or back to it. Throws a refusal for other ones.
bool isWinogradConversion(const Task& task);
void checkWinogradConversion(const Task& task);
TaskPlan planWinogradConversion(const Task& task, const PortShapes& shapes);

} // namespace tenon::cpu
