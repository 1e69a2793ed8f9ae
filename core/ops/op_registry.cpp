#include "core/ops/op_registry.h"

#include "core/ops/extent_math.h"
#include "core/ops/op_families.h"
#include "core/support/checked.h"
#include "tenon/module/abi.h"

#include <algorithm>

namespace tenon::ops {

using ir::AttributeValue;
using support::cat;
using support::internalError;
using support::invalidArgument;
using support::Result;
using support::Status;

namespace {

// Bytes of a tensor must fit an int64 whatever the layout pads: leaves room for that.
constexpr int64_t kMaxElements = int64_t{1} << 48;

std::string_view kindName(AttributeKind kind) {
    switch (kind) {
    case AttributeKind::kInt:
        return "an integer";
    case AttributeKind::kFloat:
        return "a number";
    case AttributeKind::kString:
        return "a string";
    case AttributeKind::kInts:
        return "a list of integers";
    case AttributeKind::kFloats:
        return "a list of numbers";
    case AttributeKind::kStrings:
        return "a list of strings";
    case AttributeKind::kDataType:
        return "an element type";
    case AttributeKind::kDims:
        return "a list of extents";
    case AttributeKind::kTensor:
        return "a tensor";
    }
    return "";
}

bool hasKind(const AttributeValue& value, AttributeKind kind) {
    const auto holds = [&]<class T>(const T*) { return std::holds_alternative<T>(value); };
    const bool isInt = holds(static_cast<const int64_t*>(nullptr));
    const bool isInts = holds(static_cast<const std::vector<int64_t>*>(nullptr));
    switch (kind) {
    case AttributeKind::kInt:
        return isInt;
    case AttributeKind::kFloat:
        return isInt || holds(static_cast<const double*>(nullptr));
    case AttributeKind::kString:
        return holds(static_cast<const std::string*>(nullptr));
    case AttributeKind::kInts:
        return isInts;
    case AttributeKind::kFloats:
        return isInts || holds(static_cast<const std::vector<double>*>(nullptr));
    case AttributeKind::kStrings:
        return holds(static_cast<const std::vector<std::string>*>(nullptr));
    case AttributeKind::kDataType:
        return holds(static_cast<const ir::DataType*>(nullptr));
    case AttributeKind::kDims:
        return isInt || isInts || holds(static_cast<const ir::DimList*>(nullptr));
    case AttributeKind::kTensor: {
        const auto* constant = std::get_if<ir::ConstantPtr>(&value);
        return constant != nullptr && *constant != nullptr;
    }
    }
    return false;
}

Status checkRange(const AttributeSpec& spec, const AttributeValue& value) {
    const auto within = [&](int64_t number, std::string_view where) {
        if (number >= spec.min && number <= spec.max) {
            return support::okStatus();
        }
        if (spec.max == INT64_MAX || spec.max == INT32_MAX) {
            const bool low = number < spec.min;
            return invalidArgument("attribute '", spec.name, "'", where, " is ", number, ", but must be at ",
                                   low ? "least " : "most ", low ? spec.min : spec.max);
        }
        return invalidArgument("attribute '", spec.name, "'", where, " is ", number, ", but must be within [", spec.min,
                               ", ", spec.max, "]");
    };
    if (const auto* number = std::get_if<int64_t>(&value)) {
        return within(*number, "");
    }
    if (const auto* numbers = std::get_if<std::vector<int64_t>>(&value)) {
        for (size_t i = 0; i < numbers->size(); ++i) {
            TN_RETURN_IF_ERROR(within((*numbers)[i], cat("[", i, "]")));
        }
    }
    if (const auto* list = std::get_if<ir::DimList>(&value)) {
        for (size_t i = 0; i < list->dims.size(); ++i) {
            if (!list->dims[i].valid()) {
                return invalidArgument("attribute '", spec.name, "'[", i, "] is not known");
            }
        }
    }
    const auto* text = std::get_if<std::string>(&value);
    if (text != nullptr && !spec.choices.empty() &&
        std::find(spec.choices.begin(), spec.choices.end(), *text) == spec.choices.end()) {
        return invalidArgument("attribute '", spec.name, "' is '", *text, "', but must be one of ",
                               support::join(spec.choices, ", "));
    }
    return support::okStatus();
}

Status checkAttributes(const OpDef& def, const ir::AttributeMap& attributes) {
    for (const auto& [name, value] : attributes) {
        const AttributeSpec* spec = def.attribute(name);
        if (spec == nullptr) {
            std::vector<std::string> known;
            for (const AttributeSpec& other : def.attributes) {
                known.push_back(other.name);
            }
            return invalidArgument("there is no attribute '", name, "'; ",
                                   known.empty() ? "this op has none" : cat("known are ", support::join(known, ", ")));
        }
        if (!hasKind(value, spec->kind)) {
            return invalidArgument("attribute '", name, "' must be ", kindName(spec->kind));
        }
        TN_RETURN_IF_ERROR(checkRange(*spec, value));
    }
    for (const AttributeSpec& spec : def.attributes) {
        if (spec.required && !attributes.has(spec.name)) {
            return invalidArgument("attribute '", spec.name, "' is missing");
        }
    }
    return support::okStatus();
}

size_t requiredInputs(const OpDef& def) {
    for (size_t i = def.inputs.size(); i > 0; --i) {
        if (!def.inputs[i - 1].optional) {
            return i;
        }
    }
    return 0;
}

Status checkCounts(const OpDef& def, size_t inputs, size_t outputs) {
    const size_t least = requiredInputs(def);
    const size_t most = def.variadic ? SIZE_MAX : def.inputs.size();
    if (inputs < least || inputs > most) {
        const std::string wanted = least == most  ? cat(least)
                                   : def.variadic ? cat("at least ", least)
                                                  : cat(least, " to ", most);
        return invalidArgument("needs ", wanted, wanted == "1" || wanted == "at least 1" ? " operand" : " operands",
                               ", got ", inputs);
    }
    if (outputs < static_cast<size_t>(def.minOutputs) || outputs > static_cast<size_t>(def.maxOutputs)) {
        return def.minOutputs == def.maxOutputs
                   ? invalidArgument("has ", def.minOutputs, def.minOutputs == 1 ? " output, " : " outputs, ", outputs,
                                     " asked for")
                   : invalidArgument("has ", def.minOutputs, " to ", def.maxOutputs, " outputs, ", outputs,
                                     " asked for");
    }
    return support::okStatus();
}

Status checkInputs(const OpDef& def, const InferContext& context) {
    for (size_t i = 0; i < context.inputCount() || i < def.inputs.size(); ++i) {
        const InputSpec& spec = def.inputs[std::min(i, def.inputs.size() - 1)];
        if (!context.hasInput(i)) {
            if (!spec.optional) {
                return invalidArgument("operand ", i, " ('", spec.name, "') is missing");
            }
            continue;
        }
        if (!def.anyKind && context.input(i).type.kind != ir::ValueKind::kTensor) {
            return invalidArgument("operand ", i, " ('", spec.name,
                                   "') must be a tensor, but is a sequence or an optional");
        }
    }
    return support::okStatus();
}

// What no op may produce, whoever wrote its inference.
Status checkOutputs(const InferContext& context) {
    const ExtentMath math(context.pool());
    for (size_t i = 0; i < context.outputCount(); ++i) {
        const InferOutput& output = context.outputs()[i];
        if (!output.set) {
            return internalError("inference left the type of output ", i, " open");
        }
        if (output.type.dims.size() > TN_MAX_DIMS) {
            return support::unsupported("output ", i, " would have ", output.type.dims.size(), " dimensions; at most ",
                                        TN_MAX_DIMS, " are supported");
        }
        int64_t elements = 1;
        bool empty = false;
        for (size_t d = 0; d < output.type.dims.size(); ++d) {
            const ir::DimExpr e = output.type.dims[d];
            if (e.id >= context.pool().size()) {
                return internalError("inference gave output ", i, " an extent of another pool");
            }
            const auto extent = math.value(e);
            if (extent && *extent < 0) {
                return invalidArgument("output ", i, " would have the negative extent ", *extent, " in dim ", d);
            }
            empty = empty || extent == 0;
            elements = empty ? 0 : support::checkedMul(elements, extent.value_or(1)).value_or(INT64_MAX);
            if (elements > kMaxElements) {
                return invalidArgument("output ", i, " would be too large: ", math.text(output.type.dims));
            }
        }
        if (output.contents) {
            for (const ir::DimExpr e : *output.contents) {
                if (!e.valid() || e.id >= context.pool().size()) {
                    return internalError("inference gave output ", i, " contents of another pool");
                }
            }
            const bool counted =
                output.type.ranked && std::all_of(output.type.dims.begin(), output.type.dims.end(),
                                                  [&](ir::DimExpr e) { return math.value(e).has_value(); });
            if (!counted || elements != static_cast<int64_t>(output.contents->size())) {
                return internalError("inference gave output ", i, " ", output.contents->size(),
                                     " known elements, but the shape ", math.text(output.type.dims));
            }
        }
    }
    return support::okStatus();
}

Status named(const OpDef& def, Status status) {
    if (status.ok()) {
        return status;
    }
    Status result(status.code(), cat(def.name, ": ", status.message()));
    for (const std::string& line : status.context()) {
        result.addContext(line);
    }
    return result;
}

std::vector<OpDef> builtinOps() {
    std::vector<OpDef> ops;
    const auto add = [&](std::vector<OpDef> family, const char* title) {
        for (OpDef& def : family) {
            def.family = title;
            ops.push_back(std::move(def));
        }
    };
#define TN_OP_FAMILY(prefix, title) add(prefix##Ops(), title);
#include "core/ops/ops.def"
#undef TN_OP_FAMILY
    return ops;
}

} // namespace

OpRegistry::OpRegistry(std::vector<OpDef> ops) : mOps(std::move(ops)) {
    for (const OpDef& def : mOps) {
        mSorted.push_back(&def);
    }
    std::sort(mSorted.begin(), mSorted.end(), [](const OpDef* a, const OpDef* b) { return a->name < b->name; });
}

const OpRegistry& OpRegistry::builtin() {
    static const OpRegistry registry(builtinOps());
    return registry;
}

Result<std::shared_ptr<const OpRegistry>> OpRegistry::withExtra(std::vector<OpDef> extra) {
    std::vector<OpDef> ops = builtin().mOps;
    for (OpDef& def : extra) {
        if (def.name.empty()) {
            return invalidArgument("an op without a name cannot be registered");
        }
        const auto same =
            std::find_if(ops.begin(), ops.end(), [&](const OpDef& other) { return other.name == def.name; });
        if (same != ops.end()) {
            return invalidArgument("op '", def.name, "' cannot be registered: ",
                                   builtin().find(def.name) != nullptr ? "it is a built-in op"
                                                                       : "another module has registered it",
                                   "; ops of modules are named '<domain>.<op>'");
        }
        ops.push_back(std::move(def));
    }
    return std::shared_ptr<const OpRegistry>(new OpRegistry(std::move(ops)));
}

const OpDef* OpRegistry::find(std::string_view name) const {
    const auto at = std::lower_bound(mSorted.begin(), mSorted.end(), name,
                                     [](const OpDef* def, std::string_view wanted) { return def->name < wanted; });
    return at != mSorted.end() && (*at)->name == name ? *at : nullptr;
}

Status OpRegistry::check(const OpDef& def, const ir::AttributeMap& attributes, size_t inputs, size_t outputs) const {
    TN_RETURN_IF_ERROR(named(def, checkCounts(def, inputs, outputs)));
    return named(def, checkAttributes(def, attributes));
}

Status OpRegistry::infer(const OpDef& def, InferContext& context) const {
    TN_RETURN_IF_ERROR(check(def, context.attributes(), context.inputCount(), context.outputCount()));
    TN_RETURN_IF_ERROR(named(def, checkInputs(def, context)));
    if (!def.infer) {
        return named(def, support::unsupported("its types come from its region or plugin, not from its operands"));
    }
    TN_RETURN_IF_ERROR(named(def, def.infer(context)));
    return named(def, checkOutputs(context));
}

} // namespace tenon::ops
