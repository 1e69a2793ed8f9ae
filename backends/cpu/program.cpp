#include "backends/cpu/program.h"

#include "backends/common/parallel.h"
#include "backends/common/strided.h"
#include "backends/cpu/offered_layouts.h"
#include "backends/cpu/program_compiler.h"
#include "backends/cpu/program_scheduler.h"

#include <algorithm>

namespace tenon::cpu {

namespace {

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
    const module::ValueView output = task.output(0);
    std::vector<TnFormat> layouts =
        offeredLayouts(task, [&](int32_t port) { return isFullShape(task.input(port), output); });
    std::erase_if(layouts, [](const TnFormat& format) { return !isDense(format); });
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
    scheduleProgram(program, runner);
    const int64_t tileCost = runner.tileRows * runner.tileColumns * std::max(1, program.cost) / 4 + 1;
    const int64_t team = teamFor(shapes.threads, runner.tiles(), tileCost);
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
