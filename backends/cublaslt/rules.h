// How a tactic picks its algorithm: a rank in cuBLASLt's own list, that with another split of K, or a configuration written out.
//
// Who uses it: provider.cpp offers rules, their numbers are the tactics' ids, runtime.cpp follows them. A rule is the same on every machine,
// with or without a device, so that timings can name it. What it must not know: the library's objects.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace tenon::cublaslt {

// The fields of a cublasLtMatmulAlgo_t, as CUBLASLT_ALGO_CONFIG_* has them.
struct Config {
    uint32_t algorithm = 0;
    uint32_t tile = 0;
    uint32_t stages = 0;
    uint32_t splitK = 1;
    uint32_t reduction = 0;
    uint32_t swizzle = 0;
    uint32_t cluster = 0;
    uint32_t inner = 0;
    uint32_t custom = 0;

    bool operator==(const Config&) const = default;
};

struct Rule {
    bool tf32 = false;
    bool stacked = false; // products of one operand as one batch
    bool written = false; // `config` counts, not `rank` and `splitK`
    uint32_t rank = 0;    // in the list of the heuristics at the optimal extents
    uint32_t splitK = 0;  // 0: as the heuristics say
    Config config;

    bool operator==(const Rule&) const = default;
};

inline constexpr uint32_t kMostRanks = 8;

uint64_t idOf(const Rule& rule);
// False where the number is none that idOf gives.
bool ruleOf(uint64_t id, Rule& rule);
std::string nameOf(const Rule& rule);

// What is worth timing for a product of these extents, best guess first; `elementBits` of the operands. `sm`: compute capability, 90 for 9.0.
std::vector<Rule> rulesFor(int64_t sm, int elementBits, bool tf32, int64_t m, int64_t n, int64_t k, int64_t batch);

} // namespace tenon::cublaslt
