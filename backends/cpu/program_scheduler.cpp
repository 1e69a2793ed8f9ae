#include "backends/cpu/program_scheduler.h"

#include "backends/cpu/byte_scale.h"

#include <algorithm>

namespace tenon::cpu {

namespace {

// Conversions between f32 and bytes in memory, without the integers that lie between in a program.
template <bool isSigned>
void readCodes(const StepArgs& s) {
    byteRows().dequantize(static_cast<const uint8_t*>(s.a), s.count, {s.p0, s.p1, isSigned}, static_cast<float*>(s.to));
}
template <bool isSigned>
void writeCodes(const StepArgs& s) {
    byteRows().quantize(static_cast<const float*>(s.a), s.count, {s.p0, s.p1, isSigned}, static_cast<uint8_t*>(s.to));
}

class Scheduler {
public:
    Scheduler(const CompiledProgram& program, Runner& runner) : mProgram(program), mRunner(runner) {}

    void run() {
        const size_t count = mProgram.registers.size();
        mLastUse.assign(count, -1);
        mSlot.assign(count, -1);
        mLoaded.assign(count, false);
        mDirect.assign(count, false);
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
        const bool direct = (isNatural(operand.dtype) || readsCodes(target)) && operand.columnStride == 1 &&
                            (mRunner.tileRows == 1 || operand.rowStride == mRunner.columns);
        if (operand.scalar) {
            action.kind = ActionKind::kLoad;
            action.slot = mSlotCount++; // never shared: it is filled once
            mRunner.once.push_back(action);
        } else if (direct) {
            mDirect[static_cast<size_t>(target)] = true;
            action.kind = ActionKind::kPoint;
            mRunner.actions.push_back(action);
        } else if (operand.rowStride == 0 && operand.columnStride != 0) {
            action.kind = ActionKind::kLoad;
            action.repeats = true;
            action.slot = mSlotCount++; // never shared, so that the next tile finds it
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
        if (step.step == Step::kFromCodes && mDirect[static_cast<size_t>(step.operands[0])]) {
            action.function = dtypeOf(step.operands[0]) == TN_I8 ? readCodes<true> : readCodes<false>;
        }
        const bool writes = step.step == Step::kToCodes && ports.size() == 1 &&
                            isByte(mRunner.outputs[static_cast<size_t>(ports[0])]) &&
                            mLastUse[static_cast<size_t>(step.to)] < 0;
        if (writes) {
            action.function =
                mRunner.outputs[static_cast<size_t>(ports[0])] == TN_I8 ? writeCodes<true> : writeCodes<false>;
        }
        if (!ports.empty() && (writes || isNatural(mRunner.outputs[static_cast<size_t>(ports[0])]))) {
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

    TnDataType dtypeOf(int32_t target) const {
        return mRunner.inputs[static_cast<size_t>(mProgram.registers[static_cast<size_t>(target)].inputPort)].dtype;
    }
    // Bytes that nothing but dequantize reads need not become integers of the program.
    bool readsCodes(int32_t target) const {
        return isByte(dtypeOf(target)) && mProgram.registers[static_cast<size_t>(target)].outputPorts.empty() &&
               std::all_of(mProgram.steps.begin(), mProgram.steps.end(), [&](const ProgramStep& step) {
                   return step.step == Step::kFromCodes || std::find(std::begin(step.operands), std::end(step.operands),
                                                                     target) == std::end(step.operands);
               });
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
    std::vector<bool> mDirect; // points at memory
    std::vector<int32_t> mFree;
    int32_t mSlotCount = 0;
};

} // namespace

void scheduleProgram(const CompiledProgram& program, Runner& runner) { Scheduler(program, runner).run(); }

} // namespace tenon::cpu
