// From a body of pointwise ops to steps over virtual registers. Used by program.cpp, and for its functions by followers.cpp.
#pragma once

#include "backends/cpu/program.h"

#include <optional>
#include <vector>

namespace tenon::cpu {

struct ProgramStep {
    Step step = Step::kAdd;
    ElementClass type = ElementClass::kFloat; // of the operands: selects the function
    int32_t to = -1;                          // virtual registers
    int32_t operands[3] = {-1, -1, -1};
    float p0 = 0;
    float p1 = 0;
    int64_t low = 0;
    int64_t high = 0;
    int32_t cost = 1; // relative to an addition
};

struct ProgramRegister {
    ElementClass type = ElementClass::kFloat;
    int32_t inputPort = -1;           // loaded from there
    std::vector<int32_t> outputPorts; // stored there
};

struct CompiledProgram {
    std::vector<ProgramRegister> registers;
    std::vector<ProgramStep> steps;
    int32_t cost = 0;
};

// Throws a refusal for what is not pointwise or has no step.
CompiledProgram compileProgram(const module::GraphView& body);

// The step of an op of one f32 operand and result; nothing for other ops.
std::optional<ProgramStep> floatStep(const module::NodeView& node);

// The class that elements of a type are computed in; throws for types without one.
ElementClass classOf(TnDataType type, std::string_view op);
inline int64_t bytesOfClass(ElementClass type) {
    return type == ElementClass::kLong ? 8 : type == ElementClass::kBool ? 1 : 4;
}

} // namespace tenon::cpu
