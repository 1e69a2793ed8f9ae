// Conversions between port formats (layout, element type, placement) as tasks with tactics from any module.
// Used by the timer (to bring test data into a layout), selection (edge costs), the step list and the weight program.
#pragma once

#include "core/schedule/task.h"

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace tenon::schedule {

class TacticTimer;

// The cheapest tactic of a conversion. `candidate` indexes task->candidates.
struct ConversionChoice {
    std::shared_ptr<Task> task;
    int32_t candidate = -1;
    double costUs = 0;
};

class Conversions {
public:
    // `box`: the profile's. With a timer, times decide; without, a bytes model does.
    Conversions(const BuildContext& context, const ir::SymbolBox& box) : mContext(context), mBox(box) {}
    void setTimer(TacticTimer* timer) { mTimer = timer; }

    // Null where no module converts directly. The pointer stays valid while this object lives.
    support::Result<const ConversionChoice*> direct(const std::shared_ptr<ir::ExprPool>& pool,
                                                    const ir::TensorType& type, const PortLayout& from,
                                                    const PortLayout& to);
    const ir::SymbolBox& box() const { return mBox; }
    // Every conversion asked for so far, in order.
    const std::vector<std::shared_ptr<Task>>& tasks() const { return mTasks; }

private:
    const BuildContext& mContext;
    ir::SymbolBox mBox;
    TacticTimer* mTimer = nullptr;
    std::map<std::string, std::unique_ptr<ConversionChoice>> mChoices; // by task key; null task: impossible
    std::vector<std::shared_ptr<Task>> mTasks;
};

// Runs one conversion of host bytes. Error where no module does it.
support::Result<ir::ConstantPtr> convertBytes(const BuildContext& context, const ir::ConstantPtr& from,
                                              const PortLayout& fromPort, const PortLayout& toPort);

// Time that moving `bytes` takes at a modest memory speed: the stand-in where nothing is timed.
double modelledUs(int64_t bytes);

} // namespace tenon::schedule
