// lower_einsum: an einsum becomes products, sums and movements, which kernels are fast at and other passes and patterns know.
//
//   one operand       what the result lacks is summed, the rest transposed
//   two               a label is of the batch (in both operands and the result), a row (of the left operand and the result), a column (of the
//                     right one and the result), or summed: matmul of [batch, rows, summed] and [batch, summed, columns]. Labels of one operand
//                     that nobody else has are summed before. Where nothing is summed, or there is neither row nor column, a product of
//                     elements, and the sum of it
//   more              two at a time from the left, the next one that shares a label
//
// The transposes are plain nodes: behind constants they fold, others move into the products' flags or away by their own passes. An einsum stays that
// takes a diagonal, whose extents are not known to agree, or whose operands share no label.
#include "core/ops/einsum_equation.h"
#include "core/passes/rewriter.h"

#include <algorithm>

namespace tenon::passes {

namespace {

using ir::Node;
using ir::Value;

// Letters, and numbers beyond them for the dimensions of the ellipsis, counted from the last.
using Label = int;
using Labels = std::vector<Label>;
constexpr Label kFirstOfEllipsis = 256;

bool contains(const Labels& labels, Label label) {
    return std::find(labels.begin(), labels.end(), label) != labels.end();
}
Labels joined(std::initializer_list<Labels> parts) {
    Labels all;
    for (const Labels& part : parts) {
        all.insert(all.end(), part.begin(), part.end());
    }
    return all;
}
bool repeats(Labels labels) {
    std::sort(labels.begin(), labels.end());
    return std::adjacent_find(labels.begin(), labels.end()) != labels.end();
}
// Those of `labels` for which the question is answered with yes, in their order.
template <class Question>
Labels filtered(const Labels& labels, const Question& question) {
    Labels kept;
    std::copy_if(labels.begin(), labels.end(), std::back_inserter(kept), question);
    return kept;
}

struct Operand {
    Value* value = nullptr;
    Labels labels; // of its dimensions
};

class Lowering {
public:
    Lowering(Rewriter& rewriter, Node& node) : mRewriter(rewriter), mNode(node) {}

    // Before anything is made, so that what cannot be lowered stays as it is.
    bool read() {
        const auto equation = ops::parseEinsum(mNode.attributes().stringOr("equation", ""));
        if (!equation.ok() || !isFullyKnown(mNode.output(0)->type())) {
            return false;
        }
        size_t ellipsis = 0;
        for (size_t i = 0; i < equation->terms.size(); ++i) {
            const std::string& term = equation->terms[i];
            const ir::TensorType& type = mNode.input(i)->type();
            if (!isFullyKnown(type) || !isExplicitShape(mRewriter.pool(), type) || !ir::isFloat(type.dtype)) {
                return false;
            }
            const bool hasEllipsis = term.find(ops::EinsumEquation::kEllipsis) != std::string::npos;
            const size_t own = type.dims.size() + (hasEllipsis ? 1 : 0) - term.size();
            mOperands.push_back({mNode.input(i), labelsOf(term, own)});
            ellipsis = std::max(ellipsis, hasEllipsis ? own : 0);
        }
        mResult = labelsOf(equation->output, ellipsis);
        return std::none_of(mOperands.begin(), mOperands.end(),
                            [](const Operand& operand) { return repeats(operand.labels); }) &&
               findExtents() && ordersOperands();
    }

    Value* lower() {
        for (Operand& operand : mOperands) {
            dropUnits(operand);
        }
        Operand left = mOperands[0];
        for (size_t i = 1; i < mOperands.size(); ++i) {
            left = product(left, mOperands[i], neededAfter(i));
        }
        return arranged(summed(left, mResult), mResult);
    }

private:
    // --- Reading ---------------------------------------------------------------------------------------------------------

    static Labels labelsOf(const std::string& term, size_t ellipsis) {
        Labels labels;
        for (const char c : term) {
            if (c != ops::EinsumEquation::kEllipsis) {
                labels.push_back(c);
                continue;
            }
            for (size_t d = ellipsis; d-- > 0;) {
                labels.push_back(kFirstOfEllipsis + static_cast<Label>(d));
            }
        }
        return labels;
    }

    bool isOne(ir::DimExpr extent) const {
        return mRewriter.pool().isConstant(extent) && mRewriter.pool().constantValue(extent) == 1;
    }

    // One extent for each label; an operand in which it is 1 broadcasts.
    bool findExtents() {
        for (const Operand& operand : mOperands) {
            for (size_t i = 0; i < operand.labels.size(); ++i) {
                const ir::DimExpr extent = operand.value->type().dims[i];
                const auto [known, isNew] = mExtents.emplace(operand.labels[i], extent);
                if (isNew || isOne(extent) || mRewriter.pool().provablyEqual(known->second, extent)) {
                    continue;
                }
                if (!isOne(known->second)) {
                    return false;
                }
                known->second = extent;
            }
        }
        return true;
    }

