#include "backends/cpu/program.h"

#include "backends/common/parallel.h"
#include "backends/common/strided.h"
#include "backends/cpu/program_compiler.h"

#include <algorithm>
#include <cstring>

namespace tenon::cpu {

namespace {

// --- Layouts -----------------------------------------------------------------------------------------------------------

// The output as its buffer has it: extents from outermost to innermost, and which logical dimension each walks, by how much.
struct Physical {
    Dims dims;
    std::vector<size_t> logical;
    Dims steps;
};

Physical physicalOf(const TnFormat& format, const Dims& dims) {
    Physical physical;
    for (int32_t i = 0; i < format.rank; ++i) {
        const auto d = static_cast<size_t>(format.order[i]);
        const int64_t block = module::blockOf(format, format.order[i]);
        physical.dims.push_back((dims[d] + block - 1) / block);
        physical.logical.push_back(d);
        physical.steps.push_back(block);
    }
    for (int32_t i = 0; i < format.block_count; ++i) {
        int64_t step = 1;
        for (int32_t k = i + 1; k < format.block_count; ++k) {
            step *= format.blocks[k].dim == format.blocks[i].dim ? format.blocks[k].size : 1;
        }
        physical.dims.push_back(format.blocks[i].size);
        physical.logical.push_back(static_cast<size_t>(format.blocks[i].dim));
        physical.steps.push_back(step);
    }
    return physical;
}

bool isDense(const TnFormat& format) { return !module::isOpaque(format) && format.outer_pitch == 0; }

// --- Running -----------------------------------------------------------------------------------------------------------

// Where one port's elements are, in the loop's terms.
struct Operand {
    TnDataType dtype = TN_F32;
    ElementClass type = ElementClass::kFloat;
    int64_t rowStride = 0;
    int64_t columnStride = 0;
    bool scalar = false; // one element for the whole loop
};

enum class ActionKind : uint8_t { kPoint, kLoad, kStep, kStore };

// One thing that happens for each tile, in order.
struct Action {
    ActionKind kind = ActionKind::kStep;
    int32_t port = -1;       // of kPoint, kLoad (input) and kStore (output)
    int32_t target = -1;     // virtual register
    int32_t slot = -1;       // where the register lives; -1: in an output's or input's own memory
    int32_t outputPort = -1; // of kStep: write straight into this output
    ProgramStep step;
    StepFunction function = nullptr;
    bool scalarB = false;
};

struct Runner {
    StridedLoop loop; // operand 0: outputs; then the inputs
    int64_t columns = 1;
    int64_t rows = 1;
    int64_t outer = 1;
    int64_t tileColumns = 1;
    int64_t tileRows = 1;
    int64_t rowTiles = 1;
    int64_t columnTiles = 1;
    int64_t slotBytes = 0;
    int32_t slots = 0;
    int32_t registers = 0;
    std::vector<Operand> inputs;
    std::vector<TnDataType> outputs;
    std::vector<Action> once; // loads of scalars
    std::vector<Action> actions;

