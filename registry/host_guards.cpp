#include "registry/host_guards.h"

#include "core/ir/data_type.h"
#include "core/ir/tensor_format.h"
#include "core/support/text.h"
#include "registry/text_sink.h"

#include <cstddef>

namespace tenon::registry {

using support::cat;

namespace {

constexpr int32_t kHostAlignment = 64;
constexpr int64_t kMaxElements = INT32_MAX;

template <class T>
const T& elementAt(const T* first, size_t stride, int64_t i) {
    return *reinterpret_cast<const T*>(reinterpret_cast<const std::byte*>(first) + stride * static_cast<size_t>(i));
}

std::optional<std::string> newerThan(const TnGraph& graph, uint32_t opSet, const ProviderEntry& provider) {
    for (int64_t i = 0; i < graph.node_count; ++i) {
        const TnNode& node = elementAt(graph.nodes, graph.node_stride, i);
        if (node.op_since > 0 && static_cast<uint32_t>(node.op_since) > opSet) {
            return cat("op '", toView(node.op), "' of node '", toView(node.name), "' uses something of op set ",
                       node.op_since, ", and module '", provider.origin.module, "' was built for op set ", opSet,
                       ": install a newer version of the module");
        }
        for (int64_t r = 0; r < node.region_count; ++r) {
            if (std::optional<std::string> why = newerThan(*node.regions[r], opSet, provider)) {
                return why;
            }
        }
    }
    return std::nullopt;
}

const TnValue& inputOf(const TnTask& task, int64_t port) {
    return elementAt(task.body->values, task.body->value_stride, task.body->inputs[port]);
}
const TnValue& outputOf(const TnTask& task, int64_t port) {
    return elementAt(task.body->values, task.body->value_stride, task.body->outputs[port]);
}

// What one tensor at a port may be inside the box.
struct Extremes {
    bool mayBeEmpty = false;
    bool mayBeHuge = false;
};

Extremes extremesOf(const TnValue& value) {
    if (value.kind != TN_VALUE_TENSOR) {
        return {};
    }
    if (value.rank < 0) {
        return {true, true};
    }
    Extremes out;
    int64_t most = 1;
    for (int32_t i = 0; i < value.rank; ++i) {
        out.mayBeEmpty = out.mayBeEmpty || value.dims[i].min == 0;
        out.mayBeHuge = out.mayBeHuge || __builtin_mul_overflow(most, value.dims[i].max, &most) || most > kMaxElements;
    }
    for (int32_t i = 0; i < value.rank; ++i) {
        if (value.dims[i].max == 0) {
            out.mayBeHuge = false;
        }
    }
    return out;
}

std::optional<std::string> refusePort(const TnValue& value, const TnPortFormat& port, TnTraits traits,
                                      const std::string& where) {
    const Extremes extremes = extremesOf(value);
    if (extremes.mayBeHuge && (traits & TN_TRAIT_ANY_EXTENT) == 0) {
        return cat(where, " may have more than ", kMaxElements,
                   " elements, and the tactic does not declare any_extent");
    }
    if (extremes.mayBeEmpty && (traits & TN_TRAIT_ANY_EXTENT) == 0) {
        return cat(where, " may be empty, and the tactic does not declare any_extent");
    }
    const bool known = port.dtype >= 0 && port.dtype < TN_DATA_TYPE_COUNT && port.dtype != TN_STRING;
    if (known && ir::bitsOf(static_cast<ir::DataType>(port.dtype)) < 8 && (traits & TN_TRAIT_SUB_BYTE) == 0) {
        return cat(where, " has elements below 8 bits (", ir::nameOf(static_cast<ir::DataType>(port.dtype)),
                   "), and the tactic does not declare sub_byte");
    }
    if (port.format.outer_pitch != 0 && (traits & TN_TRAIT_OUTER_PITCH) == 0) {
        return cat(where, " has an outer pitch, and the tactic does not declare outer_pitch");
    }
    if (port.placement == TN_PLACEMENT_HOST && port.format.alignment > kHostAlignment) {
        return cat(where, " wants an alignment of ", port.format.alignment, " bytes; this host's memory has ",
                   kHostAlignment);
    }
    return std::nullopt;
}

std::optional<std::string> checkPort(const ProviderEntry& provider, const TnValue& value, const TnPortFormat& port,
                                     const std::string& where) {
    if (port.dtype < 0 || port.dtype >= TN_DATA_TYPE_COUNT) {
        return cat(where, " has element type ", port.dtype, ", which does not exist");
    }
    if (!ir::isWellFormed(port.format)) {
        return cat(where, " has an impossible format");
    }
    if (value.rank >= 0 && port.format.rank != value.rank) {
        return cat(where, " has a format of rank ", port.format.rank, ", the tensor has rank ", value.rank);
    }
    if (ir::isOpaque(port.format) && provider.name != std::string_view(&port.format.opaque_provider[0])) {
        return cat(where, " has an opaque layout of provider '", std::string_view(&port.format.opaque_provider[0]),
                   "'");
    }
    return std::nullopt;
}

bool equalPorts(const TnPortFormat& a, const TnPortFormat& b) {
    return a.dtype == b.dtype && a.placement == b.placement && ir::equal(a.format, b.format);
}

} // namespace

std::optional<std::string> refuse(const ProviderEntry& provider, const TnTask& task) {
    return newerThan(*task.body, provider.origin.opSet, provider);
}

namespace {

std::string typesText(uint64_t types) {
    std::string text;
    for (int32_t type = 0; type < TN_DATA_TYPE_COUNT; ++type) {
        if ((types >> type & 1) != 0) {
            text += cat(text.empty() ? "" : ", ", ir::nameOf(static_cast<ir::DataType>(type)));
        }
    }
    return text;
}

// Values that are f32 in the network may be in another type where a kernel reads or writes them. Where f32 itself is not allowed, a kernel of
// which every such port is f32 computes in a type that was ruled out.
bool computesInF32(const TnTask& task, const TnTactic& tactic) {
    bool any = false;
    const auto isF32 = [&any](const TnValue& value, const TnPortFormat& port) {
        any = any || value.dtype == TN_F32;
        return value.dtype != TN_F32 || port.dtype == TN_F32;
    };
    for (int64_t i = 0; i < task.body->input_count; ++i) {
        if (!isF32(inputOf(task, i), elementAt(tactic.inputs, tactic.port_stride, i))) {
            return false;
        }
    }
    for (int64_t i = 0; i < task.body->output_count; ++i) {
        if (!isF32(outputOf(task, i), elementAt(tactic.outputs, tactic.port_stride, i))) {
            return false;
        }
    }
    return any;
}

} // namespace

std::optional<std::string> refuse(const TnTask& task, const TnTactic& tactic) {
    // What the interface can say and this host does not do yet is refused, never ignored.
    if ((tactic.traits & TN_TRAIT_UNTIMED) != 0) {
        return "declares untimed, which this host cannot honour: every tactic is timed alone";
    }
    if ((tactic.traits & TN_TRAIT_BAKES_CONSTANTS) != 0) {
        return "declares bakes_constants, which this host cannot honour: large constants are not shown to compile";
    }
    if ((tactic.traits & TN_TRAIT_TF32) != 0 && (task.compute_types & TN_COMPUTE_TF32) == 0) {
        return "rounds to TF32, which this build does not allow";
    }
    if ((task.compute_types & uint64_t{1} << TN_F32) == 0 && (tactic.traits & TN_TRAIT_FREE_ALIAS) == 0 &&
        computesInF32(task, tactic)) {
        return cat("computes in f32; the layer's precision allows ", typesText(task.compute_types));
    }
    for (int64_t i = 0; i < task.body->input_count; ++i) {
        if (auto why = refusePort(inputOf(task, i), elementAt(tactic.inputs, tactic.port_stride, i), tactic.traits,
                                  cat("input ", i))) {
            return why;
        }
    }
    for (int64_t i = 0; i < task.body->output_count; ++i) {
        if (auto why = refusePort(outputOf(task, i), elementAt(tactic.outputs, tactic.port_stride, i), tactic.traits,
                                  cat("output ", i))) {
            return why;
        }
    }
    return std::nullopt;
}

std::optional<std::string> checkTactic(const ProviderEntry& provider, const TnTask& task, const TnTactic& tactic) {
    const int64_t inputs = task.body->input_count;
    const int64_t outputs = task.body->output_count;
    if (tactic.struct_size < offsetof(TnTactic, may_alias) + sizeof(tactic.may_alias) ||
        tactic.port_stride < sizeof(TnPortFormat) || (inputs > 0 && tactic.inputs == nullptr) ||
        (outputs > 0 && tactic.outputs == nullptr)) {
        return "the tactic's table is too small, or has no ports";
    }
    if (tactic.name.data == nullptr || tactic.name.size == 0) {
        return "the tactic has no name";
    }
    for (int64_t i = 0; i < inputs; ++i) {
        const TnPortFormat& port = elementAt(tactic.inputs, tactic.port_stride, i);
        if (auto why = checkPort(provider, inputOf(task, i), port, cat("input ", i))) {
            return why;
        }
    }
    for (int64_t i = 0; i < outputs; ++i) {
        const TnPortFormat& port = elementAt(tactic.outputs, tactic.port_stride, i);
        if (auto why = checkPort(provider, outputOf(task, i), port, cat("output ", i))) {
            return why;
        }
        const int32_t alias = tactic.may_alias != nullptr ? tactic.may_alias[i] : -1;
        if (alias < -1 || alias >= inputs) {
            return cat("output ", i, " may take over input ", alias, " of ", inputs);
        }
    }
    if (task.convert_to != nullptr && outputs == 1 &&
        !equalPorts(elementAt(tactic.outputs, tactic.port_stride, 0), *task.convert_to)) {
        return "the output of the conversion is not the port that was asked for";
    }
    if (task.convert_to != nullptr && inputs > 0 && task.offered != nullptr &&
        !equalPorts(elementAt(tactic.inputs, tactic.port_stride, 0), task.offered[task.offered_begin[0]])) {
        return "the input of the conversion is not the port that was offered";
    }
    return std::nullopt;
}

} // namespace tenon::registry
