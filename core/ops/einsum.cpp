#include "core/ops/infer_rules.h"
#include "core/ops/op_builder.h"
#include "core/ops/op_families.h"

#include <algorithm>
#include <array>

namespace tenon::ops {

using ir::DimExpr;
using support::invalidArgument;
using support::Result;

namespace {

constexpr char kEllipsis = '.';

bool isLabel(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

// The labels of one term, the ellipsis as one '.'.
Result<std::string> parseTerm(std::string_view text) {
    std::string labels;
    for (size_t i = 0; i < text.size(); ++i) {
        if (text[i] == ' ') {
            continue;
        }
        if (text.substr(i, 3) == "...") {
            if (labels.find(kEllipsis) != std::string::npos) {
                return invalidArgument("the term '", text, "' of the equation has two ellipses");
            }
            labels += kEllipsis;
            i += 2;
        } else if (isLabel(text[i])) {
            labels += text[i];
        } else {
            return invalidArgument("the term '", text, "' of the equation has the character '", text[i],
                                   "'; legal are letters, spaces and '...'");
        }
    }
    return labels;
}

// What an equation without '->' means: the ellipsis, then in alphabetical order what occurs once.
std::string implicitOutput(const std::vector<std::string>& terms) {
    std::array<int, 128> counts{};
    bool hasEllipsis = false;
    for (const std::string& term : terms) {
        for (const char c : term) {
            hasEllipsis = hasEllipsis || c == kEllipsis;
            ++counts[static_cast<size_t>(c)];
        }
    }
    std::string output = hasEllipsis ? std::string(1, kEllipsis) : std::string();
    for (char c = 'A'; c <= 'z'; ++c) {
        if (isLabel(c) && counts[static_cast<size_t>(c)] == 1) {
            output += c;
        }
    }
    return output;
}

Status inferEinsum(InferContext& context) {
    const std::string equation = context.attributes().stringOr("equation", "");
    const size_t arrow = equation.find("->");
    std::vector<std::string> terms;
    for (const std::string_view part : support::split(std::string_view(equation).substr(0, arrow), ',')) {
        TN_ASSIGN_OR_RETURN(std::string term, parseTerm(part));
        terms.push_back(std::move(term));
    }
    if (terms.size() != context.inputCount()) {
        return invalidArgument("the equation '", equation, "' has ", counted(terms.size(), "term", "terms"), " for ",
                               counted(context.inputCount(), "operand", "operands"));
    }
    std::string output;
    if (arrow == std::string::npos) {
        output = implicitOutput(terms);
    } else {
        TN_ASSIGN_OR_RETURN(output, parseTerm(std::string_view(equation).substr(arrow + 2)));
    }
    const ExtentMath math(context.pool());
    std::array<DimExpr, 128> extents{};
    std::array<bool, 128> seen{};
    Extents batch; // the dimensions of the ellipsis
    bool ranked = true;
    for (size_t i = 0; i < terms.size(); ++i) {
        TN_RETURN_IF_ERROR(needType(context, i, TypeClass::kNumber));
        TN_RETURN_IF_ERROR(needSameType(context, 0, i));
        const ir::TensorType& type = context.input(i).type;
        const bool hasEllipsis = terms[i].find(kEllipsis) != std::string::npos;
        const size_t labels = terms[i].size() - (hasEllipsis ? 1 : 0);
        if (type.ranked && (hasEllipsis ? type.dims.size() < labels : type.dims.size() != labels)) {
            return invalidArgument("the term ", i, " of '", equation, "' names ",
                                   counted(labels, "dimension", "dimensions"), ", but operand ", i, " has ",
                                   type.rank(), ": ", math.text(type.dims));
        }
        ranked = ranked && (type.ranked || !hasEllipsis);
        size_t dim = 0;
        for (const char c : terms[i]) {
            if (c != kEllipsis) {
                const DimExpr extent = type.ranked ? type.dims[dim++] : DimExpr{};
                auto& known = extents[static_cast<size_t>(c)];
                auto merged =
                    seen[static_cast<size_t>(c)] ? broadcastExtent(math, known, extent) : Result<DimExpr>(extent);
                if (!merged.ok()) {
                    return invalidArgument("dimension '", c, "' of '", equation, "' in operand ", i, ": ",
                                           merged.status().message());
                }
                known = *merged;
                seen[static_cast<size_t>(c)] = true;
                continue;
            }
            Extents own;
            for (size_t d = labels; type.ranked && d < type.dims.size(); ++d) {
                own.push_back(type.dims[dim++]);
            }
            const size_t rank = std::max(batch.size(), own.size());
            batch.insert(batch.begin(), rank - batch.size(), math.constant(1));
            own.insert(own.begin(), rank - own.size(), math.constant(1));
            for (size_t d = 0; d < rank; ++d) {
                auto merged = broadcastExtent(math, batch[d], own[d]);
                if (!merged.ok()) {
                    return invalidArgument("the ellipsis of '", equation, "' in operand ", i, ": ",
                                           merged.status().message());
                }
                batch[d] = *merged;
            }
        }
    }
    Extents dims;
    for (size_t i = 0; i < output.size(); ++i) {
        const char c = output[i];
        if (c == kEllipsis) {
            dims.insert(dims.end(), batch.begin(), batch.end());
            continue;
        }
        if (!seen[static_cast<size_t>(c)] || output.find(c) != i) {
            return invalidArgument("the output of '", equation, "' names '", c, "'",
                                   seen[static_cast<size_t>(c)] ? " twice" : ", which no operand has");
        }
        dims.push_back(extents[static_cast<size_t>(c)]);
    }
    const ir::DataType dtype = context.input(0).type.dtype;
    context.setOutput(0, ranked || output.find(kEllipsis) == std::string::npos ? tensorOf(dtype, std::move(dims))
                                                                               : unranked(dtype));
    return support::okStatus();
}

} // namespace

std::vector<OpDef> einsumOps() {
    std::vector<OpDef> ops;
    ops.push_back(
        OpBuilder("einsum", "Sums products of the operands' elements over the labels that the output does not name: "
                            "'ij,jk->ik' is a matrix product. A label twice in a term "
                            "takes the diagonal; '...' stands for dimensions that broadcast; without '->' the output "
                            "has, alphabetically, the labels that occur once.")
            .variadicInput("x", "of one type")
            .requiredText("equation", "terms separated by commas, one per operand; '->' and the output's term")
            .build(inferEinsum));
    return ops;
}

} // namespace tenon::ops
