// Chains as oneDNN primitives: which layouts a task may have, and the primitive for given shapes.
//
// Who uses it: module.cpp. What it must not know: how kernels are stored or found.
#pragma once

#include "backends/common/task_kernel.h"
#include "backends/onednn/chain.h"
#include "backends/onednn/layouts.h"
#include "backends/onednn/packing.h"

#include <memory>
#include <string>
#include <vector>

namespace tenon::onednn {

// Ports of one way to run a task, with the name of oneDNN's implementation.
struct Variant {
    std::string name;
    std::vector<TnPortFormat> inputs;
    std::vector<TnPortFormat> outputs;
    int32_t mayAlias = -1; // the input whose memory the result may take over
};

// What is worth timing at these shapes, for source and result of element type `type`. Layouts of weights that have no name of ours go to the table,
// reasons for what was dropped to `dropped`.
std::vector<Variant> variantsOf(const module::TaskView& task, const Chain& chain, TnDataType type, int threads,
                                PackingTable& table, std::vector<std::string>& dropped);

class OneDnnPlanner final : public kernels::Planner {
public:
    explicit OneDnnPlanner(std::shared_ptr<PackingTable> packings) : mPackings(std::move(packings)) {}
    void check(const kernels::Task& task) const override;
    kernels::TaskPlan plan(const kernels::Task& task, const kernels::PortShapes& shapes) const override;

private:
    std::shared_ptr<PackingTable> mPackings;
};

} // namespace tenon::onednn
