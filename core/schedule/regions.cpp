#include "core/schedule/regions.h"

#include "core/passes/region.h"
#include "core/support/text.h"
#include "registry/text_sink.h"

#include <algorithm>
#include <set>

namespace tenon::schedule {

namespace {

// What one provider proposes, read while it is in the call.
struct Proposals {
    const registry::GraphPicture& picture;
    std::shared_ptr<ir::ExprPool> pool;
    const ops::OpRegistry& ops;
    std::vector<registry::ImportedProposal> imported;
    std::vector<std::string> defects;

    static void add(void* context, const TnProposal* proposal) {
        auto& self = *static_cast<Proposals*>(context);
        support::Result<registry::ImportedProposal> read =
            registry::importProposal(*proposal, self.picture, self.pool, self.ops);
        if (read.ok()) {
            self.imported.push_back(std::move(*read));
        } else {
            self.defects.push_back(read.status().toString());
        }
    }
};

class RegionCollector {
public:
    RegionCollector(const BuildContext& context, const ir::Graph& graph, const ir::SymbolBox& box, TaskPool& tasks)
        : mContext(context), mGraph(graph), mBox(box), mTasks(tasks) {}

    support::Status addSingles() {
        for (ir::Node* node : mGraph.nodes()) {
            if (node->op() != "const") {
                TN_RETURN_IF_ERROR(add(node->op(), {node}, extractBody({node}, node->name()), false));
            }
        }
        return {};
    }

    support::Status addPatterns() {
        for (const passes::Region& region : passes::collectRegions(mGraph, mContext.snapshot->ops())) {
            TN_RETURN_IF_ERROR(addRegion(region));
        }
        return {};
    }

    void addProposals() {
        registry::PictureOptions options;
        options.box = &mBox;
        options.ops = &mContext.snapshot->ops();
        support::Result<registry::GraphPicture> picture = registry::GraphPicture::of(mGraph, options);
        if (!picture.ok()) {
            mContext.options->log.warning("no provider was asked for regions: ", picture.status().toString());
            return;
        }
        for (const Target& target : mContext.targets) {
            addProposals(target.view(), *picture);
        }
    }

    std::vector<RegionEntry> take() { return std::move(mRegions); }

private:
    void addProposals(const TnTarget& target, const registry::GraphPicture& picture) {
        for (const registry::ProviderEntry& entry : mContext.snapshot->providers()) {
            const TnTacticProvider& provider = entry.table;
            if (!provider.propose || !mContext.providerAllowed(entry.name)) {
                continue;
            }
            Proposals proposals{picture, mGraph.poolPtr(), mContext.snapshot->ops(), {}, {}};
            TnProposalSink proposalSink{&proposals, Proposals::add};
            registry::TextSink sink;
            TnCode code = provider.propose(provider.self, &target, &picture.graph(), &proposalSink, sink.sink());
            if (code != TN_OK) {
                mContext.options->log.warning("provider ", entry.name, " failed to propose regions: ", sink.text());
                continue;
            }
            for (registry::ImportedProposal& proposal : proposals.imported) {
                passes::Region region;
                region.label = support::cat(entry.name, ": ", proposal.label);
                for (const ir::Node* node : proposal.nodes) {
                    region.nodes.push_back(const_cast<ir::Node*>(node));
                }
                if (proposal.body) {
                    proposal.body->freeze();
                    region.body = std::move(proposal.body);
                }
                for (const ir::Value* value : proposal.inputs) {
                    region.inputs.push_back(const_cast<ir::Value*>(value));
                }
                for (const ir::Value* value : proposal.outputs) {
                    region.outputs.push_back(const_cast<ir::Value*>(value));
                }
                support::Status added = addRegion(region);
                if (!added.ok()) {
                    proposals.defects.push_back(added.toString());
                }
            }
            for (const std::string& defect : proposals.defects) {
                mContext.options->log.warning("a proposal of provider ", entry.name, " is ignored: ", defect);
            }
        }
    }

    support::Status addRegion(const passes::Region& region) {
        std::vector<ir::Node*> nodes = region.nodes;
        std::map<const ir::Node*, size_t> position;
        for (size_t i = 0; i < mGraph.nodes().size(); ++i) {
            position[mGraph.nodes()[i]] = i;
        }
        std::sort(nodes.begin(), nodes.end(), [&](ir::Node* a, ir::Node* b) { return position[a] < position[b]; });
        if (nodes.empty() ||
            std::any_of(nodes.begin(), nodes.end(), [](ir::Node* node) { return node->op() == "const"; })) {
            return support::invalidArgument("a region has no nodes, or a constant among them");
        }
        if (!region.body) {
            return add(region.label, nodes, extractBody(nodes, region.label), false);
        }
        Body body;
        body.graph = region.body;
        body.inputs = region.inputs;
        body.outputs = region.outputs;
        return add(region.label, nodes, body, true);
    }

    support::Status add(const std::string& label, std::vector<ir::Node*> nodes, const Body& body, bool replaced) {
        std::vector<ir::ConstantPtr> constants;
        for (const ir::Value* input : body.inputs) {
            constants.push_back(input->constant());
        }
        RegionEntry region;
        region.label = label;
        region.replaced = replaced;
        region.inputs = body.inputs;
        region.outputs = body.outputs;
        for (const ir::Node* node : nodes) {
            if (const auto& asked = node->settings().precision) {
                if (region.precision && *region.precision != *asked) {
                    return {}; // one kernel cannot be of both
                }
                region.precision = asked;
            }
        }
        region.nodes = std::move(nodes);
        uint64_t types = uint64_t{1} << TN_F32;
        if (!mContext.options->precision.stronglyTyped) {
            types |= mContext.options->precision.computeTypes;
            if (region.precision) {
                // A precision of its own: only that one, and f32 unless constraints must be obeyed.
                types = uint64_t{1} << static_cast<int32_t>(*region.precision);
                if (!mContext.options->precision.obeyConstraints || *region.precision == ir::DataType::kF32) {
                    types |= uint64_t{1} << TN_F32;
                }
            }
        }
        TN_ASSIGN_OR_RETURN(std::shared_ptr<Task> task, Task::create(body.graph, std::move(constants), mBox, types));
        region.scalars = task->scalars();
        region.task = mTasks.emplace(task->key(), task).first->second;
        region.id = static_cast<int32_t>(mRegions.size());
        // Two patterns may find the same thing.
        std::string identity;
        for (const ir::Node* node : region.nodes) {
            identity += support::cat(node->id(), ",");
        }
        if (mSeen.emplace(identity, region.task->key()).second) {
            mRegions.push_back(std::move(region));
        }
        return {};
    }

    const BuildContext& mContext;
    const ir::Graph& mGraph;
    const ir::SymbolBox& mBox;
    TaskPool& mTasks;
    std::vector<RegionEntry> mRegions;
    std::set<std::pair<std::string, std::string>> mSeen;
};

} // namespace

support::Result<std::vector<RegionEntry>> collectRegions(const BuildContext& context, const ir::Graph& graph,
                                                         const ir::SymbolBox& box, TaskPool& tasks) {
    RegionCollector collector(context, graph, box, tasks);
    TN_RETURN_IF_ERROR(collector.addSingles());
    TN_RETURN_IF_ERROR(collector.addPatterns());
    collector.addProposals();
    return collector.take();
}

} // namespace tenon::schedule
