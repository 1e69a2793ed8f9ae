// The weights of Winograd convolutions, in layouts that this backend alone knows: transformed when a plan is built, or as they are, to be transformed as they are
// used, which takes 9 floats of memory for each pair of channels instead of 16 or 36.
//
// Who uses it: Winograd convolutions and the cpu planner (the conversion into the layout). What it must not know: images.
#pragma once

#include "backends/common/task_kernel.h"

#include <optional>

namespace tenon::cpu {

using namespace tenon::kernels;

// Panels of `columns` output channels. In each of transformed ones, for every element of a tile (row by row), a line of columns per input channel; of others, for
// every input channel nine lines, one per tap.
struct WinogradWeights {
    int64_t results = 0; // of a tile, per dimension: 2 or 4
    int64_t columns = 0;
    bool isTransformed = true;

    int64_t elements() const { return (results + 2) * (results + 2); } // of a tile
    // Floats for a pair of channels.
    int64_t floats() const { return isTransformed ? elements() : 9; }
    // Of weights [outputs, inputs, 3, 3].
    int64_t bytes(int64_t outputs, int64_t inputs) const;
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
