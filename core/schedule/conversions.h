// Conversions between port formats (layout, element type, placement) as tasks with tactics from any module.
// Used by the timer (to bring test data into a layout), selection (edge costs), the step list and the weight program.
#pragma once

#include "core/schedule/task.h"

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

namespace tenon::schedule {

class CopyCosts;
class TacticTimer;

// The cheapest tactic of a conversion; `candidate` indexes task->candidates. Between placements it is a copy of the bytes and has no task.
struct ConversionChoice {
    std::shared_ptr<Task> task;
    int32_t candidate = -1;
    double costUs = 0;

    bool isCopy() const { return !task; }
};

class Conversions {
public:
    // `box`: the profile's. With a timer, times decide; without, a bytes model does.
    Conversions(const BuildContext& context, const ir::SymbolBox& box) : mContext(context), mBox(box) {}
    void setTimer(TacticTimer* timer) { mTimer = timer; }
    // Without it a model says what copies cost.
    void setCopyCosts(CopyCosts* costs) { mCopyCosts = costs; }
    // Providers whose tactics are not taken from now on, in place of those of the call before.
    void spare(const std::set<int32_t>& providers);

    // Null where no module converts directly, or between placements where element type or layout differ. The pointer stays valid until `reconsider` or `spare`.
    support::Result<const ConversionChoice*> direct(const std::shared_ptr<ir::ExprPool>& pool,
                                                    const ir::TensorType& type, const PortLayout& from,
                                                    const PortLayout& to);
    // After a tactic of `task` was found wrong: another one takes its place, or none is left and there is no such conversion any more.
    void reconsider(const Task& task);
    const ir::SymbolBox& box() const { return mBox; }
    // Every conversion asked for so far, in order.
    const std::vector<std::shared_ptr<Task>>& tasks() const { return mTasks; }

private:
    const BuildContext& mContext;
    ir::SymbolBox mBox;
    support::Result<const ConversionChoice*> copy(const ir::ExprPool& pool, const ir::TensorType& type,
                                                  const PortLayout& from, const PortLayout& to);
    // The reference's where nobody else has one.
    void time(Task& task);
    // The cheapest tactic that may be used; null where there is none.
    std::unique_ptr<ConversionChoice> cheapest(const std::shared_ptr<Task>& task) const;

    TacticTimer* mTimer = nullptr;
    CopyCosts* mCopyCosts = nullptr;
    std::set<int32_t> mSpared;
    // By task key, or by bytes and placements. Null: impossible.
    std::map<std::string, std::unique_ptr<ConversionChoice>> mChoices;
    std::vector<std::shared_ptr<Task>> mTasks;
};

// How a constant gets from its linear form in host memory to a port.
struct ConstantRoute {
    enum class Kind : uint8_t {
        kHost,   // a conversion on the host, or none; at another placement the bytes are copied there
        kDevice, // copied there, then converted there
        kNone,
    };
    Kind kind = Kind::kNone;
    const ConversionChoice* conversion = nullptr; // null: the linear bytes are what is asked for, or there is no way
};
support::Result<ConstantRoute> routeOf(Conversions& conversions, const std::shared_ptr<ir::ExprPool>& pool,
                                       const ir::TensorType& type, const PortLayout& port);

// Whose kernel brings bytes into a layout: the fastest one, where only time matters, or the reference backend's, where it has one, so that what
// is compared does not rest on the kernels that are being judged. Only their own module knows opaque layouts.
enum class ConvertBy : uint8_t { kFastest, kReference };

// Runs one conversion of host bytes, also into layouts that only kernels of a device make. Error where no module does it.
support::Result<ir::ConstantPtr> convertBytes(const BuildContext& context, const ir::ConstantPtr& from,
                                              const PortLayout& fromPort, const PortLayout& toPort, ConvertBy by);

// Time that moving `bytes` takes at a modest memory speed: the stand-in where nothing is timed.
double modelledUs(int64_t bytes);
// What a step of the host's team takes beside the time that was measured, for which its operands lay in the caches of the threads that read them: in a
// network another thread has often written them. Nothing for what one thread does alone.
double handOverUs(const BuildContext& context, const Task& task);
// The same of a kernel on a device.
double modelledDeviceUs(int64_t bytes);

} // namespace tenon::schedule