    // The order in which operands are taken: each shares a label with one before.
    bool ordersOperands() {
        Labels seen = mOperands[0].labels;
        for (size_t i = 1; i < mOperands.size(); ++i) {
            const auto next = std::find_if(
                mOperands.begin() + static_cast<std::ptrdiff_t>(i), mOperands.end(),
                [&](const Operand& operand) { return mOperands.size() == 2 || sharesLabel(operand, seen); });
            if (next == mOperands.end()) {
                return false;
            }
            std::rotate(mOperands.begin() + static_cast<std::ptrdiff_t>(i), next, next + 1);
            seen = joined({seen, mOperands[i].labels});
        }
        return true;
    }
    static bool sharesLabel(const Operand& operand, const Labels& labels) {
        return std::any_of(operand.labels.begin(), operand.labels.end(),
                           [&](Label label) { return contains(labels, label); });
    }

    // Labels that the result or an operand behind operand `i` has.
    Labels neededAfter(size_t i) const {
        Labels needed = mResult;
        for (size_t k = i + 1; k < mOperands.size(); ++k) {
            needed = joined({needed, mOperands[k].labels});
        }
        return needed;
    }

    // --- Movements -------------------------------------------------------------------------------------------------------

    Value* reshaped(Value* value, const std::vector<ir::DimExpr>& dims) {
        if (value == nullptr || value->type().dims == dims) {
            return value;
        }
        ir::AttributeMap attributes;
        attributes.set("shape", ir::DimList{dims});
        attributes.set("allow_zero", int64_t{1});
        return mRewriter.make(mNode, "reshape", {value}, std::move(attributes));
    }

    // The dimensions of the operand in the order of these labels, which are its own.
    Value* arranged(const Operand& operand, const Labels& order) {
        if (operand.value == nullptr || operand.labels == order) {
            return operand.value;
        }
        std::vector<int64_t> perm;
        for (const Label label : order) {
            perm.push_back(std::find(operand.labels.begin(), operand.labels.end(), label) - operand.labels.begin());
        }
        ir::AttributeMap attributes;
        attributes.set("perm", perm);
        return mRewriter.make(mNode, "transpose", {operand.value}, std::move(attributes));
    }

    std::vector<ir::DimExpr> extentsOf(const Labels& labels) const {
        std::vector<ir::DimExpr> extents;
        for (const Label label : labels) {
            extents.push_back(mExtents.at(label));
        }
        return extents;
    }

    // A dimension of extent 1 that is longer elsewhere says nothing here.
    void dropUnits(Operand& operand) {
        const Labels kept = filtered(operand.labels, [&](Label label) {
            const auto at = std::find(operand.labels.begin(), operand.labels.end(), label) - operand.labels.begin();
            return !isOne(operand.value->type().dims[static_cast<size_t>(at)]) || isOne(mExtents.at(label));
        });
        operand = {kept == operand.labels ? operand.value : reshaped(operand.value, extentsOf(kept)), kept};
    }

    // --- Arithmetic ------------------------------------------------------------------------------------------------------

    // Without the labels that `needed` lacks.
    Operand summed(const Operand& operand, const Labels& needed) {
        std::vector<int64_t> axes;
        for (size_t i = 0; i < operand.labels.size(); ++i) {
            if (!contains(needed, operand.labels[i])) {
                axes.push_back(static_cast<int64_t>(i));
            }
        }
        if (axes.empty() || operand.value == nullptr) {
            return operand;
        }
        ir::AttributeMap attributes;
        attributes.set("axes", std::move(axes));
        attributes.set("keep_dims", int64_t{0});
        return {mRewriter.makeInstead(mNode, "reduce.sum", {operand.value}, std::move(attributes)),
                filtered(operand.labels, [&](Label label) { return contains(needed, label); })};
    }

