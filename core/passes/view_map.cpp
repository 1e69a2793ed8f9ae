#include "core/passes/view_map.h"

#include "core/passes/rewriter.h"

#include <algorithm>
#include <numeric>
#include <tuple>

namespace tenon::passes {

using ir::DimExpr;

namespace {

// A stretch of factors that lie side by side in source and view, within one dimension of each; a unit dimension has none.
constexpr int32_t kUnit = -1;
using Places = std::vector<int32_t>;

std::vector<int64_t> permutation(const Places& before, const Places& after) {
    std::vector<int64_t> perm(after.size(), -1);
    std::vector<bool> taken(before.size(), false);
    const auto take = [&](size_t to, size_t from) {
        perm[to] = static_cast<int64_t>(from);
        taken[from] = true;
    };
    // Units stay where they are if they can.
    for (size_t to = 0; to < after.size(); ++to) {
        if (after[to] != kUnit) {
            take(to, static_cast<size_t>(std::find(before.begin(), before.end(), after[to]) - before.begin()));
        } else if (to < before.size() && before[to] == kUnit) {
            take(to, to);
        }
    }
    for (size_t to = 0; to < after.size(); ++to) {
        for (size_t from = 0; perm[to] < 0 && from < before.size(); ++from) {
            if (before[from] == kUnit && !taken[from]) {
                take(to, from);
            }
        }
    }
    return perm;
}

// `runs` with units at the places where `pattern` has them.
Places withUnitsOf(const Places& pattern, Places runs) {
    for (size_t i = 0; i < pattern.size(); ++i) {
        if (pattern[i] == kUnit) {
            runs.insert(runs.begin() + static_cast<std::ptrdiff_t>(std::min(i, runs.size())), kUnit);
        }
    }
    return runs;
}

} // namespace

int32_t Movement::moved() const {
    int32_t count = 0;
    for (size_t i = 0; i < perm.size(); ++i) {
        count += perm[i] != static_cast<int64_t>(i) ? 1 : 0;
    }
    return count;
}

std::optional<ViewMap> ViewMap::of(ir::ExprPool& pool, const ir::TensorType& type) {
    if (!isExplicitShape(pool, type)) {
        return std::nullopt;
    }
    ViewMap map(pool);
    for (const DimExpr extent : type.dims) {
        map.mSource.push_back({map.mFactors.size()});
        map.mFactors.push_back({extent});
    }
    map.mView = map.mSource;
    return map;
}

bool ViewMap::isUnit(DimExpr extent) const { return mPool->isConstant(extent) && mPool->constantValue(extent) == 1; }

std::optional<DimExpr> ViewMap::quotient(DimExpr a, DimExpr b) const {
    if (mPool->isConstant(b) && mPool->constantValue(b) < 1) {
        return std::nullopt;
    }
    const DimExpr result = mPool->floorDiv(a, b);
    if (!result.valid() || !mPool->provablyEqual(mPool->mul(result, b), a)) {
        return std::nullopt;
    }
    return result;
}

size_t ViewMap::split(size_t factor, DimExpr outer, DimExpr inner) {
    const size_t added = mFactors.size();
    mFactors[factor].extent = outer;
    mFactors.push_back({inner});
    for (Group& group : mSource) {
        if (const auto at = std::find(group.begin(), group.end(), factor); at != group.end()) {
            group.insert(at + 1, added);
        }
    }
    return added;
}

bool ViewMap::reshape(const std::vector<DimExpr>& dims) {
    Group factors;
    for (const Group& group : withoutUnits(mView)) {
        factors.insert(factors.end(), group.begin(), group.end());
    }
    std::vector<Group> view;
    size_t next = 0;
    for (const DimExpr extent : dims) {
        Group group;
        for (DimExpr rest = extent; !isUnit(rest);) {
            if (next == factors.size()) {
                return false;
            }
            const size_t factor = factors[next];
            const DimExpr own = mFactors[factor].extent;
            group.push_back(factor);
            if (const auto left = quotient(rest, own)) {
                rest = *left;
                ++next;
                continue;
            }
            const auto inner = quotient(own, rest);
            if (!inner || mFactors[factor].isCut()) {
                return false;
            }
            factors[next] = split(factor, rest, *inner);
            break;
        }
        view.push_back(std::move(group));
    }
    mView = std::move(view);
    return next == factors.size();
}

bool ViewMap::transpose(const std::vector<int64_t>& perm) {
    if (perm.size() != mView.size()) {
        return false;
    }
    std::vector<Group> view;
    for (const int64_t from : perm) {
        view.push_back(mView[static_cast<size_t>(from)]);
    }
    mView = std::move(view);
    return true;
}

bool ViewMap::cut(size_t axis, int64_t start, int64_t count) {
    int64_t inner = 1;
    for (size_t i = mView[axis].size(); i-- > 0;) {
        ViewFactor& factor = mFactors[mView[axis][i]];
        if (!mPool->isConstant(factor.extent) || factor.isCut()) {
            return false;
        }
        if (i == 0) {
            if (start % inner != 0 || count % inner != 0 || count < inner) {
                return false;
            }
            factor = {mPool->constant(count / inner), start / inner, count / inner,
                      mPool->constantValue(factor.extent)};
            return factor.start >= 0 && factor.start + factor.count <= factor.total;
        }
        inner *= mPool->constantValue(factor.extent);
    }
    return start == 0 && count == 1;
}

bool ViewMap::apply(const ir::Node& node) {
    if (node.op() == "reshape") {
        return node.input(1) == nullptr && isExplicitShape(*mPool, node.output(0)->type()) &&
               reshape(node.output(0)->type().dims);
    }
    if (node.op() != "transpose") {
        return false;
    }
    std::vector<int64_t> perm(mView.size());
    std::iota(perm.rbegin(), perm.rend(), 0);
    return transpose(node.attributes().intsOr("perm", std::move(perm)));
}

std::vector<ViewFactor> ViewMap::sourceFactors(size_t dim) const {
    std::vector<ViewFactor> factors;
    for (const size_t factor : mSource[dim]) {
        factors.push_back(mFactors[factor]);
    }
    return factors;
}

bool ViewMap::isCut(size_t dim) const {
    return std::any_of(mSource[dim].begin(), mSource[dim].end(),
                       [this](size_t factor) { return mFactors[factor].isCut(); });
}

std::vector<DimExpr> ViewMap::extentsOf(const std::vector<Group>& groups) const {
    std::vector<DimExpr> dims;
    for (const Group& group : groups) {
        DimExpr extent = mPool->constant(1);
        for (const size_t factor : group) {
            extent = mPool->mul(extent, mFactors[factor].extent);
        }
        dims.push_back(extent);
    }
    return dims;
}

std::vector<ViewMap::Group> ViewMap::withoutUnits(const std::vector<Group>& groups) const {
    std::vector<Group> result;
    for (const Group& group : groups) {
        result.emplace_back();
        std::copy_if(group.begin(), group.end(), std::back_inserter(result.back()),
                     [this](size_t factor) { return !isUnit(mFactors[factor].extent); });
    }
    return result;
}

Movement ViewMap::movement() const {
    const std::vector<Group> source = withoutUnits(mSource);
    const std::vector<Group> view = withoutUnits(mView);
    const std::vector<DimExpr> sourceDims = extentsOf(source);
    const std::vector<DimExpr> viewDims = extentsOf(view);
    const auto same = [this](const std::vector<DimExpr>& a, const std::vector<DimExpr>& b) {
        return a.size() == b.size() && std::equal(a.begin(), a.end(), b.begin(),
                                                  [this](DimExpr x, DimExpr y) { return mPool->provablyEqual(x, y); });
    };
    // For each factor the one in front of it in its dimension of the source, if there is one.
    std::vector<std::optional<size_t>> before(mFactors.size());
    for (const Group& group : source) {
        for (size_t i = 1; i < group.size(); ++i) {
            before[group[i]] = group[i - 1];
        }
    }
    std::vector<Group> runs;
    std::vector<int32_t> runOf(mFactors.size(), kUnit);
    Places viewPlaces; // of each dimension its run
    bool viewIsWhole = true;
    for (const Group& group : view) {
        const size_t first = runs.size();
        for (size_t i = 0; i < group.size(); ++i) {
            if (i == 0 || before[group[i]] != group[i - 1]) {
                runs.emplace_back();
            }
            runs.back().push_back(group[i]);
            runOf[group[i]] = static_cast<int32_t>(runs.size()) - 1;
        }
        viewIsWhole = viewIsWhole && runs.size() <= first + 1;
        viewPlaces.push_back(group.empty() ? kUnit : static_cast<int32_t>(first));
    }
    Places inView(runs.size());
    std::iota(inView.begin(), inView.end(), 0);
    Places inSource;
    Places sourcePlaces;
    bool sourceIsWhole = true;
    for (const Group& group : source) {
        const size_t first = inSource.size();
        for (const size_t factor : group) {
            if (inSource.size() == first || inSource.back() != runOf[factor]) {
                inSource.push_back(runOf[factor]);
            }
        }
        sourceIsWhole = sourceIsWhole && inSource.size() <= first + 1;
        sourcePlaces.push_back(group.empty() ? kUnit : inSource[first]);
    }
    Movement best;
    best.after = viewDims;
    if (inSource == inView) {
        best.reshapesAfter = !same(sourceDims, viewDims);
        return best;
    }
    const auto consider = [&](const Places& from, const Places& to) {
        const auto extents = [&](const Places& places) {
            std::vector<Group> groups;
            for (const int32_t run : places) {
                groups.push_back(run == kUnit ? Group{} : runs[static_cast<size_t>(run)]);
            }
            return extentsOf(groups);
        };
        Movement movement{extents(from), permutation(from, to), viewDims};
        movement.transposes = true;
        movement.reshapesBefore = !same(movement.before, sourceDims);
        movement.reshapesAfter = !same(extents(to), viewDims);
        if (!best.transposes || std::make_tuple(movement.nodes(), movement.moved(), movement.perm.size()) <
                                    std::make_tuple(best.nodes(), best.moved(), best.perm.size())) {
            best = std::move(movement);
        }
    };
    const auto units = [](const Places& places) { return std::count(places.begin(), places.end(), kUnit); };
    if (sourceIsWhole && viewIsWhole && units(sourcePlaces) == units(viewPlaces)) {
        consider(sourcePlaces, viewPlaces);
    }
    if (sourceIsWhole) {
        consider(sourcePlaces, withUnitsOf(sourcePlaces, inView));
    }
    if (viewIsWhole) {
        consider(withUnitsOf(viewPlaces, inSource), viewPlaces);
    }
    consider(inSource, inView);
    return best;
}

bool isMovement(const ir::ExprPool& pool, const ir::Node& node) {
    return (node.op() == "transpose" || (node.op() == "reshape" && node.input(1) == nullptr)) &&
           node.outputs().size() == 1 && !node.settings().debugOutput && !node.output(0)->contents() &&
           isExplicitShape(pool, node.output(0)->type()) && isExplicitShape(pool, node.input(0)->type());
}

} // namespace tenon::passes
