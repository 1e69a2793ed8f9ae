#include "core/schedule/task.h"

#include "core/schedule/rejections.h"
#include "core/support/hash.h"
#include "registry/host_guards.h"
#include "registry/text_sink.h"

#include <algorithm>
#include <charconv>
#include <cstring>
#include <map>
#include <set>

namespace tenon::schedule {

namespace {

std::string exactText(double value) {
    char buffer[40];
    return std::string(buffer, std::to_chars(buffer, buffer + sizeof(buffer), value, std::chars_format::hex).ptr);
}

// Canonical text of the ABI's picture: what a tactic may depend on and nothing else. Values are numbered in order of appearance, and equal
// symbolic extents get equal numbers, so that names and handles do not matter.
class KeyWriter {
public:
    std::string write(const TnTask& task, uint64_t computeTypes) {
        mText = support::cat("types ", computeTypes, ";");
        graph(*task.body);
        if (task.convert_to) {
            mText += support::cat(" convert ", toText(task.offered[0]), " to ", toText(*task.convert_to));
        }
        return std::move(mText);
    }

private:
    void dim(const TnDim& dim) {
        if (dim.min == dim.max) {
            mText += support::cat(dim.min);
            return;
        }
        auto [position, added] = mExpressions.emplace(dim.expr, mExpressions.size());
        mText += support::cat("e", position->second, "[", dim.min, "..", dim.opt, "..", dim.max, "]");
    }

    void value(const TnGraph& graph, int32_t index) {
        if (index < 0) {
            mText += "-";
            return;
        }
        const auto& value = *reinterpret_cast<const TnValue*>(reinterpret_cast<const std::byte*>(graph.values) +
                                                              static_cast<size_t>(index) * graph.value_stride);
        auto [position, added] = mValues.emplace(std::pair(&graph, index), mValues.size());
        mText += support::cat("v", position->second);
        if (!added) {
            return;
        }
        mText += support::cat(":", ir::nameOf(static_cast<ir::DataType>(value.dtype)), "[");
        for (int32_t i = 0; i < value.rank; ++i) {
            mText += i ? "," : "";
            dim(value.dims[i]);
        }
        mText += value.rank < 0 ? "*]" : "]";
        if (value.is_constant) {
            mText += "c";
        }
        if (value.data) {
            mText += support::cat("=", support::hashBytes(value.data, static_cast<size_t>(value.data_bytes)).hex());
        }
    }

    void attribute(const TnAttribute& attribute) {
        mText += support::cat(" ", registry::toView(attribute.name), "=");
        switch (attribute.kind) {
        case TN_ATTR_INT:
        case TN_ATTR_DTYPE:
            mText += support::cat(attribute.i);
            break;
        case TN_ATTR_FLOAT:
            mText += exactText(attribute.f);
            break;
        case TN_ATTR_STRING:
            mText += support::cat("'", registry::toView(attribute.s), "'");
            break;
        case TN_ATTR_INTS:
            for (int64_t i = 0; i < attribute.count; ++i) {
                mText += support::cat(attribute.ints[i], ",");
            }
            break;
        case TN_ATTR_FLOATS:
            for (int64_t i = 0; i < attribute.count; ++i) {
                mText += exactText(attribute.floats[i]) + ",";
            }
            break;
        case TN_ATTR_STRINGS:
            for (int64_t i = 0; i < attribute.count; ++i) {
                mText += support::cat("'", registry::toView(attribute.strings[i]), "',");
            }
            break;
        case TN_ATTR_DIMS:
            for (int64_t i = 0; i < attribute.count; ++i) {
                dim(attribute.dims[i]);
                mText += ",";
            }
            break;
        case TN_ATTR_TENSOR:
            if (attribute.tensor && attribute.tensor->data) {
                mText +=
                    support::hashBytes(attribute.tensor->data, static_cast<size_t>(attribute.tensor->data_bytes)).hex();
            }
            break;
        }
    }

