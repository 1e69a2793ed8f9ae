// The driver: whether there is a device to ask (libraries of hundreds of megabytes are not opened on machines without one), and its context.
//
// Who uses it: cublaslt and cudnn, branches. What it must not know: a target.
#pragma once

#include <cstdint>

namespace tenon::nvidia {

// Compute capability of device 0 as 10 * major + minor; 0 where there is no driver or no device. Asks the driver once.
int64_t presentSm();

// A function of the driver by its exported name; null where there is no driver, or none of that name.
void* driverSymbol(const char* name);

// Gives the calling thread a context where it has none, because it has called nothing of the CUDA runtime yet: the one that the runtime would give
// it, of device 0, which stays for as long as the process lives. False: the driver has none to give.
bool haveContext();

} // namespace tenon::nvidia
