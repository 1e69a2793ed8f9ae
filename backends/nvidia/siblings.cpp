#include "backends/nvidia/siblings.h"

#include "backends/common/ports.h"
#include "backends/common/task_kernel.h"

#include <algorithm>
#include <map>
#include <set>

namespace tenon::nvidia {

using kernels::explained;
using kernels::Failure;
using kernels::invalid;
using module::Code;

namespace {

constexpr std::string_view kBetween = " | ";
// Of one layout of what the parts share, and one precision.
constexpr size_t kMostTactics = 6;
// What a part takes less on a branch than as a step of its own: on an H200 three products of 5 us each take 8 us side by side.
constexpr double kSavedUs = 0.8;
// Where every part takes so long there is nothing to gain.
constexpr double kLongUs = 25;

constexpr TnTraits kOfAll = TN_TRAIT_DETERMINISTIC | TN_TRAIT_CAPTURE_SAFE | TN_TRAIT_EXACT_MATH;
constexpr TnTraits kOfAny = TN_TRAIT_TF32;

bool samePort(const TnPortFormat& a, const TnPortFormat& b) {
    return a.dtype == b.dtype && a.placement == b.placement && module::equal(a.format, b.format);
}

// --- Parts ------------------------------------------------------------------------------------------------------------------

// A part's nodes with its values numbered as in a task of its own: inputs in the order of their first use, then what nodes make.
Part extract(const module::GraphView& whole, const std::vector<size_t>& nodes) {
    Part part;
    std::map<int32_t, int32_t> numbers;
    const auto number = [&](int32_t value) {
        const auto [at, isNew] = numbers.try_emplace(value, -1);
        if (isNew) {
            at->second = part.body.addValue(whole.value(value).raw());
        }
        return std::pair(at->second, isNew);
    };
    std::set<int32_t> made;
    for (const size_t n : nodes) {
        const module::NodeView node = whole.node(n);
        for (int32_t i = 0; i < node.outputCount(); ++i) {
            made.insert(node.outputIndex(i));
        }
    }
    for (const size_t n : nodes) {
        const module::NodeView node = whole.node(n);
        for (int32_t i = 0; i < node.inputCount(); ++i) {
            const int32_t value = node.inputIndex(i);
            if (value < 0 || made.contains(value)) {
                continue;
            }
            if (const auto [own, isNew] = number(value); isNew) {
                part.body.addInput(own);
                part.inputs.push_back(kernels::portOf(whole.inputs(), value));
            }
        }
    }
    for (const size_t n : nodes) {
        const module::NodeView node = whole.node(n);
        std::vector<int32_t> inputs;
        std::vector<int32_t> outputs;
        for (int32_t i = 0; i < node.inputCount(); ++i) {
            inputs.push_back(node.hasInput(i) ? number(node.inputIndex(i)).first : -1);
        }
        for (int32_t i = 0; i < node.outputCount(); ++i) {
            outputs.push_back(number(node.outputIndex(i)).first);
        }
        const size_t copy = part.body.addNode(node.op(), inputs, outputs, node.name());
        for (const TnAttribute& attribute : node.attributes()) {
            part.body.setAttribute(copy, attribute);
        }
        for (size_t r = 0; r < node.regionCount(); ++r) {
            part.body.addRegion(copy, module::OwnedGraph::copyOf(node.region(r)));
        }
    }
    for (size_t o = 0; o < whole.outputs().size(); ++o) {
        if (const auto own = numbers.find(whole.outputs()[o]); own != numbers.end() && made.contains(own->first)) {
            part.body.addOutput(own->second);
            part.outputs.push_back(static_cast<int32_t>(o));
        }
    }
    return part;
}

// The parts of a task that this computes side by side; empty where it is the inner provider's.
std::vector<Part> siblingsOf(const module::TaskView& task) {
    if (task.outputCount() < 2) {
        return {};
    }
    std::vector<Part> parts = partsOf(task.body());
    return parts.size() < 2 ? std::vector<Part>() : std::move(parts);
}

// A part as a task. Refers to the part and to the whole's table.
class PartTask {
public:
    PartTask(const module::TaskView& whole, Part& part) {
        const TnTask& from = whole.raw();
        mTask.struct_size = sizeof(mTask);
        mTask.body = &part.body.graph().raw();
        mTask.compute_types = from.compute_types;
        mTask.workspace_limit = from.workspace_limit;
    }
    void limitWorkspace(int64_t bytes) { mTask.workspace_limit = bytes; }
    module::TaskView view() const { return module::TaskView(&mTask); }

private:
    TnTask mTask{};
};

// --- The build side ---------------------------------------------------------------------------------------------------------

std::vector<module::Tactic> tacticsOf(const module::Provider& provider, const module::TargetView& target,
                                      const module::TaskView& task, module::Reason& reason) {
    std::vector<module::Tactic> tactics;
    struct Context {
        std::vector<module::Tactic>* to;
        const module::TaskView* task;
    } context{&tactics, &task};
    TnTacticSink sink{&context, [](void* raw, const TnTactic* given) {
                          const Context& into = *static_cast<Context*>(raw);
                          const module::TacticView view(given);
                          module::Tactic tactic;
                          tactic.id = view.id();
                          tactic.name = view.name();
                          tactic.traits = view.traits();
                          tactic.estimateUs = given->estimate_us;
                          for (int32_t i = 0; i < into.task->inputCount(); ++i) {
                              tactic.inputs.push_back(view.input(i));
                          }
                          for (int32_t i = 0; i < into.task->outputCount(); ++i) {
                              tactic.outputs.push_back(view.output(i));
                          }
                          into.to->push_back(std::move(tactic));
                      }};
    module::TacticList list(&sink);
    if (const Code code = provider.enumerate(target, task, list, reason); code != Code::kOk) {
        throw Failure(code, {}); // it has said why
    }
    return tactics;
}

uint64_t idOf(std::string_view name) {
    uint64_t hash = 0xcbf29ce484222325; // FNV-1a
    for (const char c : name) {
        hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3;
    }
    return hash;
}

// One tactic for each part as a tactic of the whole; false where they do not go together.
bool join(const module::TaskView& task, const std::vector<Part>& parts, const std::vector<const module::Tactic*>& each,
          module::Tactic& whole) {
    const TnPortFormat none{};
    whole.inputs.assign(static_cast<size_t>(task.inputCount()), none);
    whole.outputs.assign(static_cast<size_t>(task.outputCount()), none);
    std::vector<bool> known(whole.inputs.size(), false);
    TnTraits all = kOfAll;
    TnTraits any = 0;
    for (size_t p = 0; p < parts.size(); ++p) {
        const module::Tactic& part = *each[p];
        for (size_t i = 0; i < part.inputs.size(); ++i) {
            const auto port = static_cast<size_t>(parts[p].inputs[i]);
            if (known[port] && !samePort(whole.inputs[port], part.inputs[i])) {
                return false;
            }
            known[port] = true;
            whole.inputs[port] = part.inputs[i];
        }
        for (size_t o = 0; o < part.outputs.size(); ++o) {
            whole.outputs[static_cast<size_t>(parts[p].outputs[o])] = part.outputs[o];
        }
        if ((part.traits & ~(kOfAll | kOfAny)) != 0) {
            return false;
        }
        all &= part.traits;
        any |= part.traits & kOfAny;
        whole.name += (p == 0 ? "" : std::string(kBetween)) + part.name;
        whole.estimateUs += part.estimateUs - (p == 0 ? 0 : kSavedUs);
    }
    whole.traits = all | any;
    whole.id = idOf(whole.name);
    return true;
}

// Whether a tactic reads what the first part's tactics read alike, with as much precision.
bool isLike(const Part& part, const module::Tactic& tactic, const Part& first, const module::Tactic& model) {
    constexpr TnTraits kPrecision = TN_TRAIT_TF32 | TN_TRAIT_EXACT_MATH;
    if ((tactic.traits & kPrecision) != (model.traits & kPrecision) ||
        tactic.outputs[0].dtype != model.outputs[0].dtype) {
        return false;
    }
    for (size_t i = 0; i < part.inputs.size(); ++i) {
        const auto shared = std::find(first.inputs.begin(), first.inputs.end(), part.inputs[i]);
        if (shared != first.inputs.end() &&
            !samePort(tactic.inputs[i], model.inputs[static_cast<size_t>(shared - first.inputs.begin())])) {
            return false;
        }
    }
    return true;
}

// The parts' tactics of one rank together, for each way to read what they share.
void addJoined(const module::TaskView& task, const std::vector<Part>& parts,
               const std::vector<std::vector<module::Tactic>>& offers, module::TacticList& tactics) {
    std::vector<bool> done(offers[0].size(), false);
    for (size_t m = 0; m < offers[0].size(); ++m) {
        if (done[m]) {
            continue;
        }
        const module::Tactic& model = offers[0][m];
        std::vector<std::vector<const module::Tactic*>> like(parts.size());
        size_t ranks = 0;
        for (size_t p = 0; p < parts.size(); ++p) {
            for (size_t t = 0; t < offers[p].size(); ++t) {
                if (isLike(parts[p], offers[p][t], parts[0], model)) {
                    like[p].push_back(&offers[p][t]);
                    if (p == 0) {
                        done[t] = true;
                    }
                }
            }
            ranks = std::max(ranks, like[p].size());
        }
        if (std::any_of(like.begin(), like.end(), [](const auto& list) { return list.empty(); })) {
            continue;
        }
        for (size_t rank = 0; rank < std::min(ranks, kMostTactics); ++rank) {
            std::vector<const module::Tactic*> each;
            for (const auto& list : like) {
                each.push_back(list[std::min(rank, list.size() - 1)]);
            }
            if (module::Tactic whole; join(task, parts, each, whole)) {
                tactics.add(whole);
            }
        }
    }
}

class SiblingsProvider final : public module::Provider {
public:
    explicit SiblingsProvider(std::unique_ptr<module::Provider> inner) : mInner(std::move(inner)) {}

