// A task: one op or region body to be computed on a box of shapes, with every tactic that providers offer for it.
// Regions that compute the same thing share one task, so it is compiled and timed once.
// Used by candidates, tactic_timer, oracle, step_builder. Knows providers through the ABI only.
#pragma once

#include "core/schedule/body.h"
#include "core/schedule/build_context.h"
#include "core/schedule/tactic.h"
#include "registry/graph_bridge.h"

#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace tenon::schedule {

class Task {
public:
    // constants[i]: the value of body input i, or null. `box` bounds every symbol that the body mentions.
    static support::Result<std::shared_ptr<Task>>
    create(std::shared_ptr<const ir::Graph> body, std::vector<ir::ConstantPtr> constants, const ir::SymbolBox& box,
           uint64_t computeTypes, std::optional<PortLayout> convertFrom = {}, std::optional<PortLayout> convertTo = {});

    // Hash of the canonical text: ops, attributes, types, extents, small constants; no names, no big constants, no handles.
    const std::string& key() const { return mKey; }
    const std::string& label() const { return mLabel; } // "conv", "fused:pointwise"
    const ir::Graph& body() const { return *mBody; }
    const std::vector<ir::ConstantPtr>& constants() const { return mConstants; }
    const ir::SymbolBox& box() const { return mBox; }
    // Expressions of TnPrepareArgs::scalars, in order.
    const std::vector<ir::DimExpr>& scalars() const { return mPicture->scalars(); }
    const std::optional<PortLayout>& convertFrom() const { return mConvertFrom; }
    const std::optional<PortLayout>& convertTo() const { return mConvertTo; }
    size_t inputCount() const { return mBody->inputs().size(); }
    size_t outputCount() const { return mBody->outputs().size(); }

    std::vector<Candidate> candidates;
    std::vector<Rejection> rejections;

    // Whether there is a candidate that is not the reference's and neither failed nor was found wrong. Where there is, spared or not, the reference does not stand in.
    bool hasFast() const;
    // Of the timed candidates there; null where none is.
    Candidate* fastestOnHost();

    // Calls `use` with the ABI's picture of the task; pointers are valid during the call. offered[i]: layouts for input i; linear if empty.
    template <class F>
    auto withView(const std::vector<std::vector<PortLayout>>& offered, int64_t workspaceLimit, F&& use) const {
        Offer offer = makeOffer(offered);
        TnTask task = taskView(offer, workspaceLimit);
        return use(task);
    }

private:
    struct Offer {
        std::vector<int64_t> begin;
        std::vector<PortLayout> formats;
    };
    Offer makeOffer(const std::vector<std::vector<PortLayout>>& offered) const;
    TnTask taskView(const Offer& offer, int64_t workspaceLimit) const;

    std::shared_ptr<const ir::Graph> mBody;
    std::vector<ir::ConstantPtr> mConstants;
    ir::SymbolBox mBox;
    uint64_t mComputeTypes = 0;
    std::optional<PortLayout> mConvertFrom;
    std::optional<PortLayout> mConvertTo;
    std::optional<registry::GraphPicture> mPicture;
    std::string mKey;
    std::string mLabel;
};

// Asks every allowed provider for its tactics and adds those that are not known yet; refusals go to task.rejections once.
// `referenceOnly`: only tactics with TN_TRAIT_REFERENCE.
void enumerateTactics(const BuildContext& context, Task& task, const std::vector<std::vector<PortLayout>>& offered,
                      bool referenceOnly = false);

} // namespace tenon::schedule
