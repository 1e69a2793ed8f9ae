// view_chains: reshapes and transposes in a row become the shortest such row that moves the elements alike: two reshapes with a transpose between, at
// most, and the one that leaves the most dimensions in place. Changed is only what gets shorter.
#include "core/passes/rewriter.h"
#include "core/passes/view_map.h"

#include <algorithm>
#include <tuple>

namespace tenon::passes {

namespace {

using ir::Node;
using ir::Value;

constexpr size_t kMostLinks = 16;

class Shortener {
public:
    explicit Shortener(PassContext& context) : mRewriter(context) {}

    support::Result<bool> run() {
        mRewriter.forEachNode([this](Node& node) {
            if (isLink(node) && !goesOn(node)) {
                shorten(node);
            }
        });
        return mRewriter.finish();
    }

private:
    bool isLink(const Node& node) const {
        return isMovement(mRewriter.pool(), node) && !node.output(0)->quantization() &&
               node.input(0)->constant() == nullptr && !leadsToExpand(node);
    }
    // What gives a tensor dimensions to be repeated along stays with the repetition: patterns know the two together.
    static bool leadsToExpand(const Node& node) {
        const Value& value = *node.output(0);
        return node.op() == "reshape" && value.uses().size() == 1 && value.uses()[0].node->op() == "expand";
    }
    bool goesOn(const Node& node) const {
        const Value& value = *node.output(0);
        return isPrivate(value) && isLink(*value.uses()[0].node);
    }

    struct Cost {
        int32_t transposes = 0;
        int32_t nodes = 0;
        int32_t moved = 0;
        bool isLess(const Cost& other) const {
            return std::tie(transposes, nodes, moved) < std::tie(other.transposes, other.nodes, other.moved);
        }
    };

    void shorten(Node& node) {
        std::vector<Node*> chain{&node}; // from the end
        Cost cost = costOf(node);
        std::vector<Cost> costs{cost};
        while (chain.size() < kMostLinks) {
            const Value& value = *chain.back()->input(0);
            Node* const producer = value.producer();
            // What others read stays; a reshape costs nothing, so that one may look behind it.
            const bool isOwn = isPrivate(value);
            if (producer == nullptr || !isLink(*producer) || (!isOwn && producer->op() != "reshape")) {
                break;
            }
            if (isOwn) {
                const Cost own = costOf(*producer);
                cost = {cost.transposes + own.transposes, cost.nodes + own.nodes, cost.moved + own.moved};
            }
            chain.push_back(producer);
            costs.push_back(cost);
        }
        // The longest stretch that gets shorter.
        for (size_t length = chain.size(); length > 0; --length) {
            if (replaceIfShorter(chain, length, costs[length - 1])) {
                return;
            }
        }
    }

    Cost costOf(const Node& node) const {
        Cost cost{node.op() == "transpose" ? 1 : 0, 1, 0};
        const std::vector<int64_t> perm = node.attributes().intsOr("perm", {});
        for (size_t i = 0; i < perm.size(); ++i) {
            cost.moved += perm[i] != static_cast<int64_t>(i) ? 1 : 0;
        }
        return cost;
    }

    bool replaceIfShorter(const std::vector<Node*>& chain, size_t length, const Cost& before) {
        Node& node = *chain[0];
        Value* value = chain[length - 1]->input(0);
        auto map = ViewMap::of(mRewriter.pool(), value->type());
        for (size_t i = length; i-- > 0 && map;) {
            if (!map->apply(*chain[i])) {
                return false;
            }
        }
        const Movement movement = map ? map->movement() : Movement{};
        const Cost after{movement.transposes ? 1 : 0, movement.nodes(), movement.moved()};
        if (!map || !after.isLess(before)) {
            return false;
        }
        for (size_t i = 1; i < length; ++i) {
            mRewriter.editor().addSource(&node, chain[i]->source());
        }
        if (movement.reshapesBefore) {
            value = mRewriter.make(node, "reshape", {value}, shape(movement.before));
        }
        if (movement.transposes && value != nullptr) {
            ir::AttributeMap attributes;
            attributes.set("perm", movement.perm);
            value = mRewriter.makeInstead(node, "transpose", {value}, std::move(attributes));
        }
        if (movement.reshapesAfter && value != nullptr) {
            value = mRewriter.makeInstead(node, "reshape", {value}, shape(movement.after));
        }
        mRewriter.replace(node, value);
        return true;
    }

    static ir::AttributeMap shape(const std::vector<ir::DimExpr>& dims) {
        ir::AttributeMap attributes;
        attributes.set("shape", ir::DimList{dims});
        attributes.set("allow_zero", int64_t{1});
        return attributes;
    }

    Rewriter mRewriter;
};

} // namespace

support::Result<bool> viewChains(PassContext& context) { return Shortener(context).run(); }

} // namespace tenon::passes
