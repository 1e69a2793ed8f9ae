#include "core/ops/op_doc.h"

#include "core/ir/attribute_text.h"

#include <algorithm>

namespace tenon::ops {

using support::append;
using support::cat;

namespace {

std::string_view kindName(AttributeKind kind) {
    switch (kind) {
    case AttributeKind::kInt:
        return "int";
    case AttributeKind::kFloat:
        return "float";
    case AttributeKind::kString:
        return "string";
    case AttributeKind::kInts:
        return "ints";
    case AttributeKind::kFloats:
        return "floats";
    case AttributeKind::kStrings:
        return "strings";
    case AttributeKind::kDataType:
        return "dtype";
    case AttributeKind::kDims:
        return "dims";
    case AttributeKind::kTensor:
        return "tensor";
    }
    return "";
}

std::string legalValues(const AttributeSpec& spec) {
    if (!spec.choices.empty()) {
        return support::join(spec.choices, ", ");
    }
    const bool hasMax = spec.max != INT64_MAX && spec.max != INT32_MAX;
    if (spec.min == INT64_MIN) {
        return hasMax ? cat("at most ", spec.max) : "";
    }
    return hasMax ? cat(spec.min, " to ", spec.max) : cat("at least ", spec.min);
}

std::string defaultText(const AttributeSpec& spec) {
    if (!spec.fallback) {
        return spec.required ? "required" : "";
    }
    const auto* number = std::get_if<int64_t>(&*spec.fallback);
    if (number != nullptr && *number == INT64_MAX) {
        return "the largest int";
    }
    return cat("`", ir::attributeText(*spec.fallback, ir::ExprPool(), 16), "`");
}

std::string cell(std::string_view text) {
    std::string escaped;
    for (const char c : text) {
        if (c == '|') {
            escaped += '\\';
        }
        escaped += c;
    }
    return escaped;
}

std::string anchor(std::string_view title) {
    std::string link;
    for (const char c : title) {
        if (c == ' ') {
            link += '-';
        } else if ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-') {
            link += c;
        } else if (c >= 'A' && c <= 'Z') {
            link += static_cast<char>(c - 'A' + 'a');
        }
    }
    return link;
}

void writeOp(std::string& out, const OpDef& def) {
    append(out, "### `", def.name, "`\n\n", def.doc, "\n\n");
    if (!def.inputs.empty()) {
        out += "| operand | |\n|---|---|\n";
        for (size_t i = 0; i < def.inputs.size(); ++i) {
            const InputSpec& input = def.inputs[i];
            const bool repeats = def.variadic && i + 1 == def.inputs.size();
            append(out, "| ", i, repeats ? "... " : " ", input.name, input.optional ? " (optional)" : "", " | ",
                   cell(input.doc), " |\n");
        }
        out += "\n";
    }
    if (!def.attributes.empty()) {
        out += "| attribute | kind | default | values | |\n|---|---|---|---|---|\n";
        for (const AttributeSpec& spec : def.attributes) {
            append(out, "| ", spec.name, " | ", kindName(spec.kind), " | ", defaultText(spec), " | ", legalValues(spec),
                   " | ", cell(spec.doc), spec.since > 1 ? cat(" (since op set ", spec.since, ")") : std::string(),
                   " |\n");
        }
        out += "\n";
    }
    std::vector<std::string> notes;
    if (def.maxOutputs != 1) {
        notes.push_back(def.maxOutputs == INT32_MAX ? cat(def.minOutputs, " or more outputs")
                                                    : cat(def.minOutputs, " to ", def.maxOutputs, " outputs"));
    }
    if (def.since > 1) {
        notes.push_back(cat("since op set ", def.since));
    }
    if (def.pointwise) {
        notes.push_back("elementwise");
    }
    if (def.commutative) {
        notes.push_back("commutative");
    }
    if (def.view) {
        notes.push_back("a view of its operand");
    }
    if (def.effect != Effect::kPure) {
        notes.push_back(def.effect == Effect::kStateful ? "stateful" : "has effects");
    }
    if (!notes.empty()) {
        append(out, "*", support::join(notes, "; "), "*\n\n");
    }
}

} // namespace

std::string opsMarkdown(const OpRegistry& registry) {
    std::vector<std::string> families;
    for (const OpDef& def : registry.definitions()) {
        if (std::find(families.begin(), families.end(), def.family) == families.end()) {
            families.push_back(def.family);
        }
    }
    std::string out = cat("# Ops\n\nThe ", registry.all().size(),
                          " ops of the graph IR, made from their definitions in `core/ops`. `dims` are integers that "
                          "are known when a plan runs at the latest; where an operand has the name of an attribute, "
                          "give one of the two. Axes may be negative: they count from the last dimension. Operands "
                          "broadcast as in numpy only where that is said.\n\n");
    for (const std::string& family : families) {
        append(out, "- [", family.empty() ? "Of modules" : family, "](#",
               anchor(family.empty() ? "Of modules" : family), ")\n");
    }
    out += "\n";
    for (const std::string& family : families) {
        append(out, "## ", family.empty() ? "Of modules" : family, "\n\n");
        for (const OpDef& def : registry.definitions()) {
            if (def.family == family) {
                writeOp(out, def);
            }
        }
    }
    return out;
}

} // namespace tenon::ops
