#include "backends/common/resample.h"

#include <algorithm>
#include <cmath>

namespace tenon::kernels {

namespace {

struct Options {
    std::string mode;
    std::string coordinate;
    std::string nearest;
    double cubicA;
    bool excludeOutside;
    bool antialias;
};

double sourceOf(const Options& options, const AxisScale& axis, int64_t index) {
    const auto x = static_cast<double>(index);
    const auto input = static_cast<double>(axis.input);
    const double output = axis.scale * input; // not rounded, as ONNX has it
    if (options.coordinate == "align_corners") {
        return output == 1 ? 0 : x * (input - 1) / (output - 1);
    }
    if (options.coordinate == "asymmetric") {
        return x / axis.scale;
    }
    if (options.coordinate == "tf_crop_and_resize") {
        const double within =
            axis.output == 1 ? (axis.roiEnd - axis.roiBegin) * (input - 1) / 2
                             : x * (axis.roiEnd - axis.roiBegin) * (input - 1) / (static_cast<double>(axis.output) - 1);
        return within + axis.roiBegin * (input - 1);
    }
    if (options.coordinate == "tf_half_pixel_for_nn") {
        return (x + 0.5) / axis.scale;
    }
    if (options.coordinate == "half_pixel_symmetric") {
        const double adjustment = static_cast<double>(axis.output) / output;
        return input / 2 * (1 - adjustment) + (x + 0.5) / axis.scale - 0.5;
    }
    if (options.coordinate == "pytorch_half_pixel" && axis.output == 1) {
        return 0;
    }
    if (options.coordinate != "half_pixel" && options.coordinate != "pytorch_half_pixel") {
        invalid("resize has no coordinate transformation '", options.coordinate, "'");
    }
    return (x + 0.5) / axis.scale - 0.5;
}

int64_t nearestOf(const Options& options, double x) {
    if (options.nearest == "round_prefer_floor") {
        return static_cast<int64_t>(std::ceil(x - 0.5));
    }
    if (options.nearest == "round_prefer_ceil") {
        return static_cast<int64_t>(std::floor(x + 0.5));
    }
    if (options.nearest == "floor") {
        return static_cast<int64_t>(std::floor(x));
    }
    if (options.nearest != "ceil") {
        invalid("resize has no rounding '", options.nearest, "'");
    }
    return static_cast<int64_t>(std::ceil(x));
}

// Weight of an element at `distance` from the sampled point.
double kernelOf(const Options& options, double distance) {
    const double x = std::fabs(distance);
    if (options.mode == "linear") {
        return std::max(0.0, 1 - x);
    }
    const double a = options.cubicA;
    if (x <= 1) {
        return ((a + 2) * x - (a + 3)) * x * x + 1;
    }
    return x < 2 ? ((a * x - 5 * a) * x + 8 * a) * x - 4 * a : 0;
}

Mix mixOf(const Options& options, const AxisScale& axis, int64_t index) {
    const double x = sourceOf(options, axis, index);
    const int64_t last = axis.input - 1;
    if (options.coordinate == "tf_crop_and_resize" && (x < 0 || x > static_cast<double>(last))) {
        return {};
    }
    if (options.mode == "nearest") {
        return {{std::clamp<int64_t>(nearestOf(options, x), 0, last)}, {1}};
    }
    // When scaling down with antialias the kernel is stretched to cover all that shrinks into one element.
    const double stretch = options.antialias ? std::min(axis.scale, 1.0) : 1.0;
    const double reach = options.mode == "linear" ? 1 : 2;
    const auto first = static_cast<int64_t>(std::floor(-reach / stretch)) + 1;
    // The element left of x, or of x itself where x is whole.
    const double left = std::ceil(x) - 1;
    Mix mix;
    double sum = 0;
    for (int64_t tap = first; tap < 2 - first; ++tap) {
        const int64_t element = static_cast<int64_t>(left) + tap;
        double weight = kernelOf(options, stretch * (static_cast<double>(tap) - (x - left)));
        if (options.excludeOutside && (element < 0 || element > last)) {
            weight = 0;
        }
        mix.from.push_back(std::clamp<int64_t>(element, 0, last));
        mix.weights.push_back(weight);
        sum += weight;
    }
    if (options.antialias || options.excludeOutside) {
        for (double& weight : mix.weights) {
            weight /= sum;
        }
    }
    return mix;
}

} // namespace

std::vector<AxisScale> scalesOfResize(const Call& call) {
    const Dims& in = call.in(0).dims;
    const Dims& out = call.out().dims;
    if (in.size() != out.size()) {
        invalid("resize of shape ", shapeText(in), " to shape ", shapeText(out));
    }
    Dims axes = call.dims("axes");
    if (axes.empty()) {
        for (size_t d = 0; d < in.size(); ++d) {
            axes.push_back(static_cast<int64_t>(d));
        }
    }
    const std::vector<double> scales = call.floats("scales");
    const std::vector<double> roi = call.floats("roi");
    const Dims sizes = call.dims("sizes");
    if (!scales.empty() && scales.size() != axes.size()) {
        invalid("resize with ", scales.size(), " scales along ", axes.size(), " axes");
    }
    // With a kept aspect ratio all axes are scaled alike, by the smallest or the largest of the asked ratios.
    const std::string aspect = call.stringOr("keep_aspect", "stretch");
    double common = 0;
    for (size_t i = 0; aspect != "stretch" && i < sizes.size() && i < axes.size(); ++i) {
        const auto d = static_cast<size_t>(normalizeAxis(axes[i], in.size()));
        const double ratio = static_cast<double>(sizes[i]) / static_cast<double>(in[d]);
        common = i == 0 ? ratio : aspect == "not_larger" ? std::min(common, ratio) : std::max(common, ratio);
    }
    const bool crops = call.stringOr("coordinate", "half_pixel") == "tf_crop_and_resize";
    std::vector<AxisScale> changed;
    std::vector<bool> seen(in.size(), false);
    for (size_t i = 0; i < axes.size(); ++i) {
        const auto d = static_cast<size_t>(normalizeAxis(axes[i], in.size()));
        seen[d] = true;
        const double stretched = static_cast<double>(out[d]) / static_cast<double>(in[d]);
        AxisScale axis{d, in[d], out[d], !scales.empty() ? scales[i] : common > 0 ? common : stretched, 0, 1};
        if (roi.size() == 2 * axes.size()) {
            axis.roiBegin = roi[i];
            axis.roiEnd = roi[i + axes.size()];
        }
        if (axis.input == axis.output && (axis.scale == 1 || axis.input == 0) && !crops) {
            continue;
        }
        if (axis.input == 0 && axis.output != 0) {
            invalid("resize of shape ", shapeText(in), " to shape ", shapeText(out));
        }
        changed.push_back(axis);
    }
    for (size_t d = 0; d < in.size(); ++d) {
        if (!seen[d] && in[d] != out[d]) {
            invalid("resize of shape ", shapeText(in), " to shape ", shapeText(out), " leaves axis ", d, " alone");
        }
    }
    return changed;
}

std::vector<AxisMap> mapsOfResize(const Call& call) {
    const Options options{call.stringOr("mode", "nearest"),
                          call.stringOr("coordinate", "half_pixel"),
                          call.stringOr("nearest", "round_prefer_floor"),
                          call.floatOr("cubic_a", -0.75),
                          call.intOr("exclude_outside", 0) != 0,
                          call.intOr("antialias", 0) != 0};
    std::vector<AxisMap> maps;
    for (const AxisScale& axis : scalesOfResize(call)) {
        AxisMap map{axis.axis, {}};
        for (int64_t index = 0; index < axis.output; ++index) {
            map.mixes.push_back(mixOf(options, axis, index));
        }
        maps.push_back(std::move(map));
    }
    return maps;
}

Sources sourcesOfNearest(const Call& call, const std::vector<AxisMap>& maps) {
    Sources sources;
    for (int64_t extent : call.out().dims) {
        sources.emplace_back();
        for (int64_t i = 0; i < extent; ++i) {
            sources.back().push_back(i);
        }
    }
    for (const AxisMap& map : maps) {
        for (size_t i = 0; i < map.mixes.size(); ++i) {
            sources[map.axis][i] = map.mixes[i].from.empty() ? -1 : map.mixes[i].from[0];
        }
    }
    return sources;
}

void checkResize(const module::NodeView& node) {
    const std::string_view mode = node.stringOr("mode", "nearest");
    if (mode != "nearest" && mode != "linear" && mode != "cubic") {
        refuse("resize in the mode '", mode, "'; supported are nearest, linear, cubic");
    }
    if (mode != "nearest") {
        requireType(node, 0, kFloats);
    }
}

} // namespace tenon::kernels