    void graph(const TnGraph& graph) {
        mText += "{";
        for (int64_t i = 0; i < graph.input_count; ++i) {
            value(graph, graph.inputs[i]);
            mText += " ";
        }
        for (int64_t n = 0; n < graph.node_count; ++n) {
            const auto& node = *reinterpret_cast<const TnNode*>(reinterpret_cast<const std::byte*>(graph.nodes) +
                                                                static_cast<size_t>(n) * graph.node_stride);
            mText += support::cat(";", registry::toView(node.op), "(");
            for (int32_t i = 0; i < node.input_count; ++i) {
                value(graph, node.inputs[i]);
                mText += ",";
            }
            mText += ")->(";
            for (int32_t i = 0; i < node.output_count; ++i) {
                value(graph, node.outputs[i]);
                mText += ",";
            }
            mText += ")";
            for (int64_t a = 0; a < node.attribute_count; ++a) {
                attribute(*reinterpret_cast<const TnAttribute*>(reinterpret_cast<const std::byte*>(node.attributes) +
                                                                static_cast<size_t>(a) * node.attribute_stride));
            }
            for (int64_t r = 0; r < node.region_count; ++r) {
                this->graph(*node.regions[r]);
            }
        }
        mText += "}->";
        for (int64_t i = 0; i < graph.output_count; ++i) {
            value(graph, graph.outputs[i]);
            mText += " ";
        }
    }

    std::string mText;
    std::map<int32_t, size_t> mExpressions;
    std::map<std::pair<const TnGraph*, int32_t>, size_t> mValues;
};

// Collects what a provider adds; copies, because the provider's memory ends with the call. What breaks the ABI's rules, or is no match for what
// the task may be, is left out with its reason.
struct TacticCollector {
    const registry::ProviderEntry& provider;
    const TnTask& task;
    TnPlacement placement = TN_PLACEMENT_HOST;
    size_t inputs = 0;
    size_t outputs = 0;
    std::vector<Tactic> tactics;
    std::vector<std::string> refusals;

    static void add(void* context, const TnTactic* from) {
        auto& self = *static_cast<TacticCollector*>(context);
        if (std::optional<std::string> defect = registry::checkTactic(self.provider, self.task, *from)) {
            self.refusals.push_back(support::cat("defect of the module: ", *defect));
            return;
        }
        if (std::optional<std::string> why = registry::refuse(self.task, *from)) {
            self.refusals.push_back(*why);
            return;
        }
        Tactic tactic;
        tactic.id = from->id;
        tactic.name = std::string(registry::toView(from->name));
        tactic.traits = from->traits;
        tactic.estimateUs = from->estimate_us;
        auto port = [&](const PortLayout* ports, size_t i) {
            PortLayout copy{};
            std::memcpy(&copy, reinterpret_cast<const std::byte*>(ports) + i * from->port_stride,
                        std::min(from->port_stride, sizeof(copy)));
            return copy;
        };
        for (size_t i = 0; i < self.inputs; ++i) {
            tactic.inputs.push_back(port(from->inputs, i));
        }
        for (size_t i = 0; i < self.outputs; ++i) {
            tactic.outputs.push_back(port(from->outputs, i));
        }
        if (from->may_alias) {
            tactic.mayAlias.assign(from->may_alias, from->may_alias + self.outputs);
        }
        if (!self.reaches(tactic.inputs) || !self.reaches(tactic.outputs)) {
            self.refusals.push_back(
                "defect of the module: a port is neither at the target's placement nor in host memory");
            return;
        }
        self.tactics.push_back(std::move(tactic));
    }