    std::string name() const override { return mInner->name(); }
    std::string version() const override { return mInner->version(); }
    int32_t rank() const override { return mInner->rank(); }
    bool proposes() const override { return mInner->proposes(); }
    Code propose(const module::TargetView& target, const module::GraphView& graph, module::ProposalList& proposals,
                 module::Reason& reason) const override {
        return mInner->propose(target, graph, proposals, reason);
    }

    Code supports(const module::TargetView& target, const module::TaskView& task,
                  module::Reason& reason) const override {
        std::vector<Part> parts = siblingsOf(task);
        if (parts.empty()) {
            return mInner->supports(target, task, reason);
        }
        for (Part& part : parts) {
            if (const Code code = mInner->supports(target, PartTask(task, part).view(), reason); code != Code::kOk) {
                return code;
            }
        }
        return Code::kOk;
    }

    Code enumerate(const module::TargetView& target, const module::TaskView& task, module::TacticList& tactics,
                   module::Reason& reason) const override {
        std::vector<Part> parts = siblingsOf(task);
        if (parts.empty()) {
            return mInner->enumerate(target, task, tactics, reason);
        }
        return explained(reason, [&] {
            std::vector<std::vector<module::Tactic>> offers;
            bool areLong = true;
            for (Part& part : parts) {
                offers.push_back(tacticsOf(*mInner, target, PartTask(task, part).view(), reason));
                areLong = areLong && !offers.back().empty() && offers.back()[0].estimateUs > kLongUs;
            }
            if (areLong) {
                reason.note("each part keeps the device busy for more than ", kLongUs, " us");
                return;
            }
            addJoined(task, parts, offers, tactics);
        });
    }

