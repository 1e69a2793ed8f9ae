// Whether there is a device to ask: libraries of hundreds of megabytes are not opened on machines without one.
//
// Who uses it: providers of cublaslt and cudnn. What it must not know: a target.
#pragma once

#include <cstdint>

namespace tenon::nvidia {

// Compute capability of device 0 as 10 * major + minor; 0 where there is no driver or no device. Asks the driver once.
int64_t presentSm();

// A function of the driver by its exported name; null where there is no driver, or none of that name.
void* driverSymbol(const char* name);

} // namespace tenon::nvidia