    bool reaches(const std::vector<PortLayout>& ports) const {
        return std::all_of(ports.begin(), ports.end(), [this](const PortLayout& port) {
            return port.placement == placement || port.placement == TN_PLACEMENT_HOST;
        });
    }
};

std::string labelOf(const ir::Graph& body) {
    if (body.nodes().size() == 1) {
        return body.nodes()[0]->op();
    }
    std::string label = "fused(";
    for (size_t i = 0; i < body.nodes().size(); ++i) {
        label += support::cat(i ? "+" : "", body.nodes()[i]->op());
    }
    return label + ")";
}

} // namespace

support::Result<std::shared_ptr<Task>> Task::create(std::shared_ptr<const ir::Graph> body,
                                                    std::vector<ir::ConstantPtr> constants, const ir::SymbolBox& box,
                                                    uint64_t computeTypes, std::optional<PortLayout> convertFrom,
                                                    std::optional<PortLayout> convertTo) {
    auto task = std::make_shared<Task>();
    task->mBody = std::move(body);
    task->mConstants = std::move(constants);
    task->mConstants.resize(task->mBody->inputs().size());
    task->mBox = box;
    task->mComputeTypes = computeTypes;
    task->mConvertFrom = convertFrom;
    task->mConvertTo = convertTo;
    registry::PictureOptions options;
    options.box = &task->mBox;
    options.inputConstants = task->mConstants;
    TN_ASSIGN_OR_RETURN(registry::GraphPicture picture, registry::GraphPicture::of(*task->mBody, options));
    task->mPicture.emplace(std::move(picture));
    task->mLabel = labelOf(*task->mBody);
    std::string canonical =
        task->withView({}, 0, [&](const TnTask& view) { return KeyWriter().write(view, computeTypes); });
    task->mKey = support::hashText(canonical).hex();
    return task;
}

Task::Offer Task::makeOffer(const std::vector<std::vector<PortLayout>>& offered) const {
    Offer offer;
    offer.begin.push_back(0);
    for (size_t i = 0; i < mBody->inputs().size(); ++i) {
        if (mConvertFrom) {
            offer.formats.push_back(*mConvertFrom);
        } else if (i < offered.size() && !offered[i].empty()) {
            offer.formats.insert(offer.formats.end(), offered[i].begin(), offered[i].end());
        } else {
            const ir::TensorType& type = mBody->inputs()[i]->type();
            offer.formats.push_back(linearPort(type.dtype, std::max(type.rank(), 0)));
        }
        offer.begin.push_back(static_cast<int64_t>(offer.formats.size()));
    }
    return offer;
}

TnTask Task::taskView(const Offer& offer, int64_t workspaceLimit) const {
    TnTask task{};
    task.struct_size = sizeof(TnTask);
    task.body = &mPicture->graph();
    task.offered_begin = offer.begin.data();
    task.offered = offer.formats.data();
    task.offered_stride = sizeof(PortLayout);
    task.compute_types = mComputeTypes;
    task.workspace_limit = workspaceLimit;
    task.convert_to = mConvertTo ? &*mConvertTo : nullptr;
    return task;
}

namespace {

// Layouts at the target's placement, the linear one first where none is offered; of inputs that only exist elsewhere it is the linear one too.
std::vector<std::vector<PortLayout>> offersAt(const Task& task, const std::vector<std::vector<PortLayout>>& offered,
                                              TnPlacement placement) {
    std::vector<std::vector<PortLayout>> there(task.inputCount());
    for (size_t i = 0; i < there.size(); ++i) {
        const ir::TensorType& type = task.body().inputs()[i]->type();
        const PortLayout linear = linearPort(type.dtype, std::max(type.rank(), 0), placement);
        there[i].push_back(linear);
        for (size_t k = 0; i < offered.size() && k < offered[i].size(); ++k) {
            if (offered[i][k].placement == placement && !equal(offered[i][k], linear)) {
                there[i].push_back(offered[i][k]);
            }
        }
    }
    return there;
}

using KnownTactics = std::set<std::pair<int32_t, std::string>>;

void enumerateOn(const BuildContext& context, const Target& where, Task& task,
                 const std::vector<std::vector<PortLayout>>& offered, bool referenceOnly, KnownTactics& known,
                 std::set<std::string>& refused) {
    const TnTarget target = where.view();
    const bool host = where.placement == TN_PLACEMENT_HOST;
    const std::vector<std::vector<PortLayout>> offers = offersAt(task, offered, where.placement);
    const std::vector<registry::ProviderEntry>& providers = context.snapshot->providers();
    for (size_t p = 0; p < providers.size(); ++p) {
        const TnTacticProvider& provider = providers[p].table;
        const std::string& name = providers[p].name;
        const std::string asked = host ? name : support::cat(name, " on ", where.backend);
        auto reject = [&](const std::string& reason) {
            if (refused.insert(asked).second) {
                task.rejections.push_back({asked, reason});
            }
        };
        if (!context.providerAllowed(name)) {
            reject(kProviderNotAllowed);
            continue;
        }
        task.withView(offers, context.options->workspaceLimit, [&](const TnTask& view) {
            if (std::optional<std::string> why = registry::refuse(providers[p], view)) {
                reject(*why);
                return;
            }
            registry::TextSink sink;
            TnCode code = provider.supports(provider.self, &target, &view, sink.sink());
            if (code != TN_OK) {
                reject(
                    sink.textOr(support::cat("refused without a reason (code ", code, "): a defect of module ", name)));
                return;
            }
            TacticCollector collector{providers[p], view, where.placement, task.inputCount(), task.outputCount(),
                                      {},           {}};
            TnTacticSink tacticSink{&collector, TacticCollector::add};
            sink.clear();
            code = provider.enumerate(provider.self, &target, &view, &tacticSink, sink.sink());
            if (code != TN_OK) {
                reject(sink.textOr(support::cat("enumerate failed with code ", code)));
                return;
            }
            for (const std::string& refusal : collector.refusals) {
                reject(refusal);
            }
            if (collector.tactics.empty()) {
                reject(sink.textOr("supports the task but offers no tactic for it"));
            }
            int32_t accepted = 0;
            for (Tactic& tactic : collector.tactics) {
                if (referenceOnly && !tactic.isReference()) {
                    continue;
                }
                if (context.options->maxTactics > 0 && accepted >= context.options->maxTactics) {
                    break;
                }
                if (!known.emplace(static_cast<int32_t>(p), tactic.key()).second) {
                    continue;
                }
                ++accepted;
                Candidate candidate;
                candidate.provider = static_cast<int32_t>(p);
                candidate.placement = where.placement;
                candidate.tactic = std::move(tactic);
                task.candidates.push_back(std::move(candidate));
            }
        });
    }
}

} // namespace

bool Task::hasFast() const {
    return std::any_of(candidates.begin(), candidates.end(), [](const Candidate& candidate) {
        const bool isOut = candidate.state == CandidateState::kFailed || candidate.state == CandidateState::kWrong;
        return !candidate.tactic.isReference() && !isOut;
    });
}

Candidate* Task::fastestOnHost() {
    Candidate* fastest = nullptr;
    for (Candidate& candidate : candidates) {
        const bool isTimed = candidate.state == CandidateState::kTimed && candidate.placement == TN_PLACEMENT_HOST;
        if (isTimed && (fastest == nullptr || candidate.time.us < fastest->time.us)) {
            fastest = &candidate;
        }
    }
    return fastest;
}

void enumerateTactics(const BuildContext& context, Task& task, const std::vector<std::vector<PortLayout>>& offered,
                      bool referenceOnly) {
    std::set<std::pair<int32_t, std::string>> known;
    for (const Candidate& candidate : task.candidates) {
        known.emplace(candidate.provider, candidate.tactic.key());
    }
    std::set<std::string> refused;
    for (const Rejection& rejection : task.rejections) {
        refused.insert(rejection.provider);
    }
    for (const Target& target : context.targets) {
        // The oracle is the host's; a conversion between two layouts of a placement is made there.
        const bool wanted = task.convertFrom() ? task.convertFrom()->placement == target.placement
                                               : !referenceOnly || target.placement == TN_PLACEMENT_HOST;
        if (wanted) {
            enumerateOn(context, target, task, offered, referenceOnly, known, refused);
        }
    }
}

} // namespace tenon::schedule