    Code compile(const module::TargetView& target, const module::TaskView& task, const module::TacticView& tactic,
                 const module::Cancel& cancel, module::BlobOutput& blob, module::Reason& reason) const override {
        std::vector<Part> parts = siblingsOf(task);
        if (parts.empty()) {
            return mInner->compile(target, task, tactic, cancel, blob, reason);
        }
        return explained(reason, [&] {
            module::BlobWriter out(kSiblingsVersion);
            out.u64(parts.size());
            std::string runtime;
            std::string_view names = tactic.name();
            for (Part& part : parts) {
                const std::string_view name = names.substr(0, names.find(kBetween));
                names.remove_prefix(std::min(names.size(), name.size() + kBetween.size()));
                runtime = compilePart(target, task, part, parts.size(), name, tactic, cancel, out, reason);
            }
            blob.set(runtime, kSiblingsVersion, out);
        });
    }

private:
    std::string compilePart(const module::TargetView& target, const module::TaskView& task, Part& part, size_t count,
                            std::string_view name, const module::TacticView& whole, const module::Cancel& cancel,
                            module::BlobWriter& out, module::Reason& reason) const {
        PartTask own(task, part);
        for (const module::Tactic& tactic : tacticsOf(*mInner, target, own.view(), reason)) {
            bool fits = tactic.name == name;
            for (size_t i = 0; fits && i < part.inputs.size(); ++i) {
                fits = samePort(tactic.inputs[i], whole.input(part.inputs[i]));
            }
            for (size_t o = 0; fits && o < part.outputs.size(); ++o) {
                fits = samePort(tactic.outputs[o], whole.output(part.outputs[o]));
            }
            if (!fits) {
                continue;
            }
            // They run at once, each with a workspace of its own.
            own.limitWorkspace(task.workspaceLimit() / static_cast<int64_t>(count));
            struct Bytes {
                std::string runtime;
                uint32_t version = 0;
                std::vector<std::byte> data;
            } bytes;
            TnBlobSink sink{&bytes, [](void* raw, TnString runtime, uint32_t version, const void* data, size_t size) {
                                Bytes& into = *static_cast<Bytes*>(raw);
                                into.runtime = module::view(runtime);
                                into.version = version;
                                into.data.assign(static_cast<const std::byte*>(data),
                                                 static_cast<const std::byte*>(data) + size);
                            }};
            TnTactic table{};
            table.struct_size = sizeof(table);
            table.id = tactic.id;
            table.name = module::toTn(tactic.name);
            table.inputs = tactic.inputs.data();
            table.outputs = tactic.outputs.data();
            table.port_stride = sizeof(TnPortFormat);
            table.traits = tactic.traits;
            table.estimate_us = tactic.estimateUs;
            module::BlobOutput blob(&sink);
            const Code code = mInner->compile(target, own.view(), module::TacticView(&table), cancel, blob, reason);
            if (code != Code::kOk) {
                throw Failure(code, {}); // it has said why
            }
            out.u32(bytes.version);
            out.bytes(bytes.data);
            out.array(std::span<const int32_t>(part.inputs));
            out.array(std::span<const int32_t>(part.outputs));
            return bytes.runtime;
        }
        invalid("no part has the tactic '", name, "'");
    }

