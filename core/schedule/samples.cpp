#include "core/schedule/samples.h"

#include <algorithm>
#include <cmath>

#include <sys/resource.h>

namespace tenon::schedule {

double summarize(std::vector<double> samples, TimingRecord& record) {
    std::sort(samples.begin(), samples.end());
    const size_t n = samples.size();
    record.us = samples[n / 4];
    record.spread = record.us > 0 ? (samples[n / 2] - record.us) / record.us : 0;
    record.samples = static_cast<int32_t>(n);
    return 2.02 * record.spread / std::sqrt(static_cast<double>(n));
}

int64_t preemptions() {
    rusage usage{};
    getrusage(RUSAGE_SELF, &usage);
    return usage.ru_nivcsw;
}

} // namespace tenon::schedule
