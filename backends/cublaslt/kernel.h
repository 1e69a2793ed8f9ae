// A compiled matmul: the task, the tactic's rule and ports, as bytes and as what runs.
//
// Who uses it: provider.cpp writes the bytes, module.cpp registers the runtime that reads them. What it must not know: choosing tactics.
#pragma once

#include "backends/cublaslt/product.h"
#include "tenon/module/module.hpp"

namespace tenon::cublaslt {

inline constexpr uint32_t kBlobVersion = 1;
inline constexpr int64_t kMostWorkspace = int64_t{32} << 20;

// Everything about a tactic that does not depend on real extents. `body` is owned by somebody else.
struct Compiled {
    module::GraphView body;
    std::vector<TnPortFormat> inputs;
    std::vector<TnPortFormat> outputs;
    Rule rule;
    int64_t workspaceLimit = 0;
    // Follow from the above.
    Matmul matmul;
    ProductTypes types;
    bool swappedB = false;

    // Fills in what follows; throws Failure where the ports are none that this module offers.
    void complete();
};

module::BlobWriter writeBlob(const Compiled& compiled);

std::unique_ptr<module::KernelRuntime> makeRuntime(std::shared_ptr<LtApi> api);

// The one class of states: launch is a direct call.
class MatmulState;

} // namespace tenon::cublaslt