    std::unique_ptr<module::Provider> mInner;
};

} // namespace

std::vector<Part> partsOf(const module::GraphView& body) {
    std::vector<size_t> firstOf(body.nodeCount()); // by node: the first node of its part
    std::map<int32_t, size_t> makers;
    for (size_t n = 0; n < body.nodeCount(); ++n) {
        const module::NodeView node = body.node(n);
        firstOf[n] = n;
        for (int32_t i = 0; i < node.inputCount(); ++i) {
            if (const auto made = makers.find(node.inputIndex(i)); made != makers.end()) {
                // What meets here is one part.
                const size_t first = std::min(firstOf[n], firstOf[made->second]);
                const size_t later = std::max(firstOf[n], firstOf[made->second]);
                std::replace(firstOf.begin(), firstOf.begin() + static_cast<std::ptrdiff_t>(n) + 1, later, first);
            }
        }
        for (int32_t i = 0; i < node.outputCount(); ++i) {
            makers[node.outputIndex(i)] = n;
        }
    }
    std::map<size_t, std::vector<size_t>> nodes;
    for (size_t n = 0; n < firstOf.size(); ++n) {
        nodes[firstOf[n]].push_back(n);
    }
    std::vector<Part> parts;
    for (const auto& [first, own] : nodes) {
        parts.push_back(extract(body, own));
    }
    return parts;
}

std::unique_ptr<module::Provider> withSiblings(std::unique_ptr<module::Provider> inner) {
    return std::make_unique<SiblingsProvider>(std::move(inner));
}

} // namespace tenon::nvidia
