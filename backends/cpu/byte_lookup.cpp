#include "backends/cpu/byte_lookup.h"

#include "backends/common/parallel.h"
#include "backends/cpu/byte_scale.h"
#include "backends/cpu/program.h"

#include <array>
#include <numeric>

namespace tenon::cpu {

namespace {

constexpr size_t kCodes = 256;

// The one input that is not a number; -1: there is none, or there are several.
int32_t operandOf(const module::GraphView& body) {
    int32_t operand = -1;
    for (size_t i = 0; i < body.inputs().size(); ++i) {
        const module::ValueView value = body.value(body.inputs()[i]);
        if (value.hasData() && value.optElements() == 1) {
            continue;
        }
        if (operand >= 0 || !isByte(value.dtype())) {
            return -1;
        }
        operand = static_cast<int32_t>(i);
    }
    return operand;
}

// The same region over a vector of all bytes.
std::array<uint8_t, kCodes> tableOf(const Task& task, size_t operand) {
    Task small{task.body, task.tactic, task.inputs, task.outputs};
    const module::ValueView result = task.body.value(task.body.outputs()[0]);
    Shape vector{true, result.dtype(), {kCodes}, kCodes, kCodes, module::linearFormat(1)};
    PortShapes shapes;
    shapes.outputs = {vector};
    small.outputs[0].format = vector.format;
    std::array<uint8_t, kCodes> codes{};
    std::iota(codes.begin(), codes.end(), uint8_t{0});
    std::vector<const void*> inputs;
    for (size_t i = 0; i < task.inputs.size(); ++i) {
        const module::ValueView value = task.body.value(task.body.inputs()[i]);
        vector.dtype = value.dtype();
        const auto bytes = static_cast<int64_t>(value.bytes().size());
        shapes.inputs.push_back(i == operand ? vector
                                             : Shape{true, value.dtype(), {}, 1, bytes, module::linearFormat(0)});
        small.inputs[i].format = shapes.inputs.back().format;
        inputs.push_back(i == operand ? static_cast<const void*>(codes.data()) : value.bytes().data());
    }
    const TaskPlan program = planProgram(small, shapes);
    std::vector<std::byte> workspace(static_cast<size_t>(program.plan.workspace));
    std::array<uint8_t, kCodes> table{};
    void* const outputs[] = {table.data()};
    program.plan.run({inputs.data(), outputs, workspace.data(), nullptr});
    return table;
}

} // namespace

bool isByteLookup(const module::GraphView& body) {
    if (body.outputs().size() != 1 || body.nodeCount() < 2) {
        return false;
    }
    const int32_t operand = operandOf(body);
    const module::ValueView result = body.value(body.outputs()[0]);
    return operand >= 0 && isByte(result.dtype()) &&
           isFullShape(body.value(body.inputs()[static_cast<size_t>(operand)]), result);
}

void checkByteLookup(const Task& task) {
    if (!isByteLookup(task.body)) {
        refuse("a region that makes no byte of each byte of one tensor");
    }
    checkProgram(task.body);
    const TnFormat& format = task.outputs[0].format;
    if (!module::equal(task.inputs[static_cast<size_t>(operandOf(task.body))].format, format) ||
        module::isOpaque(format) || format.block_count != 0 || format.outer_pitch != 0) {
        refuse("bytes looked up in several layouts, or in blocks");
    }
}

TaskPlan planByteLookup(const Task& task, const PortShapes& shapes) {
    const auto operand = static_cast<size_t>(operandOf(task.body));
    const int64_t elements = shapes.outputs[0].elements;
    if (shapes.inputs[operand].elements != elements) {
        invalid("bytes looked up for a result of another shape");
    }
    TaskPlan result;
    result.inputPorts = {static_cast<int32_t>(operand)};
    result.outputPorts = {0};
    const int64_t team = teamFor(shapes.threads, elements, 1);
    result.plan.run = [table = tableOf(task, operand), team, elements](const Buffers& buffers) {
        const auto* from = buffers.in<uint8_t>(0);
        parallelTeam(team, elements, [&](int64_t, int64_t begin, int64_t end) {
            byteRows().lookup(table.data(), from + begin, end - begin, buffers.out<uint8_t>() + begin);
        });
        return Code::kOk;
    };
    return result;
}

} // namespace tenon::cpu
