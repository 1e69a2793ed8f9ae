#include "backends/cpu/program_scheduler.h"

#include <algorithm>

namespace tenon::cpu {

namespace {

class Scheduler {
public:
    Scheduler(const CompiledProgram& program, Runner& runner) : mProgram(program), mRunner(runner) {}

    void run() {
        const size_t count = mProgram.registers.size();
        mLastUse.assign(count, -1);
        mSlot.assign(count, -1);
        mLoaded.assign(count, false);
        for (size_t s = 0; s < mProgram.steps.size(); ++s) {
            for (int32_t operand : mProgram.steps[s].operands) {
                if (operand >= 0) {
                    mLastUse[static_cast<size_t>(operand)] = static_cast<int32_t>(s);
                }
            }
        }
        for (size_t s = 0; s < mProgram.steps.size(); ++s) {
            addStep(s);
        }
        // Inputs that are handed through.
        for (size_t r = 0; r < count; ++r) {
            const ProgramRegister& each = mProgram.registers[r];
            if (each.inputPort >= 0 && !each.outputPorts.empty()) {
                load(static_cast<int32_t>(r));
                store(static_cast<int32_t>(r), each.outputPorts);
            }
        }
        mRunner.slots = mSlotCount;
        mRunner.registers = static_cast<int32_t>(count);
    }

private:
    int32_t takeSlot() {
        if (mFree.empty()) {
            return mSlotCount++;
        }
        const int32_t slot = mFree.back();
        mFree.pop_back();
        return slot;
    }

    void load(int32_t target) {
        const ProgramRegister& each = mProgram.registers[static_cast<size_t>(target)];
        if (each.inputPort < 0 || mLoaded[static_cast<size_t>(target)]) {
            return;
        }
        mLoaded[static_cast<size_t>(target)] = true;
        const Operand& operand = mRunner.inputs[static_cast<size_t>(each.inputPort)];
        Action action;
        action.port = each.inputPort;
        action.target = target;
        const bool direct = isNatural(operand.dtype) && operand.columnStride == 1 &&
                            (mRunner.tileRows == 1 || operand.rowStride == mRunner.columns);
        if (operand.scalar) {
            action.kind = ActionKind::kLoad;
            action.slot = mSlotCount++; // never shared: it is filled once
            mRunner.once.push_back(action);
        } else if (direct) {
            action.kind = ActionKind::kPoint;
            mRunner.actions.push_back(action);
        } else {
            action.kind = ActionKind::kLoad;
            action.slot = takeSlot();
            mSlot[static_cast<size_t>(target)] = action.slot;
            mRunner.actions.push_back(action);
        }
    }

    void store(int32_t from, const std::vector<int32_t>& ports) {
        for (int32_t port : ports) {
            Action action;
            action.kind = ActionKind::kStore;
            action.port = port;
            action.target = from;
            mRunner.actions.push_back(action);
        }
    }

    void addStep(size_t s) {
        const ProgramStep& step = mProgram.steps[s];
        for (int32_t operand : step.operands) {
            if (operand >= 0) {
                load(operand);
            }
        }
        const ProgramRegister& result = mProgram.registers[static_cast<size_t>(step.to)];
        if (result.outputPorts.empty() && mLastUse[static_cast<size_t>(step.to)] < 0) {
            return; // nobody wants it
        }
        Action action;
        action.kind = ActionKind::kStep;
        action.target = step.to;
        action.step = step;
        action.function = stepTable().of(step.step, step.type);
        const int32_t second = step.operands[1];
        action.scalarB = second >= 0 && isScalar(second);
        std::vector<int32_t> ports = result.outputPorts;
        if (!ports.empty() && isNatural(mRunner.outputs[static_cast<size_t>(ports[0])])) {
            action.outputPort = ports[0];
            ports.erase(ports.begin());
        }
        // Operands that end here give their place to the result: steps read an element before they write it.
        for (size_t i = 0; i < 3; ++i) {
            const int32_t operand = step.operands[i];
            const bool again = std::find(step.operands, step.operands + i, operand) != step.operands + i;
            if (operand >= 0 && !again && mLastUse[static_cast<size_t>(operand)] == static_cast<int32_t>(s) &&
                mSlot[static_cast<size_t>(operand)] >= 0 && sameSize(operand, step.to)) {
                mFree.push_back(mSlot[static_cast<size_t>(operand)]);
                mSlot[static_cast<size_t>(operand)] = -1;
            }
        }
        if (action.outputPort < 0) {
            action.slot = takeSlot();
            mSlot[static_cast<size_t>(step.to)] = action.slot;
        }
        for (int32_t operand : step.operands) {
            if (operand >= 0 && mLastUse[static_cast<size_t>(operand)] == static_cast<int32_t>(s) &&
                mSlot[static_cast<size_t>(operand)] >= 0) {
                mFree.push_back(mSlot[static_cast<size_t>(operand)]);
                mSlot[static_cast<size_t>(operand)] = -1;
            }
        }
        mRunner.actions.push_back(action);
        store(step.to, ports);
        if (mLastUse[static_cast<size_t>(step.to)] < 0 && mSlot[static_cast<size_t>(step.to)] >= 0) {
            mFree.push_back(mSlot[static_cast<size_t>(step.to)]);
            mSlot[static_cast<size_t>(step.to)] = -1;
        }
    }

    bool isScalar(int32_t target) const {
        const int32_t port = mProgram.registers[static_cast<size_t>(target)].inputPort;
        return port >= 0 && mRunner.inputs[static_cast<size_t>(port)].scalar;
    }
    // A step that changes the element's size may overtake its own operand.
    bool sameSize(int32_t a, int32_t b) const {
        return bytesOfClass(mProgram.registers[static_cast<size_t>(a)].type) ==
               bytesOfClass(mProgram.registers[static_cast<size_t>(b)].type);
    }

    const CompiledProgram& mProgram;
    Runner& mRunner;
    std::vector<int32_t> mLastUse;
    std::vector<int32_t> mSlot;
    std::vector<bool> mLoaded;
    std::vector<int32_t> mFree;
    int32_t mSlotCount = 0;
};

} // namespace

void scheduleProgram(const CompiledProgram& program, Runner& runner) { Scheduler(program, runner).run(); }

} // namespace tenon::cpu
