// The selection problem and its answer, in plain ids and numbers.
//
// Who uses it: the scheduler fills a SelectionProblem from the graph, its regions and their timed candidates; the
// selector (selector.h) answers with a Selection; tests and benchmarks generate problems.
// What it must not know: IR nodes, tactics, layouts, devices. A format key is a small integer that means something to
// the caller alone.
//
// Everything here is plain data: copyable, owned by whoever holds it, safe to read from several threads.
#pragma once

#include <cstdint>
#include <functional>
#include <limits>
#include <string>
#include <utility>
#include <vector>

namespace tenon::schedule {

// As the format of an input port: this candidate does not read the value at all.
inline constexpr int32_t kNotRead = -1;

// No conversion exists, or no bound is known.
inline constexpr double kUnreachable = std::numeric_limits<double>::infinity();

struct ValueUse {
    int32_t node = 0;
    int32_t useIndex = 0;
};

struct FormatCost {
    int32_t format = 0;
    double cost = 0.0;
};

// An edge bundle of the graph. Its format keys are 0 .. formatCount-1; a key means layout, data type and placement.
struct SelectionValue {
    int32_t producer = -1; // node, or -1 for a graph input
    std::vector<ValueUse> uses;
    int32_t formatCount = 0;
    // formatCount x formatCount, row = from, column = to, >= 0, kUnreachable where no single conversion exists.
    // Need not be metric: the selector takes shortest paths. Empty: no conversion at all.
    std::vector<double> conversionCosts;
    // Graph inputs only: the formats the value may arrive in, and what asking for that format costs.
    std::vector<FormatCost> inputFormats;
    bool graphOutput = false;
    std::vector<int32_t> outputFormats; // graph outputs only: the allowed formats; empty allows every format
    std::string name;                   // for messages; may be empty
};

struct PortFormat {
    int32_t value = 0;
    int32_t format = 0;
};

// One way to execute a region. `inputs` names every value that the region reads from outside, once, whatever number of
// members read it (kNotRead if this candidate does without). `outputs` names every value that is produced inside and
// used outside, or is a graph output. Further entries in `outputs` are ignored.
struct SelectionCandidate {
    int32_t id = 0; // unique in the problem
    double cost = 0.0;
    std::vector<PortFormat> inputs;
    std::vector<PortFormat> outputs;
};

// A set of nodes that some provider executes as one. Two regions may have the same nodes. A region that is not convex
// can stand in no acyclic plan and is ignored.
struct SelectionRegion {
    int32_t id = 0; // unique in the problem
    std::vector<int32_t> nodes;
    std::vector<SelectionCandidate> candidates;
};

struct SelectionProblem {
    int32_t nodeCount = 0;              // nodes are numbered in a topological order
    std::vector<std::string> nodeNames; // for messages; empty or one per node
    std::vector<SelectionValue> values; // the value id is the position
    std::vector<SelectionRegion> regions;
    // Further "first runs before second" edges (effects, aliases); they count in convexity and acyclicity alone.
    std::vector<std::pair<int32_t, int32_t>> orderEdges;
    // Sets of candidate ids that must not all be chosen together.
    std::vector<std::vector<int32_t>> noGoods;
};

struct SelectionOptions {
    // Escalating limits on the rows of a table. Empty: go straight to the fallback.
    std::vector<int64_t> rowBudgets = {20'000, 200'000};
    // Limit on the work (about one per table cell visited) that the fallback and the larger budgets may take after the
    // first budget did not do. A thousand million is a few seconds.
    int64_t workLimit = 1'000'000'000;
    // How often contracted cycles may be forbidden and the problem solved again.
    int32_t maxRounds = 64;
    // Asked now and then from the calling thread; true stops the solve with Code::kCancelled.
    std::function<bool()> cancelled;
};

struct ChosenCandidate {
    int32_t region = 0;
    int32_t candidate = 0;
};

struct FormatConversion {
    int32_t from = 0;
    int32_t to = 0;
    double cost = 0.0;
};

struct RegionRead {
    int32_t region = 0;
    int32_t format = 0;
};

// A value that exists in memory in the chosen plan. Inner values of chosen regions do not appear.
struct MaterialisedValue {
    int32_t value = 0;
    int32_t producedFormat = 0;
    std::vector<int32_t> formats;              // every materialised format, ascending, intermediate ones included
    std::vector<FormatConversion> conversions; // single conversions in an order that can be executed
    std::vector<RegionRead> reads;             // by region id
    int32_t outputFormat = -1;                 // graph outputs only: the format handed out
};

enum class SelectionMethod : int32_t {
    kElimination, // exact
    kFallback,    // greedy cover, improved by exact windows
};

struct SelectionStatistics {
    SelectionMethod method = SelectionMethod::kElimination;
    int32_t rounds = 0;         // solves, the first included
    int32_t cycleNoGoods = 0;   // contracted cycles forbidden on the way
    int32_t attempts = 0;       // eliminations tried over all rounds, budgets and orders
    int32_t variables = 0;      // of the last encoding
    int64_t tableRows = 0;      // of the last encoding, all tables together
    int64_t largestTable = 0;   // rows of the largest table of the elimination that succeeded
    int64_t joinedRows = 0;     // row pairs formed in all attempts
    int64_t work = 0;           // table cells visited, roughly
    int32_t keptCandidates = 0; // after dominance
    double lowerBound = 0.0;    // no plan is cheaper; equals the total when proven
    double milliseconds = 0.0;  // wall time; the only field that differs between equal runs
    std::string order;          // elimination order that succeeded
};

struct Selection {
    std::vector<ChosenCandidate> chosen;   // by smallest node of the region
    std::vector<int32_t> regionOfNode;     // index into `chosen`, per node
    std::vector<MaterialisedValue> values; // by value id
    double totalCost = 0.0;                // candidates + conversions + graph input formats
    bool proven = false;                   // totalCost is the optimum
    SelectionStatistics statistics;
};

} // namespace tenon::schedule
