// Resizing as data: which input elements each output element mixes, per axis, with ONNX's coordinate transformations.
//
// Who uses it: the resize kernels of the host backends, each of which brings its own loops. What it must not know: element types.
#pragma once

#include "backends/common/kernel_table.h"
#include "backends/common/movement.h"

#include <vector>

namespace tenon::kernels {

// How one axis changes.
struct AxisScale {
    size_t axis = 0;
    int64_t input = 0; // extents
    int64_t output = 0;
    double scale = 1;
    double roiBegin = 0; // parts of the input's extent
    double roiEnd = 1;
};

// Of the axes that change; the others are copied as they are. Resolves axes, sizes and keep_aspect. Throws Failure where attributes and
// extents disagree.
std::vector<AxisScale> scalesOfResize(const Call& call);

// What one output index along one axis reads. No taps: outside the crop, the extrapolation value.
struct Mix {
    Dims from;
    std::vector<double> weights;
};

struct AxisMap {
    size_t axis;
    std::vector<Mix> mixes;
};

// One map per axis that changes; interpolation is separable, so that applying them one after the other is the whole op. Throws
// Failure where attributes and extents disagree.
std::vector<AxisMap> mapsOfResize(const Call& call);
// Nearest only: the maps as index tables over all dimensions.
Sources sourcesOfNearest(const Call& call, const std::vector<AxisMap>& maps);
// For registrations: known modes, and floats where elements are mixed.
void checkResize(const module::NodeView& node);

} // namespace tenon::kernels
