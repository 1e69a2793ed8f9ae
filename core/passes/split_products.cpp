// split_products: a matrix product with constant weights whose columns are cut apart behind it becomes one product for each part, with its share of
// the weights and of the bias. Attention whose query, key and value come from one product is written so, the cut often behind transposes:
//
//   gather, slice or split (transpose (reshape (x W + b)))       reshape and transpose in any number and order, or none
//
// The parts are transposes of products then, which other passes and patterns know, and no element is copied to be cut. Kernels may still compute
// the products as one (pattern_sibling_products). Done where every reader takes a part of whole columns, and no part is very narrow.
#include "core/passes/products.h"
#include "core/passes/rewriter.h"
#include "core/passes/view_map.h"

#include <algorithm>

namespace tenon::passes {

namespace {

using ir::Node;
using ir::Value;

constexpr int64_t kFewestColumns = 16;
constexpr int64_t kFewestColumnsOfUnequal = 64;
constexpr size_t kMostParts = 8;

struct Part {
    Value* value = nullptr; // what the cut gives
    ViewMap map;            // from the product
    ir::SourceSet source;   // of what was between
};

class Splitter {
public:
    explicit Splitter(PassContext& context) : mRewriter(context) {}

    support::Result<bool> run() {
        mRewriter.forEachNode([this](Node& node) {
            if (const auto product = rowProductOf(&node)) {
                split(*product);
            }
        });
        return mRewriter.finish();
    }

private:
    // --- The cuts --------------------------------------------------------------------------------------------------------

    // All readers of `value`, which `map` leads to, are movements that lead to cuts, or cuts.
    bool collect(const Value& value, const ViewMap& map, const ir::SourceSet& source, std::vector<Part>& parts) {
        if (value.isGraphOutput() || value.quantization() || value.uses().empty()) {
            return false;
        }
        for (const ir::Use& use : value.uses()) {
            Node& reader = *use.node;
            ir::SourceSet sources = source;
            sources.merge(reader.source());
            if (use.index != 0 || reader.settings().debugOutput || parts.size() > kMostParts) {
                return false;
            }
            if (isMovement(mRewriter.pool(), reader)) {
                ViewMap moved = map;
                if (!moved.apply(reader) || !collect(*reader.output(0), moved, sources, parts)) {
                    return false;
                }
            } else if (!cut(reader, map, sources, parts)) {
                return false;
            }
        }
        return true;
    }

    bool cut(Node& node, const ViewMap& map, const ir::SourceSet& source, std::vector<Part>& parts) {
        const auto add = [&](size_t output, ViewMap cutMap) {
            Value* const value = node.output(output);
            if (value->quantization() || value->isGraphOutput() || value->contents()) {
                return false;
            }
            parts.push_back({value, std::move(cutMap), source});
            return true;
        };
        const auto dims = staticAxis(node);
        if (node.op() == "gather") {
            const ir::ConstantPtr indices = node.input(1) != nullptr ? node.input(1)->constant() : nullptr;
            if (!dims || indices == nullptr || indices->elements() != 1 || indices->dims.size() > 1) {
                return false;
            }
            ViewMap picked = map;
            auto index = static_cast<int64_t>(indices->numberAt(0));
            index += index < 0 ? dims->extent : 0;
            if (index < 0 || !picked.cut(dims->axis, index, 1)) {
                return false;
            }
            if (indices->dims.empty()) {
                picked.dropUnit(dims->axis);
            }
            return add(0, std::move(picked));
        }
        if (node.op() == "split") {
            int64_t start = 0;
            for (size_t i = 0; dims && i < node.outputs().size(); ++i) {
                const auto extents = staticExtent(*node.output(i), dims->axis);
                ViewMap piece = map;
                if (!extents || !piece.cut(dims->axis, start, *extents) ||
                    (!node.output(i)->uses().empty() && !add(i, std::move(piece)))) {
                    return false;
                }
                start += *extents;
            }
            return dims.has_value();
        }
        return node.op() == "slice" && slice(node, map, add);
    }

