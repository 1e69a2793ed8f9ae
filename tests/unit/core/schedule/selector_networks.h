// Selection problems shaped like real networks, with synthetic costs: for the selector's tests and benchmarks.
//
// Costs come from work, bytes, launches and deterministic noise; regions overlap as fusion patterns do. Equal arguments
// give equal problems on every machine.
#pragma once

#include "core/schedule/selection_problem.h"

#include <cstdint>
#include <string>
#include <vector>

namespace tenon::schedule::testing {

/// Reproducible pseudo-random numbers, independent of the standard library's distributions.
class Random {
public:
    explicit Random(uint64_t seed) : mState(seed) {}
    uint64_t next();
    int32_t below(int32_t count) { return static_cast<int32_t>(next() % static_cast<uint64_t>(count)); }
    double unit() { return static_cast<double>(next() >> 11) * 0x1.0p-53; }
    bool chance(double probability) { return unit() < probability; }

private:
    uint64_t mState;
};

enum class NodeKind { kHeavy, kPointwise, kReduce, kData };

/// Collects nodes, values and regions; finish() invents candidates and conversions.
class NetworkSketch {
public:
    /// `formats` per value; 1 to 8.
    NetworkSketch(int32_t formats, uint64_t seed) : mFormats(formats), mSeed(seed) {}

    int32_t input(const std::string& name, double bytes);
    /// Adds a node with one output and returns that value.
    int32_t node(NodeKind kind, const std::string& name, const std::vector<int32_t>& inputs, double work, double bytes);
    void output(int32_t value);
    int32_t nodeOf(int32_t value) const { return mProblem.values[static_cast<size_t>(value)].producer; }
    int32_t lastNode() const { return mProblem.nodeCount - 1; }
    int32_t nodeCount() const { return mProblem.nodeCount; }
    NodeKind kindOf(int32_t node) const { return mKinds[static_cast<size_t>(node)]; }

    void region(std::vector<int32_t> nodes);
    void regionOfValues(const std::vector<int32_t>& values);
    /// Every connected set of up to `size` nodes of these kinds.
    void connectedRegions(int32_t size, const std::vector<NodeKind>& kinds);

    SelectionProblem finish();

private:
    void addCandidates(SelectionRegion& region, double work, double innerBytes, bool heavy);

    SelectionProblem mProblem;
    std::vector<NodeKind> mKinds;
    std::vector<double> mWork;
    std::vector<double> mBytes; // per value
    std::vector<std::vector<int32_t>> mRegions;
    int32_t mFormats;
    uint64_t mSeed;
    int32_t mNextCandidate = 0;
};

SelectionProblem chainNetwork(int32_t nodes, int32_t window, int32_t formats = 6);
SelectionProblem resNet50(int32_t formats = 6);
SelectionProblem bert(int32_t layers, int32_t formats = 6, bool sharedMask = true);
SelectionProblem uNet(int32_t formats = 8);
SelectionProblem fpnPanDetector(int32_t formats = 8);
SelectionProblem inception(int32_t formats = 8);
SelectionProblem denseNet(int32_t blocks, int32_t layers, int32_t formats = 6);

/// Graphs without a narrow cut: the exact stage is meant to fail on them.
SelectionProblem pairedChains(int32_t length, int32_t maxOffset, int32_t formats = 6);
SelectionProblem tangledNetwork(int32_t nodes, uint64_t seed, int32_t formats = 6);

} // namespace tenon::schedule::testing
