// pad: constant, edge, reflect and wrap; negative pads crop.
#include "backends/reference/bytes.h"
#include "backends/reference/ops.h"

namespace tenon::reference {

namespace {

Plan planPad(const Call& call) {
    const Dims& in = call.in(0).dims;
    const Dims& out = call.out().dims;
    const Dims pads = call.dims("pads");
    Dims axes = call.dims("axes");
    if (axes.empty()) {
        for (size_t d = 0; d < in.size(); ++d) {
            axes.push_back(static_cast<int64_t>(d));
        }
    }
    if (pads.size() != 2 * axes.size() || in.size() != out.size()) {
        invalid("pad of shape ", shapeText(in), " to shape ", shapeText(out), " with ", pads.size(), " pads along ",
                axes.size(), " axes");
    }
    Dims begin(in.size(), 0);
    Dims expected = in;
    for (size_t i = 0; i < axes.size(); ++i) {
        const auto d = static_cast<size_t>(normalizeAxis(axes[i], in.size()));
        begin[d] += pads[i];
        expected[d] += pads[i] + pads[i + axes.size()];
    }
    if (expected != out) {
        invalid("pad of shape ", shapeText(in), " gives shape ", shapeText(expected), ", the output has ",
                shapeText(out));
    }
    const std::string mode = call.stringOr("mode", "constant");
    if (mode != "constant" && mode != "edge" && mode != "reflect" && mode != "wrap") {
        invalid("pad has no mode '", mode, "'; there are constant, edge, reflect, wrap");
    }
    std::vector<Dims> sources(out.size());
    for (size_t d = 0; d < out.size(); ++d) {
        for (int64_t i = 0; i < out[d]; ++i) {
            sources[d].push_back(foldIndex(i - begin[d], in[d], mode));
        }
    }
    return planIndexed(call, sources, elementOf(call.out().dtype, call.floatOr("value", 0)), call.has(2) ? 2 : -1);
}

void checkPad(const module::NodeView& node) {
    if (node.hasInput(2) && node.input(2).dtype() != node.input(0).dtype()) {
        refuse("pad of ", nameOf(node.input(0).dtype()), " with a value of ", nameOf(node.input(2).dtype()));
    }
}

} // namespace

void addPad(KernelTable& table) {
    table.add({.op = "pad", .maxInputs = 4, .types = kWholeBytes, .plan = planPad, .check = checkPad});
}

} // namespace tenon::reference