    Operand product(Operand left, Operand right, const Labels& needed) {
        left = summed(left, joined({needed, right.labels}));
        right = summed(right, joined({needed, left.labels}));
        const auto isShared = [&](Label label) {
            return contains(left.labels, label) && contains(right.labels, label);
        };
        const auto isOwn = [&](Label label) { return !isShared(label); };
        const Labels rows = filtered(left.labels, isOwn);
        const Labels columns = filtered(right.labels, isOwn);
        const bool sums = std::any_of(left.labels.begin(), left.labels.end(),
                                      [&](Label label) { return isShared(label) && !contains(needed, label); });
        if (!sums || (rows.empty() && columns.empty())) {
            return summed(productOfElements(left, right), needed);
        }
        // The operand whose labels come first in the result is the left one. Weights are the right one where they may be.
        const bool hasBatch = std::any_of(left.labels.begin(), left.labels.end(),
                                          [&](Label label) { return isShared(label) && contains(needed, label); });
        const bool isLeftConstant = left.value != nullptr && left.value->constant() != nullptr;
        const bool isRightConstant = right.value != nullptr && right.value->constant() != nullptr;
        const bool swaps = !hasBatch && isLeftConstant != isRightConstant
                               ? isLeftConstant
                               : !rows.empty() && !columns.empty() && placeOf(columns) < placeOf(rows);
        return swaps ? matrixProduct(right, left, needed) : matrixProduct(left, right, needed);
    }

    // Where the first of the labels is in the result.
    std::ptrdiff_t placeOf(const Labels& labels) const {
        return std::find_if(mResult.begin(), mResult.end(), [&](Label label) { return contains(labels, label); }) -
               mResult.begin();
    }

    // The result's labels as far as the operands have them, then what is left.
    Operand productOfElements(const Operand& left, const Operand& right) {
        const Labels all =
            joined({left.labels, filtered(right.labels, [&](Label label) { return !contains(left.labels, label); })});
        const Labels first = filtered(mResult, [&](Label label) { return contains(all, label); });
        const Labels order = joined({first, filtered(all, [&](Label label) { return !contains(first, label); })});
        const auto aligned = [&](const Operand& operand) {
            const Labels own = filtered(order, [&](Label label) { return contains(operand.labels, label); });
            std::vector<ir::DimExpr> dims;
            for (const Label label : order) {
                // Units in front are understood.
                if (contains(own, label) || !dims.empty()) {
                    dims.push_back(contains(own, label) ? mExtents.at(label) : mRewriter.pool().constant(1));
                }
            }
            return reshaped(arranged(operand, own), dims);
        };
        Value* const a = aligned(left);
        Value* const b = aligned(right);
        return {a != nullptr && b != nullptr ? mRewriter.makeInstead(mNode, "binary.mul", {a, b}) : nullptr, order};
    }

    Operand matrixProduct(const Operand& left, const Operand& right, const Labels& needed) {
        const auto isShared = [&](Label label) {
            return contains(left.labels, label) && contains(right.labels, label);
        };
        const Labels& leading = left.value != nullptr && left.value->constant() != nullptr ? right.labels : left.labels;
        const Labels batch = filtered(leading, [&](Label label) { return isShared(label) && contains(needed, label); });
        const Labels sums = filtered(leading, [&](Label label) { return isShared(label) && !contains(needed, label); });
        const Labels rows = filtered(left.labels, [&](Label label) { return !isShared(label); });
        const Labels columns = filtered(right.labels, [&](Label label) { return !isShared(label); });
        ir::ExprPool& pool = mRewriter.pool();
        // Without a batch the rows may stay several dimensions.
        std::vector<ir::DimExpr> leftDims = extentsOf(joined({batch, batch.empty() ? rows : Labels{}}));
        if (!batch.empty() || rows.empty()) {
            leftDims.push_back(pool.product(extentsOf(rows)));
        }
        std::vector<ir::DimExpr> rightDims = extentsOf(batch);
        const std::vector<ir::DimExpr> resultDims = extentsOf(joined({batch, rows, columns}));
        leftDims.push_back(pool.product(extentsOf(sums)));
        rightDims.push_back(leftDims.back());
        rightDims.push_back(pool.product(extentsOf(columns)));
        Value* const a = reshaped(arranged(left, joined({batch, rows, sums})), leftDims);
        Value* const b = reshaped(arranged(right, joined({batch, sums, columns})), rightDims);
        Value* const made = a != nullptr && b != nullptr ? mRewriter.makeInstead(mNode, "matmul", {a, b}) : nullptr;
        return {reshaped(made, resultDims), joined({batch, rows, columns})};
    }

    Rewriter& mRewriter;
    Node& mNode;
    std::vector<Operand> mOperands;
    Labels mResult;
    std::map<Label, ir::DimExpr> mExtents;
};

} // namespace

support::Result<bool> lowerEinsum(PassContext& context) {
    Rewriter rewriter(context);
    rewriter.forEachNode([&](Node& node) {
        if (node.op() != "einsum" || node.settings().debugOutput || node.output(0)->quantization()) {
            return;
        }
        Lowering lowering(rewriter, node);
        if (lowering.read()) {
            rewriter.replace(node, lowering.lower());
        }
    });
    return rewriter.finish();
}

} // namespace tenon::passes
