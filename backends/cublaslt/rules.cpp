#include "backends/cublaslt/rules.h"

#include "backends/cublaslt/hopper_table.h"
#include "tenon/module/result.hpp"

#include <algorithm>
#include <span>

namespace tenon::cublaslt {

namespace {

struct Field {
    uint32_t Config::*member;
    uint32_t shift;
    uint32_t bits;
};

constexpr Field kFields[] = {
    {&Config::algorithm, 8, 10}, {&Config::tile, 18, 10},     {&Config::stages, 28, 7},
    {&Config::splitK, 35, 6},    {&Config::reduction, 41, 3}, {&Config::swizzle, 44, 2},
    {&Config::cluster, 46, 6},   {&Config::inner, 52, 3},     {&Config::custom, 55, 8},
};

constexpr uint32_t kMostSplits = 32;
constexpr size_t kMostWritten = 16;

int64_t ceilDiv(int64_t a, int64_t b) { return (a + b - 1) / b; }

// What the machine is busy with when every tile counts in full: whole waves of tiles, and small tiles, which read their operands more often.
// `rows` and `columns` are the library's: it computes our result transposed.
double costOf(const HopperConfig& config, int64_t rows, int64_t columns, int64_t batch, int64_t split) {
    constexpr int64_t kMultiprocessors = 132;
    const int64_t tiles = ceilDiv(rows, config.rows) * ceilDiv(columns, config.columns) * batch * split;
    const auto waves = static_cast<double>(ceilDiv(tiles, kMultiprocessors));
    const auto area = static_cast<double>(config.rows * config.columns);
    const double reads = 1 + 48.0 * static_cast<double>(config.rows + config.columns) / area;
    return waves * area * reads / static_cast<double>(split);
}

} // namespace

uint64_t idOf(const Rule& rule) {
    uint64_t id = (rule.tf32 ? 1U : 0U) | (rule.written ? 2U : 0U) | (rule.stacked ? 4U : 0U);
    if (!rule.written) {
        return id | uint64_t{rule.rank} << 8 | uint64_t{rule.splitK} << 16;
    }
    for (const Field& field : kFields) {
        id |= uint64_t{rule.config.*field.member & ((1U << field.bits) - 1)} << field.shift;
    }
    return id;
}

bool ruleOf(uint64_t id, Rule& rule) {
    rule = {};
    rule.tf32 = (id & 1) != 0;
    rule.written = (id & 2) != 0;
    rule.stacked = (id & 4) != 0;
    if (!rule.written) {
        rule.rank = static_cast<uint32_t>(id >> 8 & 0xFF);
        rule.splitK = static_cast<uint32_t>(id >> 16 & 0xFF);
        rule.config = {};
        return rule.rank < kMostRanks && rule.splitK <= kMostSplits && idOf(rule) == id;
    }
    for (const Field& field : kFields) {
        rule.config.*field.member = static_cast<uint32_t>(id >> field.shift & ((1U << field.bits) - 1));
    }
    return rule.config.splitK >= 1 && idOf(rule) == id;
}

std::string nameOf(const Rule& rule) {
    std::string name = rule.tf32 ? "tf32:" : "";
    name += rule.stacked ? "stacked:" : "";
    if (!rule.written) {
        name += module::text("heuristic", rule.rank);
        return rule.splitK == 0 ? name : module::text(name, "/splitk", rule.splitK);
    }
    const Config& config = rule.config;
    name += module::text("algo", config.algorithm, "/tile", config.tile, "/stages", config.stages);
    name += config.cluster == 0 ? "" : module::text("/cluster", config.cluster);
    name += config.splitK == 1 ? "" : module::text("/splitk", config.splitK, "r", config.reduction);
    name += config.swizzle == 0 ? "" : module::text("/swizzle", config.swizzle);
    name += config.inner == 0 ? "" : module::text("/inner", config.inner);
    return config.custom == 0 ? name : module::text(name, "/custom", config.custom);
}

std::vector<Rule> rulesFor(int64_t sm, int elementBits, bool tf32, int64_t m, int64_t n, int64_t k, int64_t batch) {
    std::vector<Rule> rules;
    Rule rule;
    rule.tf32 = tf32;
    for (rule.rank = 0; rule.rank < kMostRanks; ++rule.rank) {
        rules.push_back(rule);
    }
    // Few tiles leave multiprocessors idle: pieces of K give them work.
    rule.rank = 0;
    const int64_t tiles = ceilDiv(m, 128) * ceilDiv(n, 128) * batch;
    for (const uint32_t split : {2U, 3U, 4U, 6U, 8U, 12U, 16U}) {
        if (tiles * split <= 2 * 132 && k / split >= 128) {
            rule.splitK = split;
            rules.push_back(rule);
        }
    }
    if (sm != 90) {
        return rules;
    }
    std::span<const HopperConfig> table;
    if (elementBits <= 16) {
        table = kHopper16;
    } else if (tf32) {
        table = kHopperTf32;
    }
    std::vector<std::pair<double, Rule>> written;
    for (const HopperConfig& config : table) {
        for (const uint32_t split : {1U, 2U, 4U}) {
            if (split > 1 && (tiles * split > 132 || k / split < 256)) {
                continue;
            }
            Rule each;
            each.tf32 = tf32;
            each.written = true;
            each.config.algorithm = config.algorithm;
            each.config.tile = config.tile;
            each.config.stages = config.stages;
            each.config.custom = config.custom;
            each.config.cluster = config.cluster;
            each.config.splitK = split;
            each.config.reduction = split > 1 ? CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE : CUBLASLT_REDUCTION_SCHEME_NONE;
            written.emplace_back(costOf(config, n, m, batch, split), each);
        }
    }
    std::stable_sort(written.begin(), written.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
    for (size_t i = 0; i < std::min(written.size(), kMostWritten); ++i) {
        rules.push_back(written[i].second);
    }
    return rules;
}

} // namespace tenon::cublaslt
