// Orders the work of a tile and gives registers places: loads come right before their first use, and a place is free again after the last.
// Used by program.cpp alone.
#pragma once

#include "backends/cpu/program_runner.h"

namespace tenon::cpu {

// Fills in the runner's actions and counts; its operands and tiles are known.
void scheduleProgram(const CompiledProgram& program, Runner& runner);

} // namespace tenon::cpu
