// A verdict about a tactic as JSON, as timing caches and ledgers hold it.
// Used by timing_cache and ledger, whose documents order their keys differently.
#pragma once

#include "core/schedule/timing_cache.h"

#include <nlohmann/json.hpp>

namespace tenon::schedule {

// What is compared at its optimum alone, as every task of static extents is.
inline const std::map<std::string, std::string> kAtOptimum = {{"optimum", ""}};

template <class Json>
Json verdictJson(const VerifiedRecord& verified) {
    Json json = {{"max_abs", verified.maxAbs}, {"max_rel", verified.maxRel}, {"module", verified.module}};
    if (verified.at != kAtOptimum) {
        json["at"] = verified.at;
    }
    return json;
}

// Throws Json::exception where something is missing or of another type.
template <class Json>
VerifiedRecord verdictOf(const Json& json) {
    return {json.at("max_abs").template get<double>(), json.at("max_rel").template get<double>(),
            json.value("module", ""), json.value("at", kAtOptimum)};
}

} // namespace tenon::schedule
