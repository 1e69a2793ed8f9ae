// What a module offers for a task.
// Used by the conformance runner. Knows no core header.
#pragma once

#include "tests/conformance/loaded_module.h"
#include "tests/conformance/task_builder.h"

#include <cstdint>
#include <string>
#include <vector>

namespace tenon::conformance {

// A tactic that outlives the call that offered it.
struct KeptTactic {
    const TnTacticProvider* provider = nullptr;
    uint64_t id = 0;
    std::string name;
    std::vector<TnPortFormat> inputs;
    std::vector<TnPortFormat> outputs;
    TnTraits traits = 0;
    std::vector<int32_t> mayAlias;

    TnTactic table() const;
};

struct Refusal {
    TnCode code = TN_OK;
    std::string reason;
};

// What the module's first provider says of a task: TN_OK, or a code with its reason.
Refusal supportOf(const ModuleTables& tables, const TnTask& task);
// All tactics of all providers of a module; where there are none, why.
std::vector<KeptTactic> tacticsOf(const ModuleTables& tables, const TnTask& task, int threads, Refusal& refusal);

// What providers of the module are asked for: the host, or a device.
TnTarget targetOf(const ModuleTables& tables, int threads);

} // namespace tenon::conformance
