#include "core/schedule/selector_diagnosis.h"

#include <algorithm>

namespace tenon::schedule {
namespace {

using support::cat;
using support::Code;
using support::makeError;
using support::okStatus;
using support::Status;

std::string list(const std::vector<uint8_t>& present) {
    std::string text;
    for (size_t f = 0; f < present.size(); ++f) {
        if (present[f] != 0) {
            text += cat(text.empty() ? "" : ", ", f);
        }
    }
    return text.empty() ? "none" : text;
}

// Formats that regions around `node` offer (output) or ask for (input) at its port for the value.
std::vector<uint8_t> formatsAt(const PreparedProblem& prepared, int32_t valueId, int32_t node, bool output) {
    std::vector<uint8_t> formats(static_cast<size_t>(prepared.values[static_cast<size_t>(valueId)].formatCount), 0);
    for (int32_t position : prepared.regionsOfNode[static_cast<size_t>(node)]) {
        const PreparedRegion& region = prepared.regions[static_cast<size_t>(position)];
        for (size_t p = 0; p < region.ports.size(); ++p) {
            if (region.ports[p].value != valueId || region.ports[p].output != output) {
                continue;
            }
            for (size_t c = 0; c < region.candidates.size(); ++c) {
                if (const int32_t format = region.formatsOf(c)[p]; format > 0) {
                    formats[static_cast<size_t>(format) - 1] = 1;
                }
            }
        }
    }
    return formats;
}

bool reachable(const PreparedValue& value, const std::vector<uint8_t>& from, const std::vector<uint8_t>& to) {
    for (size_t a = 0; a < from.size(); ++a) {
        for (size_t b = 0; b < to.size(); ++b) {
            if (from[a] != 0 && to[b] != 0 &&
                value.conversion(static_cast<int32_t>(a), static_cast<int32_t>(b)) < kUnreachable) {
                return true;
            }
        }
    }
    return false;
}

bool haveCommonRegion(const PreparedProblem& prepared, int32_t a, int32_t b) {
    const std::vector<int32_t>& one = prepared.regionsOfNode[static_cast<size_t>(a)];
    return std::any_of(one.begin(), one.end(),
                       [&](int32_t position) { return prepared.regions[static_cast<size_t>(position)].contains(b); });
}

// The first value whose producer and reader can neither be fused nor joined by any conversion.
Status checkEdges(const PreparedProblem& prepared) {
    for (size_t v = 0; v < prepared.values.size(); ++v) {
        const PreparedValue& value = prepared.values[v];
        const int32_t id = static_cast<int32_t>(v);
        std::vector<uint8_t> made(static_cast<size_t>(value.formatCount), 0);
        std::string maker = "arrives in";
        if (value.producer >= 0) {
            made = formatsAt(prepared, id, value.producer, true);
            maker = cat("comes from ", describeNode(*prepared.source, value.producer), " in");
        } else {
            for (size_t f = 0; f < made.size(); ++f) {
                made[f] = value.inputCost[f] < kUnreachable ? 1 : 0;
            }
        }
        auto explain = [&](const std::string& reader, const std::vector<uint8_t>& wanted) {
            return makeError(Code::kBuildFailed, describeValue(*prepared.source, id), " has no feasible format: it ",
                             maker, " format ", list(made), ", ", reader, " format ", list(wanted),
                             ", and no chain of conversions joins them. Provide a conversion, or a candidate with a "
                             "format that can be reached");
        };
        for (int32_t consumer : value.consumers) {
            const std::vector<uint8_t> wanted = formatsAt(prepared, id, consumer, false);
            const bool asked = std::find(wanted.begin(), wanted.end(), 1) != wanted.end();
            if (asked && !reachable(value, made, wanted) &&
                (value.producer < 0 || !haveCommonRegion(prepared, value.producer, consumer))) {
                return explain(cat(describeNode(*prepared.source, consumer), " reads it in"), wanted);
            }
        }
        if (value.graphOutput) {
            std::vector<uint8_t> wanted(made.size(), 0);
            for (int32_t format : value.outputFormats) {
                wanted[static_cast<size_t>(format)] = 1;
            }
            if (!reachable(value, made, wanted)) {
                return explain("the graph hands it out in", wanted);
            }
        }
    }
    return okStatus();
}

} // namespace

Status checkCoverage(const PreparedProblem& prepared) {
    for (int32_t node = 0; node < prepared.nodeCount; ++node) {
        if (!prepared.regionsOfNode[static_cast<size_t>(node)].empty()) {
            continue;
        }
        const int32_t dropped = prepared.droppedRegionsOfNode[static_cast<size_t>(node)];
        const std::string why = dropped == 0 ? "no region contains it"
                                             : cat(dropped, dropped == 1 ? " region contains" : " regions contain",
                                                   " it, but without a usable candidate, or not convex");
        return makeError(
            Code::kBuildFailed, "nothing can execute ", describeNode(*prepared.source, node), ": ", why,
            ". Load a module that supports this node, or lift the constraint that excludes its candidates");
    }
    return okStatus();
}

Status explainInfeasible(const PreparedProblem& prepared, const ExactResult& result) {
    TN_RETURN_IF_ERROR(checkEdges(prepared));
    std::string where;
    if (result.node >= 0) {
        where = describeNode(*prepared.source, result.node);
    } else if (result.value >= 0) {
        where = describeValue(*prepared.source, result.value);
    } else {
        where = "the forbidden combinations";
    }
    return makeError(Code::kBuildFailed,
                     "no choice of regions and candidates covers every node exactly once: the last possibility was "
                     "ruled out at ",
                     where,
                     ". Each of its candidates needs a format or a region that the nodes around it cannot provide. "
                     "Provide single-node candidates or conversions there",
                     prepared.source->noGoods.empty() ? "" : ", or drop a no-good");
}

} // namespace tenon::schedule
