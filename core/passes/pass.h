// What a pass is and what it is given. A pass rewrites a graph into one that computes the same; it never fuses what kernels should compete for
// (that is region.h). One file per pass, one golden file per pass (tests/golden/passes/<name>.tir).
// Knows IR and op definitions; no module, no target, no kernel.
#pragma once

#include "core/ir/graph.h"
#include "core/ops/op_registry.h"
#include "core/support/log.h"
#include "core/support/status.h"

#include <map>
#include <set>
#include <string_view>
#include <vector>

namespace tenon::passes {

// Computes nodes whose inputs are constants. Implemented by the scheduler over reference kernels.
class Evaluator {
public:
    virtual ~Evaluator() = default;
    // One constant per output. kUnsupported: the node stays as it is.
    virtual support::Result<std::vector<ir::ConstantPtr>> evaluate(const ir::Node& node) = 0;
};

struct PassContext {
    ir::Graph& graph;
    const ops::OpRegistry& ops;
    // Where derivations of folded constants go, with the pool of `graph`; null: they are forgotten. After runPipeline its outputs are the
    // derived constants that `graph` uses, under the same names; its const nodes are source constants.
    ir::Graph* weights = nullptr;
    Evaluator* evaluator = nullptr; // null: only what contents tell is folded
    support::Logger log = support::defaultLogger();

    // By value id of a const in `graph`: the value of `weights` that it is. Kept by constant_fold.
    std::map<int32_t, ir::Value*> derivations = {};
    // Ids of nodes that the evaluator could not compute: it is not asked again.
    std::set<int32_t> unfoldable = {};
    // Ids of nodes that dequantize weights which no kernel wants as integers: they are folded as others are.
    std::set<int32_t> unwantedIntegers = {};
};

// True if the graph changed. An error is a bug of ours or a graph that inference refuses; the graph is then not to be used.
using PassFunction = support::Result<bool> (*)(PassContext& context);

struct Pass {
    std::string_view name; // as in `tenon opt --pass=NAME`
    std::string_view doc;  // one line
    PassFunction run;
    bool computesWeights = false; // what it makes of constants must be folded: of no use without an evaluator
    bool inPipeline = true;       // else the build asks for it
};

// One per file.
support::Result<bool> inferTypes(PassContext& context);
support::Result<bool> widenHalves(PassContext& context);
support::Result<bool> shapeOperands(PassContext& context);
support::Result<bool> canonicalize(PassContext& context);
support::Result<bool> lowerEinsum(PassContext& context);
support::Result<bool> constantFold(PassContext& context);
support::Result<bool> shapeSimplify(PassContext& context);
support::Result<bool> commonSubexpressions(PassContext& context);
support::Result<bool> deadCode(PassContext& context);
support::Result<bool> recogniseActivations(PassContext& context);
support::Result<bool> recogniseLayerNorm(PassContext& context);
support::Result<bool> recogniseNorms(PassContext& context);
support::Result<bool> recogniseSoftmax(PassContext& context);
support::Result<bool> foldPadding(PassContext& context);
support::Result<bool> foldBatchNorm(PassContext& context);
support::Result<bool> splitProducts(PassContext& context);
support::Result<bool> moveQuantization(PassContext& context);
support::Result<bool> attentionForm(PassContext& context);
support::Result<bool> transposeElimination(PassContext& context);
support::Result<bool> reshapeElimination(PassContext& context);
support::Result<bool> viewChains(PassContext& context);

} // namespace tenon::passes
