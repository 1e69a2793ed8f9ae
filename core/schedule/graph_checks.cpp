#include "core/schedule/graph_checks.h"

#include "core/schedule/infer_at.h"
#include "core/support/checked.h"
#include "core/support/text.h"

#include <algorithm>
#include <optional>
#include <vector>

#include <unistd.h>

namespace tenon::schedule {

namespace {

constexpr int64_t kMostBytes = int64_t{1} << 56;

std::optional<int64_t> bytesOf(ir::DataType dtype, const std::vector<int64_t>& dims) {
    std::optional<int64_t> elements = 1;
    for (const int64_t dim : dims) {
        elements = elements && dim >= 0 ? support::checkedMul(*elements, dim) : std::nullopt;
    }
    const std::optional<int64_t> bits = elements ? support::checkedMul(*elements, ir::bitsOf(dtype)) : std::nullopt;
    return bits ? std::optional<int64_t>(*bits / 8) : std::nullopt;
}

int64_t memoryBytes() {
    const int64_t pages = ::sysconf(_SC_PHYS_PAGES);
    const int64_t page = ::sysconf(_SC_PAGE_SIZE);
    return pages > 0 && page > 0 ? pages * page : kMostBytes;
}

support::Status check(const ir::Value& value, const char* which, const std::vector<int64_t>& dims, int64_t most) {
    const std::optional<int64_t> bytes = bytesOf(value.type().dtype, dims);
    if (bytes && *bytes <= most) {
        return {};
    }
    return support::invalidArgument(
        "tensor '", value.name(), "' would have the extents [", support::join(dims, ","), "] at the ", which,
        " shapes, ", bytes ? support::cat(*bytes, " bytes") : std::string("more bytes than can be counted"), "; there ",
        most == kMostBytes ? support::cat("may be ", most) : support::cat("are ", most, " bytes of memory"),
        ". Give smaller shapes in the profile");
}

bool mentionsUnbacked(const ir::ExprPool& pool, ir::DimExpr expr) {
    const ir::ExprNode& node = pool.at(expr);
    if (node.op == ir::ExprOp::kSymbol) {
        return pool.symbols()[static_cast<size_t>(node.value)].source == ir::SymbolSource::kUnbacked;
    }
    return std::any_of(std::begin(node.operands), std::end(node.operands),
                       [&](ir::DimExpr operand) { return operand.valid() && mentionsUnbacked(pool, operand); });
}

} // namespace

support::Status refuseRunTimeOperands(const ir::Graph& graph, const ops::OpRegistry& registry) {
    std::string nodes;
    for (const ir::Node* node : graph.nodes()) {
        const ops::OpDef* def = registry.find(node->op());
        for (const ops::ShapeOperand& operand : def ? def->shapeOperands : std::vector<ops::ShapeOperand>{}) {
            const ir::Value* value = node->input(static_cast<size_t>(operand.input));
            if (value) {
                nodes += support::cat("\n  ", node->name(), " (op ", node->op(), ", from ", node->source().joined(),
                                      "): operand '", operand.attribute, "' is '", value->name(), "'");
            }
        }
    }
    if (nodes.empty()) {
        return {};
    }
    return support::unsupported("operands that must be known when the plan is built depend on data:", nodes,
                                "\nMake them constants, or let them follow from shapes or from shape inputs");
}

support::Status refuseUnbacked(const ir::Graph& graph) {
    const std::vector<ir::Symbol>& symbols = graph.pool().symbols();
    if (std::none_of(symbols.begin(), symbols.end(),
                     [](const ir::Symbol& symbol) { return symbol.source == ir::SymbolSource::kUnbacked; })) {
        return {};
    }
    std::string nodes;
    for (const ir::Node* node : graph.nodes()) {
        for (const ir::Value* output : node->outputs()) {
            for (ir::DimExpr dim : output->type().dims) {
                if (!dim.valid() || mentionsUnbacked(graph.pool(), dim)) {
                    nodes += support::cat(nodes.empty() ? "" : "; ", node->name(), " (", node->op(), ", from ",
                                          node->source().joined(), ")");
                    break;
                }
            }
            if (nodes.size() > 600) {
                break;
            }
        }
    }
    if (nodes.empty()) {
        return {};
    }
    return support::unsupported(
        "shapes that depend on data are not supported by this version; they begin at: ", nodes,
        ". Give the shape as a constant or as a shape input, or cut the model before these nodes");
}

namespace {

support::Status checkInference(const ir::Node& node, const ops::OpDef& def, const ir::SymbolBox& box) {
    ir::ExprPool numbers;
    const support::Status status = inferAt(node, def, box.opt, numbers).status();
    if (status.ok()) {
        return {};
    }
    const ir::ExprPool& pool = node.graph()->pool();
    std::string operands;
    for (const ir::Value* input : node.inputs()) {
        std::vector<std::string> extents;
        for (const ir::DimExpr dim : input ? input->type().dims : std::vector<ir::DimExpr>{}) {
            const int64_t number = pool.evaluate(dim, box.opt);
            extents.push_back(pool.isConstant(dim) ? support::cat(number)
                                                   : support::cat(pool.toText(dim), "=", number));
        }
        if (input) {
            operands += support::cat(operands.empty() ? "" : ", ", "'", input->name(), "' [",
                                     support::join(extents, ", "), "]");
        }
    }
    return support::invalidArgument("the operands of ", node.name(), " (", node.op(), ", from ", node.source().joined(),
                                    ") do not fit each other at the optimal shapes: ", status.message(), "; they are ",
                                    operands,
                                    ". Extents with names of their own have a range each: give equal ones where "
                                    "they must be equal");
}

} // namespace

support::Status checkOperands(const ir::Graph& graph, const ops::OpRegistry& registry, const ir::SymbolBox& box) {
    const ir::ExprPool& pool = graph.pool();
    struct Extent {
        int64_t value = 1;
        ir::DimExpr expr;
        const ir::Value* owner = nullptr;
    };
    const auto describe = [&](const Extent& extent) {
        return support::cat(extent.value, " of '", extent.owner->name(), "' (", pool.toText(extent.expr), ")");
    };
    for (const ir::Node* node : graph.nodes()) {
        if (node->op() == "matmul" || node->op() == "concat") {
            TN_RETURN_IF_ERROR(checkInference(*node, *registry.find(node->op()), box));
        }
        if (!node->op().starts_with("binary.") && node->op() != "where") {
            continue;
        }
        std::vector<Extent> largest; // from the last dimension on
        for (const ir::Value* input : node->inputs()) {
            const std::vector<ir::DimExpr>& dims = input->type().dims;
            for (size_t i = 0; i < dims.size(); ++i) {
                const ir::DimExpr expr = dims[dims.size() - 1 - i];
                const Extent extent{pool.evaluate(expr, box.opt), expr, input};
                if (i == largest.size()) {
                    largest.push_back(extent);
                } else if (largest[i].value == 1) {
                    largest[i] = extent;
                } else if (extent.value != 1 && extent.value != largest[i].value) {
                    return support::invalidArgument("the operands of ", node->name(), " (", node->op(), ", from ",
                                                    node->source().joined(),
                                                    ") do not broadcast at the optimal shapes: extent ",
                                                    describe(largest[i]), " meets extent ", describe(extent),
                                                    ". Give shapes where they are the same, or one of them is 1: "
                                                    "extents with names of their own have a range "
                                                    "each");
                }
            }
        }
    }
    return {};
}

support::Status checkSizes(const ir::Graph& graph, const ir::SymbolBox& box) {
    const ir::ExprPool& pool = graph.pool();
    const int64_t memory = memoryBytes();
    for (const ir::Value* input : graph.inputs()) {
        std::vector<int64_t> largest;
        for (const ir::DimExpr dim : input->type().dims) {
            largest.push_back(pool.bounds(dim, box).max);
        }
        TN_RETURN_IF_ERROR(check(*input, "largest", largest, kMostBytes));
    }
    const auto checkOptimal = [&](const ir::Value& value) {
        std::vector<int64_t> dims;
        for (const ir::DimExpr dim : value.type().dims) {
            dims.push_back(std::max<int64_t>(pool.evaluate(dim, box.opt), 0));
        }
        return check(value, "optimal", dims, memory);
    };
    for (const ir::Value* input : graph.inputs()) {
        TN_RETURN_IF_ERROR(checkOptimal(*input));
    }
    for (const ir::Node* node : graph.nodes()) {
        for (const ir::Value* output : node->outputs()) {
            TN_RETURN_IF_ERROR(checkOptimal(*output));
        }
    }
    return {};
}

} // namespace tenon::schedule
