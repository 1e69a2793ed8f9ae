#include "tests/unit/core/schedule/selector_networks.h"

#include <algorithm>
#include <set>

namespace tenon::schedule::testing {
namespace {

constexpr double kLaunch = 3.0;            // microseconds
constexpr double kBytesPerUnit = 200'000;  // per microsecond
constexpr double kWorkPerUnit = 1'000'000; // per microsecond
constexpr int32_t kTacticsPerSignature = 3;

uint64_t mix(uint64_t a, uint64_t b) {
    uint64_t x = a * 0x9E3779B97F4A7C15ull + b;
    x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9ull;
    x = (x ^ (x >> 27)) * 0x94D049BB133111EBull;
    return x ^ (x >> 31);
}

// Even formats are 32-bit, odd ones 16-bit; format / 2 is the layout.
double width(int32_t format) { return format % 2 == 0 ? 1.0 : 0.5; }

} // namespace

uint64_t Random::next() {
    mState += 0x9E3779B97F4A7C15ull;
    return mix(mState, 0x5851F42D4C957F2Dull);
}

int32_t NetworkSketch::input(const std::string& name, double bytes) {
    SelectionValue value;
    value.name = name;
    value.formatCount = mFormats;
    value.inputFormats = {{0, 0.0}};
    mProblem.values.push_back(value);
    mBytes.push_back(bytes);
    return static_cast<int32_t>(mProblem.values.size()) - 1;
}

int32_t NetworkSketch::node(NodeKind kind, const std::string& name, const std::vector<int32_t>& inputs, double work,
                            double bytes) {
    const int32_t node = mProblem.nodeCount++;
    mProblem.nodeNames.push_back(name);
    mKinds.push_back(kind);
    mWork.push_back(work);
    for (size_t i = 0; i < inputs.size(); ++i) {
        mProblem.values[static_cast<size_t>(inputs[i])].uses.push_back({node, static_cast<int32_t>(i)});
    }
    SelectionValue value;
    value.name = name + ":0";
    value.producer = node;
    value.formatCount = mFormats;
    mProblem.values.push_back(value);
    mBytes.push_back(bytes);
    return static_cast<int32_t>(mProblem.values.size()) - 1;
}

void NetworkSketch::output(int32_t value) {
    mProblem.values[static_cast<size_t>(value)].graphOutput = true;
    mProblem.values[static_cast<size_t>(value)].outputFormats = {0};
}

void NetworkSketch::region(std::vector<int32_t> nodes) {
    std::sort(nodes.begin(), nodes.end());
    mRegions.push_back(std::move(nodes));
}

void NetworkSketch::regionOfValues(const std::vector<int32_t>& values) {
    std::vector<int32_t> nodes;
    for (int32_t value : values) {
        nodes.push_back(nodeOf(value));
    }
    region(std::move(nodes));
}

void NetworkSketch::connectedRegions(int32_t size, const std::vector<NodeKind>& kinds) {
    std::vector<std::vector<int32_t>> neighbours(static_cast<size_t>(mProblem.nodeCount));
    auto wanted = [&](int32_t node) { return std::find(kinds.begin(), kinds.end(), kindOf(node)) != kinds.end(); };
    for (const SelectionValue& value : mProblem.values) {
        for (const ValueUse& use : value.uses) {
            if (value.producer >= 0 && wanted(value.producer) && wanted(use.node)) {
                neighbours[static_cast<size_t>(value.producer)].push_back(use.node);
                neighbours[static_cast<size_t>(use.node)].push_back(value.producer);
            }
        }
    }
    std::set<std::vector<int32_t>> current;
    for (int32_t node = 0; node < mProblem.nodeCount; ++node) {
        if (wanted(node)) {
            current.insert({node});
        }
    }
    for (int32_t step = 1; step < size; ++step) {
        std::set<std::vector<int32_t>> larger;
        for (const std::vector<int32_t>& nodes : current) {
            for (int32_t node : nodes) {
                for (int32_t next : neighbours[static_cast<size_t>(node)]) {
                    std::vector<int32_t> grown = nodes;
                    const auto at = std::lower_bound(grown.begin(), grown.end(), next);
                    if (at == grown.end() || *at != next) {
                        grown.insert(at, next);
                        larger.insert(std::move(grown));
                    }
                }
            }
        }
        mRegions.insert(mRegions.end(), larger.begin(), larger.end());
        current = std::move(larger);
    }
}

SelectionProblem NetworkSketch::finish() {
    for (size_t v = 0; v < mProblem.values.size(); ++v) {
        SelectionValue& value = mProblem.values[v];
        const double full = mBytes[v] / kBytesPerUnit;
        for (int32_t from = 0; from < mFormats; ++from) {
            for (int32_t to = 0; to < mFormats; ++to) {
                const bool twoSteps = from % 2 != to % 2 && from / 2 != to / 2; // layout and type: one at a time
                const double cost = from == to ? 0.0 : kLaunch + full * (width(from) + width(to));
                value.conversionCosts.push_back(twoSteps ? kUnreachable : cost);
            }
        }
    }
    for (int32_t node = 0; node < mProblem.nodeCount; ++node) {
        mRegions.push_back({node});
    }
    std::sort(mRegions.begin(), mRegions.end());
    mRegions.erase(std::unique(mRegions.begin(), mRegions.end()), mRegions.end());
    for (const std::vector<int32_t>& nodes : mRegions) {
        SelectionRegion region;
        region.id = static_cast<int32_t>(mProblem.regions.size());
        region.nodes = nodes;
        double work = 0.0;
        bool heavy = false;
        for (int32_t node : nodes) {
            work += mWork[static_cast<size_t>(node)];
            heavy = heavy || kindOf(node) == NodeKind::kHeavy;
        }
        addCandidates(region, work, 0.0, heavy);
        mProblem.regions.push_back(std::move(region));
    }
    return std::move(mProblem);
}

// All ports in one format; or one output format per input format changed; or one further input in another format.
void NetworkSketch::addCandidates(SelectionRegion& region, double work, double innerBytes, bool heavy) {
    std::vector<int32_t> inputs;
    std::vector<int32_t> outputs;
    auto inside = [&](int32_t node) { return std::binary_search(region.nodes.begin(), region.nodes.end(), node); };
    for (size_t v = 0; v < mProblem.values.size(); ++v) {
        const SelectionValue& value = mProblem.values[v];
        const bool usedInside =
            std::any_of(value.uses.begin(), value.uses.end(), [&](const ValueUse& use) { return inside(use.node); });
        const bool usedOutside =
            std::any_of(value.uses.begin(), value.uses.end(), [&](const ValueUse& use) { return !inside(use.node); });
        const bool made = value.producer >= 0 && inside(value.producer);
        if (!made && usedInside) {
            inputs.push_back(static_cast<int32_t>(v));
        } else if (made && (usedOutside || value.graphOutput)) {
            outputs.push_back(static_cast<int32_t>(v));
        }
    }
    Random random(mix(mSeed, static_cast<uint64_t>(region.id)));
    std::vector<double> taste; // how well this region runs in each format
    for (int32_t f = 0; f < mFormats; ++f) {
        taste.push_back(0.75 + 0.5 * random.unit());
    }
    auto add = [&](int32_t compute, const std::vector<int32_t>& in, const std::vector<int32_t>& out, double factor) {
        double bytes = innerBytes;
        SelectionCandidate candidate;
        for (size_t i = 0; i < inputs.size(); ++i) {
            candidate.inputs.push_back({inputs[i], in[i]});
            bytes += mBytes[static_cast<size_t>(inputs[i])] * width(in[i]);
        }
        for (size_t i = 0; i < outputs.size(); ++i) {
            candidate.outputs.push_back({outputs[i], out[i]});
            bytes += mBytes[static_cast<size_t>(outputs[i])] * width(out[i]);
        }
        const double speed = heavy ? width(compute) * (compute / 2 == 0 ? 1.3 : 1.0) : 1.0;
        const double time =
            kLaunch +
            (work / kWorkPerUnit * speed * taste[static_cast<size_t>(compute)] + bytes / kBytesPerUnit) * factor;
        for (int32_t tactic = 0; tactic < kTacticsPerSignature; ++tactic) {
            candidate.id = mNextCandidate++;
            candidate.cost = time * (1.0 + 0.15 * random.unit());
            region.candidates.push_back(candidate);
        }
    };
    for (int32_t f = 0; f < mFormats; ++f) {
        add(f, std::vector<int32_t>(inputs.size(), f), std::vector<int32_t>(outputs.size(), f), 1.0);
        for (int32_t g = 0; g < mFormats; ++g) {
            if (g != f && random.chance(0.3)) {
                add(f, std::vector<int32_t>(inputs.size(), f), std::vector<int32_t>(outputs.size(), g), 1.05);
            }
        }
        if (inputs.size() > 1) {
            std::vector<int32_t> in(inputs.size(), f);
            in[static_cast<size_t>(random.below(static_cast<int32_t>(inputs.size())))] = random.below(mFormats);
            add(f, in, std::vector<int32_t>(outputs.size(), f), 1.02);
        }
    }
}

} // namespace tenon::schedule::testing
