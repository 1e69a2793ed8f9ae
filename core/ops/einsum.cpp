#include "core/ops/einsum_equation.h"
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

constexpr char kEllipsis = EinsumEquation::kEllipsis;

Status inferEinsum(InferContext& context) {
    const std::string equation = context.attributes().stringOr("equation", "");
    TN_ASSIGN_OR_RETURN(const EinsumEquation parsed, parseEinsum(equation));
    const std::vector<std::string>& terms = parsed.terms;
    const std::string& output = parsed.output;
    if (terms.size() != context.inputCount()) {
        return invalidArgument("the equation '", equation, "' has ", counted(terms.size(), "term", "terms"), " for ",
                               counted(context.inputCount(), "operand", "operands"));
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
