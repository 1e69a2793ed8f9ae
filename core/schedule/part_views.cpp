#include "core/schedule/part_views.h"

#include "core/schedule/memory_sharing.h"
#include "core/support/checked.h"

#include <algorithm>
#include <array>
#include <map>

namespace tenon::schedule {

namespace {

std::optional<std::vector<int64_t>> staticDims(const ir::ExprPool& pool, const ir::Value& value) {
    std::vector<int64_t> dims;
    for (const ir::DimExpr dim : value.type().dims) {
        if (!dim.valid() || !pool.isConstant(dim)) {
            return {};
        }
        dims.push_back(pool.constantValue(dim));
    }
    if (!value.type().ranked || std::find(dims.begin(), dims.end(), 0) != dims.end()) {
        return {};
    }
    return dims;
}

// An attribute that lists integers, if they are constants.
std::optional<std::vector<int64_t>> integersOf(const ir::Node& node, const char* name) {
    if (const auto* ints = node.attributes().get<std::vector<int64_t>>(name)) {
        return *ints;
    }
    const auto* list = node.attributes().get<ir::DimList>(name);
    if (!list) {
        return {};
    }
    std::vector<int64_t> values;
    for (const ir::DimExpr dim : list->dims) {
        if (!dim.valid() || !node.graph()->pool().isConstant(dim)) {
            return {};
        }
        values.push_back(node.graph()->pool().constantValue(dim));
    }
    return values;
}

// `extent` elements of an input from `start` on along `dim` are an output, or the other way round.
struct Part {
    int32_t input = 0;
    int32_t output = 0;
    int32_t dim = 0;
    int64_t start = 0;
    int64_t extent = 0;
};

// A region's whole tensor, an input or an output, and the parts of it that are its other ports.
struct Parts {
    bool wholeIsOutput = false;
    std::vector<int64_t> dims;
    std::vector<Part> parts; // empty: it is no such region
};

int32_t normalAxis(const ir::Node& node, size_t rank) {
    const int64_t axis = node.attributes().intOr("axis", 0);
    return static_cast<int32_t>(axis < 0 ? axis + static_cast<int64_t>(rank) : axis);
}

// What a slice takes, if it is one run of elements of one dimension.
std::optional<Part> partOf(const ir::Node& node, const std::vector<int64_t>& whole, const std::vector<int64_t>& part) {
    const auto starts = integersOf(node, "starts");
    if (!starts || part.size() != whole.size()) {
        return {};
    }
    const bool counts = integersOf(node, "sizes").has_value();
    if ((!counts && !integersOf(node, "ends")) ||
        std::any_of(node.inputs().begin() + 1, node.inputs().end(), [](const ir::Value* input) { return input; })) {
        return {};
    }
    const std::vector<int64_t> steps = integersOf(node, "steps").value_or(std::vector<int64_t>(starts->size(), 1));
    std::vector<int64_t> axes;
    if (node.attributes().has("axes")) {
        const auto given = integersOf(node, "axes");
        if (!given) {
            return {};
        }
        axes = *given;
    } else {
        for (size_t i = 0; i < starts->size(); ++i) {
            axes.push_back(static_cast<int64_t>(i));
        }
    }
    if (axes.size() != starts->size() || steps.size() != starts->size()) {
        return {};
    }
    std::optional<Part> found;
    for (size_t i = 0; i < axes.size(); ++i) {
        const int64_t axis = axes[i] < 0 ? axes[i] + static_cast<int64_t>(whole.size()) : axes[i];
        if (axis < 0 || axis >= static_cast<int64_t>(whole.size())) {
            return {};
        }
        const int64_t extent = whole[static_cast<size_t>(axis)];
        const int64_t taken = part[static_cast<size_t>(axis)];
        // Where sizes are given, a start is what it says, and modes differ in what lies outside.
        int64_t start = (*starts)[i];
        if (!counts) {
            start = std::clamp<int64_t>(start < 0 ? start + extent : start, 0, extent);
        }
        if (start < 0 || taken > extent || start > extent - taken || (steps[i] != 1 && extent != 1)) {
            return {};
        }
        if (taken == extent) {
            continue;
        }
        if (found) {
            return {};
        }
        found = Part{0, 0, static_cast<int32_t>(axis), start, taken};
    }
    return found;
}

Parts joinedParts(const RegionEntry& region) {
    const ir::Node& node = *region.nodes[0];
    const auto dims = staticDims(node.graph()->pool(), *region.outputs[0]);
    if (!dims || node.inputs().size() != region.inputs.size()) {
        return {};
    }
    Parts found{true, *dims, {}};
    const int32_t axis = normalAxis(node, dims->size());
    int64_t start = 0;
    for (size_t i = 0; i < region.inputs.size(); ++i) {
        const ir::Value* input = region.inputs[i];
        const auto part = staticDims(node.graph()->pool(), *input);
        if (node.input(i) != input || input->constant() || !part) {
            return {};
        }
        const int64_t extent = (*part)[static_cast<size_t>(axis)];
        found.parts.push_back({static_cast<int32_t>(i), 0, axis, start, extent});
        start += extent;
    }
    return found;
}

Parts cutParts(const RegionEntry& region) {
    const ir::Node& node = *region.nodes[0];
    const auto dims = staticDims(node.graph()->pool(), *region.inputs[0]);
    if (!dims || node.input(0) != region.inputs[0] || region.inputs[0]->constant()) {
        return {};
    }
    Parts found{false, *dims, {}};
    int64_t start = 0;
    for (const ir::Value* output : node.outputs()) {
        const auto dimsOfPart = staticDims(node.graph()->pool(), *output);
        if (!dimsOfPart) {
            return {};
        }
        const std::optional<Part> place = node.op() == "split"
                                              ? std::optional<Part>({0, 0, normalAxis(node, dims->size()), start, 0})
                                              : partOf(node, *dims, *dimsOfPart);
        if (!place) {
            return {};
        }
        const int64_t extent = (*dimsOfPart)[static_cast<size_t>(place->dim)];
        start += extent;
        // Outputs that nobody reads are none of the region's.
        const auto port = std::find(region.outputs.begin(), region.outputs.end(), output);
        if (port != region.outputs.end()) {
            found.parts.push_back(
                {0, static_cast<int32_t>(port - region.outputs.begin()), place->dim, place->start, extent});
        }
    }
    return found;
}

Parts partsOf(const RegionEntry& region) {
    if (!region.isSingle() || region.replaced || region.inputs.empty() || region.outputs.empty()) {
        return {};
    }
    const std::string& op = region.nodes[0]->op();
    if (op == "concat") {
        return joinedParts(region);
    }
    return op == "slice" || op == "split" ? cutParts(region) : Parts();
}

} // namespace

std::optional<int64_t> partOffset(const ir::TensorFormat& format, ir::DataType type, const std::vector<int64_t>& whole,
                                  int32_t dim, int64_t start, int64_t extent) {
    const int32_t rank = format.rank;
    if (ir::isOpaque(format) || format.outer_pitch != 0 || ir::bitsOf(type) < 8 ||
        static_cast<size_t>(rank) != whole.size() || dim < 0 || dim >= rank) {
        return {};
    }
    std::array<int64_t, TN_MAX_DIMS> block;
    block.fill(1);
    for (int32_t b = 0; b < format.block_count; ++b) {
        block[static_cast<size_t>(format.blocks[b].dim)] *= format.blocks[b].size;
    }
    for (int32_t i = 0; format.order[i] != dim; ++i) {
        const auto outer = static_cast<size_t>(format.order[i]);
        if (whole[outer] > block[outer]) {
            return {};
        }
    }
    const int64_t unit = block[static_cast<size_t>(dim)];
    const int64_t end = start + extent;
    if (start % unit != 0 || (end % unit != 0 && end != whole[static_cast<size_t>(dim)])) {
        return {};
    }
    // What lies before the part is a tensor that ends where it begins.
    std::vector<int64_t> before = whole;
    before[static_cast<size_t>(dim)] = start;
    const int64_t bytes = ir::bytesOf(format, type, before.data());
    return bytes < 0 ? std::nullopt : std::optional<int64_t>(bytes);
}

std::vector<PartView> partViews(const RegionEntry& region, const std::vector<PortLayout>& inputs,
                                const std::vector<PortLayout>& outputs) {
    const Parts found = partsOf(region);
    std::vector<PartView> views;
    for (const Part& part : found.parts) {
        const PortLayout& input = inputs[static_cast<size_t>(part.input)];
        const PortLayout& output = outputs[static_cast<size_t>(part.output)];
        const auto offset = partOffset(input.format, static_cast<ir::DataType>(input.dtype), found.dims, part.dim,
                                       part.start, part.extent);
        if (!offset || !equal(input, output)) {
            return {};
        }
        views.push_back({part.input, part.output, found.wholeIsOutput ? -*offset : *offset});
    }
    return views;
}

std::set<const ir::Node*> foreseenViews(const ir::Graph& graph, const std::vector<RegionEntry>& regions) {
    MemorySharing sharing;
    std::map<const ir::Value*, int32_t> tensors;
    // Elements stand for bytes, and every part is taken to be one in memory: layouts are asked later.
    const auto add = [&](const ir::Value* value, plan::PlanTensor::Role role) {
        MemorySharing::Tensor tensor;
        tensor.role = value->isGraphOutput() ? plan::PlanTensor::Role::kOutput : role;
        const auto dims = staticDims(graph.pool(), *value);
        tensor.bytes = dims ? support::checkedProduct({dims->data(), dims->size()}).value_or(0) : 0;
        tensors.emplace(value, sharing.add(tensor));
    };
    for (const ir::Value* input : graph.inputs()) {
        add(input, plan::PlanTensor::Role::kInput);
    }
    std::map<const ir::Node*, int32_t> steps;
    for (const ir::Node* node : graph.nodes()) {
        const auto step = static_cast<int32_t>(steps.size());
        steps.emplace(node, step);
        for (const ir::Value* output : node->outputs()) {
            add(output,
                node->op() == "const" ? plan::PlanTensor::Role::kConstant : plan::PlanTensor::Role::kActivation);
            sharing.write(tensors.at(output), step);
        }
        for (const ir::Value* input : node->inputs()) {
            if (input) {
                sharing.read(tensors.at(input), step);
            }
        }
    }
    std::set<const ir::Node*> views;
    for (const RegionEntry& region : regions) {
        if (!region.isSingle() || region.inputs.empty() || region.outputs.empty() || !steps.count(region.nodes[0])) {
            continue;
        }
        const std::vector<Candidate>& candidates = region.task->candidates;
        std::vector<ViewLink> links;
        if (std::any_of(candidates.begin(), candidates.end(),
                        [](const Candidate& each) { return each.tactic.isFreeAlias(); })) {
            links.push_back({tensors.at(region.inputs[0]), tensors.at(region.outputs[0]), 0, false});
        }
        const Parts found = partsOf(region);
        for (const Part& part : found.parts) {
            int64_t row = 1;
            for (size_t d = 0; d < found.dims.size(); ++d) {
                row *= d == static_cast<size_t>(part.dim) ? 1 : found.dims[d];
            }
            links.push_back({tensors.at(region.inputs[static_cast<size_t>(part.input)]),
                             tensors.at(region.outputs[static_cast<size_t>(part.output)]),
                             (found.wholeIsOutput ? -1 : 1) * part.start * row, true});
        }
        if (sharing.view(links, steps.at(region.nodes[0]))) {
            views.insert(region.nodes[0]);
        }
    }
    return views;
}

} // namespace tenon::schedule