    template <class Add>
    bool slice(const Node& node, const ViewMap& map, const Add& add) const {
        const ir::AttributeMap& attributes = node.attributes();
        const std::vector<int64_t> axes = attributes.intsOr("axes", {});
        const auto* const starts = attributes.get<ir::DimList>("starts");
        const std::vector<int64_t> steps = attributes.intsOr("steps", {});
        if (node.inputs().size() != 1 || starts == nullptr || axes.size() != starts->dims.size() ||
            !attributes.has("ends") || std::any_of(steps.begin(), steps.end(), [](int64_t s) { return s != 1; })) {
            return false;
        }
        ViewMap piece = map;
        for (size_t i = 0; i < axes.size(); ++i) {
            const int64_t axis = axes[i] < 0 ? axes[i] + node.input(0)->type().rank() : axes[i];
            const auto at = static_cast<size_t>(axis);
            if (mRewriter.pool().provablyEqual(node.input(0)->type().dims[at], node.output(0)->type().dims[at])) {
                continue;
            }
            const auto extent = staticExtent(*node.input(0), at);
            const auto count = staticExtent(*node.output(0), at);
            if (!extent || !count || !mRewriter.pool().isConstant(starts->dims[i])) {
                return false;
            }
            int64_t start = mRewriter.pool().constantValue(starts->dims[i]);
            start = std::max<int64_t>(start < 0 ? start + *extent : start, 0);
            if (!piece.cut(at, start, *count)) {
                return false;
            }
        }
        return add(0, std::move(piece));
    }

    struct Axis {
        size_t axis = 0;
        int64_t extent = 0;
    };
    // Of a gather or split: the axis, if its extent is a number.
    std::optional<Axis> staticAxis(const Node& node) const {
        const int32_t rank = node.input(0)->type().rank();
        int64_t axis = node.attributes().intOr("axis", 0);
        axis += axis < 0 ? rank : 0;
        if (axis < 0 || axis >= rank) {
            return std::nullopt;
        }
        const auto extent = staticExtent(*node.input(0), static_cast<size_t>(axis));
        return extent ? std::optional<Axis>({static_cast<size_t>(axis), *extent}) : std::nullopt;
    }
    std::optional<int64_t> staticExtent(const Value& value, size_t axis) const {
        const ir::TensorType& type = value.type();
        if (!type.ranked || axis >= type.dims.size() || !mRewriter.pool().isConstant(type.dims[axis])) {
            return std::nullopt;
        }
        return mRewriter.pool().constantValue(type.dims[axis]);
    }

    // --- The products ----------------------------------------------------------------------------------------------------

    int64_t columnsOf(const Part& part, size_t last) const {
        int64_t columns = 1;
        for (const ViewFactor& factor : part.map.sourceFactors(last)) {
            columns *= mRewriter.pool().constantValue(factor.extent);
        }
        return columns;
    }

    bool isWorthIt(const std::vector<Part>& parts, size_t last, int64_t columns) const {
        if (parts.size() < 2 || parts.size() > kMostParts) {
            return false;
        }
        int64_t sum = 0;
        int64_t fewest = INT64_MAX;
        int64_t most = 0;
        for (const Part& part : parts) {
            for (size_t dim = 0; dim < last; ++dim) {
                if (part.map.isCut(dim)) {
                    return false;
                }
            }
            const int64_t own = columnsOf(part, last);
            sum += own;
            fewest = std::min(fewest, own);
            most = std::max(most, own);
        }
        return sum <= columns && fewest >= (fewest == most ? kFewestColumns : kFewestColumnsOfUnequal);
    }

