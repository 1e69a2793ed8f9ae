// What must wait for what where a program runs on the host and on devices.
// Used by loadProgram. Knows steps, tensors and placements; no stream, no kernel.
//
// Steps of one device are ordered by its stream, steps of the host by the thread that issues them. Between the two there is host memory: a copy,
// or a kernel with a port there, that was issued and is not done yet. A step that touches those bytes in a conflicting way from elsewhere first
// waits for that stream. Everything else overlaps.
#pragma once

#include "core/runtime/loaded_program.h"

namespace tenon::runtime {

/// Fills in ProgramStep::waits, Segment::waits, devicesUsed and recordingRefusal. A run may follow another whose device work is not done: the
/// waits hold for that too.
void orderDevices(LoadedProgram& program);

} // namespace tenon::runtime
