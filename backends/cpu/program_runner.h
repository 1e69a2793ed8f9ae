// The plan of a pointwise program for given extents: what happens for each tile, and how tiles lie in the operands.
//
// Who uses it: program.cpp makes and runs it, program_scheduler.cpp fills in its actions. What it must not know: ops, tactics.
#pragma once

#include "backends/common/strided.h"
#include "backends/cpu/program_compiler.h"

#include <vector>

namespace tenon::cpu {

// Where one port's elements are, in the loop's terms.
struct Operand {
    TnDataType dtype = TN_F32;
    ElementClass type = ElementClass::kFloat;
    int64_t rowStride = 0;
    int64_t columnStride = 0;
    bool scalar = false; // one element for the whole loop
};

enum class ActionKind : uint8_t { kPoint, kLoad, kStep, kStore };

// One thing that happens for each tile, in order.
struct Action {
    ActionKind kind = ActionKind::kStep;
    int32_t port = -1;       // of kPoint, kLoad (input) and kStore (output)
    int32_t target = -1;     // virtual register
    int32_t slot = -1;       // where the register lives; -1: in an output's or input's own memory
    int32_t outputPort = -1; // of kStep: write straight into this output
    ProgramStep step;
    StepFunction function = nullptr;
    bool scalarB = false;
    bool repeats =
        false; // of kLoad: one row for all rows of a tile, in a slot of its own, where it stays for the next tile
};

struct Runner {
    StridedLoop loop; // operand 0: outputs; then the inputs
    int64_t columns = 1;
    int64_t rows = 1;
    int64_t outer = 1;
    int64_t tileColumns = 1;
    int64_t tileRows = 1;
    int64_t rowTiles = 1;
    int64_t columnTiles = 1;
    int64_t slotBytes = 0;
    int32_t slots = 0;
    int32_t registers = 0;
    std::vector<Operand> inputs;
    std::vector<TnDataType> outputs;
    std::vector<Action> once; // loads of scalars
    std::vector<Action> actions;

    int64_t tiles() const { return outer * rowTiles * columnTiles; }
    void run(const Buffers& b, std::byte* scratch, int64_t firstTile, int64_t lastTile) const;
};

// True when registers hold the type as memory does.
bool isNatural(TnDataType dtype);

} // namespace tenon::cpu