    void split(const RowProduct& product) {
        Node& node = *product.node;
        Node* const sum = biasOf(product);
        const Value& whole = *(sum != nullptr ? sum : &node)->output(0);
        auto map = ViewMap::of(mRewriter.pool(), whole.type());
        if (!map || whole.type().rank() != node.input(0)->type().rank() || node.output(0)->quantization()) {
            return;
        }
        std::vector<Part> parts;
        const size_t last = whole.type().dims.size() - 1;
        if (!collect(whole, *map, {}, parts) || !isWorthIt(parts, last, product.columns)) {
            return;
        }
        const Value* const bias = sum != nullptr ? sum->input(sum->input(0) == node.output(0) ? 1 : 0) : nullptr;
        std::vector<Node*> cuts;
        for (const Part& part : parts) {
            const std::vector<ViewFactor> columns = part.map.sourceFactors(last);
            Value* result = mRewriter.makeInstead(
                node, "matmul", {node.input(0), selected(node, node.input(1), product.transposed ? 0 : 1, columns)},
                node.attributes());
            if (bias != nullptr && result != nullptr) {
                Value* const flat = reshaped(node, sum->input(sum->input(0) == node.output(0) ? 1 : 0),
                                             {mRewriter.pool().constant(product.columns)});
                result = mRewriter.makeInstead(*sum, "binary.add", {result, selected(node, flat, 0, columns)});
            }
            result = moved(node, result, part.map.movement());
            if (result == nullptr) {
                return;
            }
            mRewriter.editor().addSource(result->producer(), part.source);
            mRewriter.editor().replaceAllUses(part.value, result);
            cuts.push_back(part.value->producer());
        }
        std::sort(cuts.begin(), cuts.end(), [](const Node* a, const Node* b) { return a->id() < b->id(); });
        cuts.erase(std::unique(cuts.begin(), cuts.end()), cuts.end());
        for (Node* each : cuts) {
            mRewriter.eraseIfDead(each);
        }
    }

    Value* reshaped(Node& at, Value* value, const std::vector<ir::DimExpr>& dims) {
        if (value == nullptr ||
            sameShape(mRewriter.pool(), value->type(), {value->type().kind, value->type().dtype, true, dims})) {
            return value;
        }
        ir::AttributeMap attributes;
        attributes.set("shape", ir::DimList{dims});
        attributes.set("allow_zero", int64_t{1});
        return mRewriter.make(at, "reshape", {value}, std::move(attributes));
    }

    Value* moved(Node& at, Value* value, const Movement& movement) {
        if (movement.transposes) {
            ir::AttributeMap attributes;
            attributes.set("perm", movement.perm);
            value = reshaped(at, value, movement.before);
            value = value != nullptr ? mRewriter.make(at, "transpose", {value}, std::move(attributes)) : nullptr;
        }
        return reshaped(at, value, movement.after);
    }

    // The positions of dimension `axis` of a constant that the factors leave.
    Value* selected(Node& at, Value* constant, size_t axis, const std::vector<ViewFactor>& factors) {
        const std::vector<ir::DimExpr> whole = constant->type().dims;
        ir::ExprPool& pool = mRewriter.pool();
        std::vector<ir::DimExpr> apart(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(axis));
        std::vector<int64_t> axes;
        std::vector<int64_t> starts;
        std::vector<int64_t> ends;
        ir::DimExpr left = pool.constant(1);
        for (const ViewFactor& factor : factors) {
            if (factor.isCut()) {
                axes.push_back(static_cast<int64_t>(apart.size()));
                starts.push_back(factor.start);
                ends.push_back(factor.start + factor.count);
            }
            apart.push_back(factor.isCut() ? pool.constant(factor.total) : factor.extent);
            left = pool.mul(left, factor.extent);
        }
        apart.insert(apart.end(), whole.begin() + static_cast<std::ptrdiff_t>(axis) + 1, whole.end());
        std::vector<ir::DimExpr> result = whole;
        result[axis] = left;
        ir::AttributeMap attributes;
        attributes.set("axes", axes);
        attributes.set("starts", dimListOf(pool, starts));
        attributes.set("ends", dimListOf(pool, ends));
        constant = reshaped(at, constant, apart);
        constant = constant != nullptr ? mRewriter.make(at, "slice", {constant}, std::move(attributes)) : nullptr;
        return reshaped(at, constant, result);
    }

    Rewriter mRewriter;
};

} // namespace

support::Result<bool> splitProducts(PassContext& context) { return Splitter(context).run(); }

} // namespace tenon::passes
