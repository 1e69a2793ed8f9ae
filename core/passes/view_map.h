// How the elements of a tensor lie in another that reshapes, transposes and cuts made of it: the dimensions of both as products of common
// factors, outer one first. Tells the shortest way of making the one from the other.
// Used by passes and patterns that merge, move or look through such chains. Knows the nodes that move elements; changes no graph.
#pragma once

#include "core/ir/graph.h"

#include <optional>
#include <vector>

namespace tenon::passes {

// Two reshapes with a transpose between, each left out where it changes nothing.
struct Movement {
    std::vector<ir::DimExpr> before; // what is transposed
    std::vector<int64_t> perm;
    std::vector<ir::DimExpr> after;
    bool reshapesBefore = false;
    bool transposes = false;
    bool reshapesAfter = false;

    int32_t nodes() const {
        return static_cast<int32_t>(reshapesBefore) + static_cast<int32_t>(transposes) +
               static_cast<int32_t>(reshapesAfter);
    }
    // Dimensions that change their place.
    int32_t moved() const;
};

// A factor of a dimension, of which `count` positions from `start` on are left of `total`.
struct ViewFactor {
    ir::DimExpr extent; // what is left
    int64_t start = 0;
    int64_t count = 0; // 0: nothing was cut off
    int64_t total = 0;
    bool isCut() const { return count != 0; }
};

class ViewMap {
public:
    // The tensor as itself. Nothing if an extent is unknown.
    static std::optional<ViewMap> of(ir::ExprPool& pool, const ir::TensorType& type);

    // Each returns false where it cannot be told, and the map is of no more use then.
    bool reshape(const std::vector<ir::DimExpr>& dims);
    bool transpose(const std::vector<int64_t>& perm);
    bool cut(size_t axis, int64_t start, int64_t count);
    void dropUnit(size_t axis) { mView.erase(mView.begin() + static_cast<std::ptrdiff_t>(axis)); }
    // A reshape without a shape operand or a transpose.
    bool apply(const ir::Node& node);

    // The factors of a dimension of the source, as they were cut.
    std::vector<ViewFactor> sourceFactors(size_t dim) const;
    bool isCut(size_t dim) const;
    // From the source, of which only the cut is there, to the view.
    Movement movement() const;

private:
    using Group = std::vector<size_t>; // factors by number

    explicit ViewMap(ir::ExprPool& pool) : mPool(&pool) {}
    bool isUnit(ir::DimExpr extent) const;
    std::optional<ir::DimExpr> quotient(ir::DimExpr a, ir::DimExpr b) const;
    // `factor` becomes two, the outer of extent `outer`; the number of the inner one.
    size_t split(size_t factor, ir::DimExpr outer, ir::DimExpr inner);
    std::vector<ir::DimExpr> extentsOf(const std::vector<Group>& groups) const;
    std::vector<Group> withoutUnits(const std::vector<Group>& groups) const;

    ir::ExprPool* mPool;
    std::vector<ViewFactor> mFactors;
    std::vector<Group> mSource;
    std::vector<Group> mView;
};

// A reshape that says its extents, or a transpose; nobody else asked to see it.
bool isMovement(const ir::ExprPool& pool, const ir::Node& node);

} // namespace tenon::passes