    int64_t tiles() const { return outer * rowTiles * columnTiles; }
    void run(const Buffers& b, std::byte* scratch, int64_t firstTile, int64_t lastTile) const;
};

StepFunction loaderOf(TnDataType dtype) {
    const Step step = dtype == TN_F16    ? Step::kLoadF16
                      : dtype == TN_BF16 ? Step::kLoadBf16
                      : dtype == TN_U8   ? Step::kLoadU8
                      : dtype == TN_I8   ? Step::kLoadI8
                                         : Step::kCount;
    const ElementClass type = dtype == TN_U8 || dtype == TN_I8 ? ElementClass::kInt : ElementClass::kFloat;
    return step == Step::kCount ? nullptr : stepTable().of(step, type);
}

StepFunction storerOf(TnDataType dtype) {
    const Step step = dtype == TN_F16    ? Step::kStoreF16
                      : dtype == TN_BF16 ? Step::kStoreBf16
                      : dtype == TN_U8   ? Step::kStoreU8
                      : dtype == TN_I8   ? Step::kStoreI8
                                         : Step::kCount;
    const ElementClass type = dtype == TN_U8 || dtype == TN_I8 ? ElementClass::kInt : ElementClass::kFloat;
    return step == Step::kCount ? nullptr : stepTable().of(step, type);
}

// True when registers hold the type as memory does.
bool isNatural(TnDataType dtype) { return loaderOf(dtype) == nullptr; }

void convertRun(TnDataType dtype, ElementClass type, const std::byte* from, int64_t count, std::byte* to) {
    const StepFunction loader = loaderOf(dtype);
    if (loader == nullptr) {
        std::memcpy(to, from, static_cast<size_t>(count * bytesOfClass(type)));
        return;
    }
    StepArgs args{};
    args.to = to;
    args.a = from;
    args.count = count;
    loader(args);
}

template <class T>
void fillRun(std::byte* to, int64_t count) {
    T value;
    std::memcpy(&value, to, sizeof value);
    std::fill(reinterpret_cast<T*>(to), reinterpret_cast<T*>(to) + count, value);
}

// A row of an operand into a register: neighbours, one element repeated, or elements some distance apart.
void loadRow(const Operand& operand, const std::byte* from, int64_t count, std::byte* to) {
    const int64_t size = bytesOf(operand.dtype);
    const int64_t registerSize = bytesOfClass(operand.type);
    if (operand.columnStride == 1) {
        convertRun(operand.dtype, operand.type, from, count, to);
        return;
    }
    if (operand.columnStride == 0) {
        convertRun(operand.dtype, operand.type, from, 1, to);
        switch (registerSize) {
        case 8:
            fillRun<uint64_t>(to, count);
            break;
        case 4:
            fillRun<uint32_t>(to, count);
            break;
        default:
            fillRun<uint8_t>(to, count);
            break;
        }
        return;
    }
    for (int64_t i = 0; i < count; ++i) {
        convertRun(operand.dtype, operand.type, from + i * operand.columnStride * size, 1, to + i * registerSize);
    }
}

void Runner::run(const Buffers& b, std::byte* scratch, int64_t firstTile, int64_t lastTile) const {
    // Registers point into slots, inputs or outputs.
    constexpr int32_t kMostRegisters = 1024;
    std::byte* pointers[kMostRegisters];
    for (const Action& action : once) {
        pointers[action.target] = scratch + action.slot * slotBytes;
        loadRow(inputs[static_cast<size_t>(action.port)], static_cast<const std::byte*>(b.inputs[action.port]),
                tileRows * tileColumns, pointers[action.target]);
    }
    const size_t outerRank = loop.dims.size() > 2 ? loop.dims.size() - 2 : 0;
    for (int64_t tile = firstTile; tile < lastTile; ++tile) {
        const int64_t column = tile % columnTiles * tileColumns;
        const int64_t row = tile / columnTiles % rowTiles * tileRows;
        const int64_t width = std::min(tileColumns, columns - column);
        const int64_t height = std::min(tileRows, rows - row);
        const int64_t count = width * height;
        int64_t rest = tile / (columnTiles * rowTiles);
        int64_t coordinate[3 * TN_MAX_DIMS];
        for (size_t d = outerRank; d-- > 0;) {
            coordinate[d] = rest % loop.dims[d];
            rest /= loop.dims[d];
        }
        const auto offsetOf = [&](size_t operand, int64_t rowStride, int64_t columnStride) {
            int64_t offset = row * rowStride + column * columnStride;
            for (size_t d = 0; d < outerRank; ++d) {
                offset += coordinate[d] * loop.strides[operand][d];
            }
            return offset;
        };
        const int64_t outputOffset = offsetOf(0, columns, 1);
        for (const Action& action : actions) {
            switch (action.kind) {
            case ActionKind::kPoint: {
                const Operand& operand = inputs[static_cast<size_t>(action.port)];
                const int64_t offset =
                    offsetOf(static_cast<size_t>(action.port) + 1, operand.rowStride, operand.columnStride);
                // Read only: no step writes to a register that is an input.
                pointers[action.target] = const_cast<std::byte*>(static_cast<const std::byte*>(b.inputs[action.port])) +
                                          offset * bytesOf(operand.dtype);
                break;
            }
            case ActionKind::kLoad: {
                const Operand& operand = inputs[static_cast<size_t>(action.port)];
                const int64_t size = bytesOf(operand.dtype);
                const auto* from =
                    static_cast<const std::byte*>(b.inputs[action.port]) +
                    offsetOf(static_cast<size_t>(action.port) + 1, operand.rowStride, operand.columnStride) * size;
                std::byte* to = scratch + action.slot * slotBytes;
                pointers[action.target] = to;
                if (operand.columnStride == 1 && (height == 1 || operand.rowStride == width)) {
                    convertRun(operand.dtype, operand.type, from, count, to);
                    break;
                }
                for (int64_t r = 0; r < height; ++r) {
                    loadRow(operand, from + r * operand.rowStride * size, width,
                            to + r * width * bytesOfClass(operand.type));
                }
                break;
            }
            case ActionKind::kStep: {
                const ProgramStep& step = action.step;
                pointers[action.target] =
                    action.outputPort >= 0 ? static_cast<std::byte*>(b.outputs[action.outputPort]) +
                                                 outputOffset * bytesOf(outputs[static_cast<size_t>(action.outputPort)])
                                           : scratch + action.slot * slotBytes;
                StepArgs args{};
                args.to = pointers[action.target];
                args.a = pointers[step.operands[0]];
                args.b = step.operands[1] >= 0 ? pointers[step.operands[1]] : nullptr;
                args.c = step.operands[2] >= 0 ? pointers[step.operands[2]] : nullptr;
                args.count = count;
                args.p0 = step.p0;
                args.p1 = step.p1;
                args.low = step.low;
                args.high = step.high;
                args.scalarB = action.scalarB;
                action.function(args);
                break;
            }
            case ActionKind::kStore: {
                const TnDataType dtype = outputs[static_cast<size_t>(action.port)];
                std::byte* to = static_cast<std::byte*>(b.outputs[action.port]) + outputOffset * bytesOf(dtype);
                const StepFunction storer = storerOf(dtype);
                if (storer == nullptr) {
                    if (to != pointers[action.target]) {
                        std::memcpy(to, pointers[action.target], static_cast<size_t>(count * bytesOf(dtype)));
                    }
                    break;
                }
                StepArgs args{};
                args.to = to;
                args.a = pointers[action.target];
                args.count = count;
                storer(args);
                break;
            }
            }
        }
    }
}

// --- Planning ------------------------------------------------------------------------------------------------------------

// Orders the work of a tile and gives registers places: loads come right before their first use, and a place is free again after the
// last.
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

bool isFullShape(const module::ValueView& value, const module::ValueView& output) {
    if (value.rank() != output.rank()) {
        return false;
    }
    for (int32_t d = 0; d < value.rank(); ++d) {
        const TnDim& a = value.dim(d);
        const TnDim& b = output.dim(d);
        const bool same =
            (a.expr >= 0 && a.expr == b.expr) || (value.isStatic(d) && output.isStatic(d) && a.opt == b.opt);
        if (!same) {
            return false;
        }
    }
    return true;
}

void checkProgram(const module::GraphView& body) {
    const CompiledProgram program = compileProgram(body);
    if (program.registers.size() > 1000) {
        refuse("a region of ", body.nodeCount(), " nodes needs too many registers");
    }
    const module::ValueView first = body.value(body.outputs()[0]);
    for (const int32_t output : body.outputs()) {
        if (output != body.outputs()[0] && !isFullShape(body.value(output), first)) {
            refuse("a pointwise region whose outputs differ in shape");
        }
    }
}

std::vector<TnFormat> programLayouts(const module::TaskView& task) {
    std::vector<TnFormat> layouts;
    const module::ValueView output = task.output(0);
    for (int32_t port = 0; port < task.inputCount(); ++port) {
        if (!isFullShape(task.input(port), output)) {
            continue;
        }
        for (const TnPortFormat& offered : task.offered(port)) {
            const TnFormat& format = offered.format;
            const bool known = std::any_of(layouts.begin(), layouts.end(),
                                           [&](const TnFormat& other) { return module::equal(other, format); });
            if (offered.placement == TN_PLACEMENT_HOST && isDense(format) && !module::isLinear(format) &&
                format.rank == output.rank() && !known) {
                layouts.push_back(format);
            }
        }
    }
    return layouts;
}

void checkProgramLayout(const Task& task) {
    const TnFormat& format = task.outputs[0].format;
    const module::ValueView output = task.body.value(task.body.outputs()[0]);
    if (!isDense(format)) {
        refuse("a pointwise program in the layout ", module::describe(format));
    }
    for (const TnPortFormat& port : task.outputs) {
        if (!module::equal(port.format, format)) {
            refuse("a pointwise program whose outputs have several layouts");
        }
    }
    const bool linear = module::isLinear(format);
    bool floats = true;
    for (const int32_t value : task.body.inputs()) {
        floats = floats && contains(kFloats, task.body.value(value).dtype());
    }
    for (size_t i = 0; i < task.inputs.size(); ++i) {
        const module::ValueView value = task.body.value(task.body.inputs()[i]);
        const bool full = isFullShape(value, output);
        if (!module::isLinear(task.inputs[i].format) && (!full || !module::equal(task.inputs[i].format, format))) {
            refuse("an operand in the layout ", module::describe(task.inputs[i].format), " of a pointwise program in ",
                   module::describe(format));
        }
        if (full && !linear && module::isLinear(task.inputs[i].format)) {
            refuse("a pointwise program whose operands of the same shape differ in layout");
        }
    }
    // Where a block has a tail, padding is computed along: harmless for floats whose operands are all padded alike.
    for (int32_t b = 0; b < format.block_count; ++b) {
        const int32_t dim = format.blocks[b].dim;
        const bool divides = output.isStatic(dim) && output.dim(dim).opt % module::blockOf(format, dim) == 0;
        if (divides) {
            continue;
        }
        if (format.tail_zero != 0 || !floats) {
            refuse("a pointwise program in ", module::describe(format), " whose extent does not divide into blocks");
        }
        for (const int32_t input : task.body.inputs()) {
            const module::ValueView value = task.body.value(input);
            const int32_t own = dim - (output.rank() - value.rank());
            const bool varies = own >= 0 && !(value.isStatic(own) && value.dim(own).opt == 1);
            if (varies && !isFullShape(value, output)) {
                refuse("a pointwise program in ", module::describe(format), " with an operand along a divided extent");
            }
        }
    }
}

TaskPlan planProgram(const Task& task, const PortShapes& shapes) {
    const CompiledProgram program = compileProgram(task.body);
    TaskPlan result;
    for (size_t i = 0; i < shapes.inputs.size(); ++i) {
        result.inputPorts.push_back(static_cast<int32_t>(i));
    }
    for (size_t o = 0; o < shapes.outputs.size(); ++o) {
        result.outputPorts.push_back(static_cast<int32_t>(o));
    }
    const Dims& dims = shapes.outputs[0].dims;
    for (const Shape& output : shapes.outputs) {
        if (output.dims != dims) {
            invalid("a pointwise program whose outputs differ in shape");
        }
    }
    if (shapes.outputs[0].elements == 0) {
        result.plan.run = [](const Buffers&) { return Code::kOk; };
        return result;
    }
    const TnFormat& format = task.outputs[0].format;
    const Physical physical = physicalOf(format, dims);
    const Dims contiguous = rowMajorStrides(physical.dims);
    std::vector<Dims> strides{contiguous};
    for (size_t i = 0; i < shapes.inputs.size(); ++i) {
        if (!module::isLinear(task.inputs[i].format) || (module::isLinear(format) && shapes.inputs[i].dims == dims)) {
            if (shapes.inputs[i].dims != dims) {
                invalid("a pointwise operand of shape ", shapeText(shapes.inputs[i].dims), " in the output's layout");
            }
            strides.push_back(contiguous);
            continue;
        }
        const Dims logical = broadcastStrides(shapes.inputs[i].dims, dims);
        Dims own;
        for (size_t d = 0; d < physical.dims.size(); ++d) {
            own.push_back(logical[physical.logical[d]] * physical.steps[d]);
        }
        strides.push_back(own);
    }
    Runner runner;
    runner.loop = collapse(physical.dims, strides);
    const StridedLoop& loop = runner.loop;
    const size_t rank = loop.dims.size();
    runner.columns = loop.dims[rank - 1];
    runner.rows = rank > 1 ? loop.dims[rank - 2] : 1;
    runner.outer = rank > 2 ? product(loop.dims, 0, rank - 2) : 1;
    for (size_t i = 0; i < shapes.inputs.size(); ++i) {
        const Dims& own = loop.strides[i + 1];
        Operand operand;
        operand.dtype = task.inputs[i].dtype;
        operand.type = classOf(operand.dtype, "a pointwise program");
        operand.columnStride = own[rank - 1];
        operand.rowStride = rank > 1 ? own[rank - 2] : 0;
        operand.scalar = std::all_of(own.begin(), own.end(), [](int64_t stride) { return stride == 0; });
        runner.inputs.push_back(operand);
    }
    for (const TnPortFormat& port : task.outputs) {
        runner.outputs.push_back(port.dtype);
    }
    // Registers of a program together should leave room in a first-level cache of 32 KiB.
    int64_t widest = 4;
    for (const ProgramRegister& each : program.registers) {
        widest = std::max(widest, bytesOfClass(each.type));
    }
    const int64_t block = program.registers.size() > 12 || widest > 4 ? 512 : 1024;
    runner.tileColumns = std::min(runner.columns, block);
    runner.tileRows = runner.columns >= block ? 1 : std::min(runner.rows, std::max<int64_t>(1, block / runner.columns));
    runner.columnTiles = (runner.columns + runner.tileColumns - 1) / runner.tileColumns;
    runner.rowTiles = (runner.rows + runner.tileRows - 1) / runner.tileRows;
    runner.slotBytes = block * widest;
    Scheduler(program, runner).run();
    const int64_t work = runner.outer * runner.rows * runner.columns * std::max(1, program.cost);
    const int64_t team = std::clamp<int64_t>(work / 65536, 1, std::min<int64_t>(shapes.threads, runner.tiles()));
    // Which operands need a place depends on extents; the size of the workspace must not.
    const auto perThread = static_cast<int64_t>(program.registers.size()) * runner.slotBytes;
    result.plan.workspace = perThread * shapes.threads;
    result.plan.run = [runner = std::move(runner), team, perThread](const Buffers& b) {
        const int64_t tiles = runner.tiles();
        parallelFor(static_cast<int>(team), team, 1, [&](int64_t begin, int64_t end) {
            for (int64_t t = begin; t < end; ++t) {
                runner.run(b, static_cast<std::byte*>(b.workspace) + t * perThread, tiles * t / team,
                           tiles * (t + 1) / team);
            }
        });
        return Code::kOk;
    };
    return result;
}

} // namespace tenon::cpu
