// A small interpreter in doubles for the ops that golden graphs use: it folds constants for the passes under test, and it computes graphs before
// and after a pass to see whether they still say the same. Slow and plain on purpose; the real kernels are elsewhere.
#pragma once

#include "core/ir/graph.h"
#include "core/passes/pass.h"

#include <map>
#include <vector>

namespace tenon::golden {

struct Tensor {
    std::vector<int64_t> dims;
    std::vector<double> values;
};

// kUnsupported for an op that it does not know.
support::Result<std::vector<Tensor>> computeNode(const ir::Node& node, const std::vector<const Tensor*>& inputs,
                                                 const std::vector<int64_t>& symbols);
// Every value of a graph.
support::Result<std::map<const ir::Value*, Tensor>>
computeValues(const ir::Graph& graph, const std::vector<Tensor>& inputs, const std::vector<int64_t>& symbols);
// The outputs of a graph.
support::Result<std::vector<Tensor>> computeGraph(const ir::Graph& graph, const std::vector<Tensor>& inputs,
                                                  const std::vector<int64_t>& symbols);
// The extents of a type for these symbol values.
std::vector<int64_t> extentsOf(const ir::ExprPool& pool, const ir::TensorType& type,
                               const std::vector<int64_t>& symbols);

class SmallEvaluator final : public passes::Evaluator {
public:
    support::Result<std::vector<ir::ConstantPtr>> evaluate(const ir::Node& node) override;
};

} // namespace tenon::golden
