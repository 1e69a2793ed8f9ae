#include "core/schedule/layout_offers.h"

#include "core/schedule/build_threads.h"
#include "core/support/text.h"

#include <algorithm>
#include <map>
#include <set>

namespace tenon::schedule {

namespace {

constexpr int kRounds = 4;
constexpr std::ptrdiff_t kMaxLayouts =
    6; // of a value at one placement: linear, in blocks and channels last, of two types each

class Offers {
public:
    // Linear first; true if the layout is new.
    bool add(const ir::Value* value, const PortLayout& port) {
        if (value->constant() || ir::isOpaque(port.format)) {
            return false;
        }
        std::vector<PortLayout>& known = mLayouts[value];
        if (known.empty()) {
            known.push_back(linearPort(value->type().dtype, std::max(value->type().rank(), 0)));
        }
        for (const PortLayout& other : known) {
            if (equal(other, port)) {
                return false;
            }
        }
        const auto there = std::count_if(known.begin(), known.end(),
                                         [&](const PortLayout& other) { return other.placement == port.placement; });
        if (there >= kMaxLayouts) {
            return false;
        }
        known.push_back(port);
        return true;
    }

    std::vector<std::vector<PortLayout>> of(const RegionEntry& region) const {
        std::vector<std::vector<PortLayout>> offered;
        for (const ir::Value* input : region.inputs) {
            auto known = mLayouts.find(input);
            if (known != mLayouts.end()) {
                offered.push_back(known->second);
            } else {
                offered.emplace_back();
            }
        }
        return offered;
    }

private:
    std::map<const ir::Value*, std::vector<PortLayout>> mLayouts;
};

std::string signature(const RegionEntry& region, const std::vector<std::vector<PortLayout>>& offered) {
    std::string text = region.task->key();
    for (const std::vector<PortLayout>& ports : offered) {
        text += ";";
        for (const PortLayout& port : ports) {
            text += support::cat(toText(port), ",");
        }
    }
    return text;
}

// Where there is a device, its libraries take their time to answer: all tasks are asked at once, with nothing on offer yet.
void askAhead(const BuildContext& context, const std::vector<RegionEntry>& regions, std::set<std::string>& asked) {
    if (context.targets.size() < 2) {
        return;
    }
    std::vector<Task*> tasks;
    for (const RegionEntry& region : regions) {
        if (asked.insert(signature(region, std::vector<std::vector<PortLayout>>(region.inputs.size()))).second) {
            tasks.push_back(region.task.get());
        }
    }
    inParallel(
        tasks.size(), [&](size_t i) { enumerateTactics(context, *tasks[i], {}); }, [] { return false; });
}

} // namespace

void enumerateWithLayouts(const BuildContext& context, const ir::Graph&, std::vector<RegionEntry>& regions) {
    Offers offers;
    std::set<std::string> asked;
    askAhead(context, regions, asked);
    for (int round = 0; round < kRounds; ++round) {
        bool news = false;
        for (RegionEntry& region : regions) {
            std::vector<std::vector<PortLayout>> offered = offers.of(region);
            if (asked.insert(signature(region, offered)).second) {
                enumerateTactics(context, *region.task, offered);
            }
            // What this region can make is on offer to its consumers; what it would like to read is on offer to its producers' other readers.
            for (const Candidate& candidate : region.task->candidates) {
                for (size_t i = 0; i < region.outputs.size(); ++i) {
                    news = offers.add(region.outputs[i], candidate.tactic.outputs[i]) || news;
                }
                for (size_t i = 0; i < region.inputs.size(); ++i) {
                    news = offers.add(region.inputs[i], candidate.tactic.inputs[i]) || news;
                }
            }
        }
        if (!news) {
            break;
        }
    }
}

} // namespace tenon::schedule
