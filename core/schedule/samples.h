// What repeated measurements say, and whether other work was in between.
// Used by whoever times: tactics, whole plans. Knows numbers only.
#pragma once

#include "core/schedule/timing_cache.h"

#include <cstdint>
#include <vector>

namespace tenon::schedule {

// The lower quartile of the samples as their time, into `record` with its spread and their number, and its standard error over it. Other work on the
// machine only ever adds time, so the upper half says more about that work than about what is measured. Of a normal distribution
// sigma = (p50 - p25) / 0.674, and the standard error of p25 is 1.363 sigma / sqrt n. Precondition: at least one sample.
double summarize(std::vector<double> samples, TimingRecord& record);

// How often other work took a processor from a thread of this process. A team of which one thread has to wait waits as a whole.
int64_t preemptions();

} // namespace tenon::schedule
