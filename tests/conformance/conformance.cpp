#include "tests/conformance/conformance.h"

#include "tests/conformance/task_runner.h"

#include "backends/common/elements.h"

#include <cmath>
#include <cstring>
#include <fstream>

namespace tenon::conformance {

namespace {

using Bytes = std::vector<std::byte>;

struct Tolerance {
    double rtol = 0;
    double atol = 0;
};

// Room for another order of summation and for polynomials of a few units in the last place.
Tolerance toleranceOf(TnDataType type, const Case& from) {
    Tolerance tolerance;
    switch (type) {
    case TN_F64:
        tolerance = {1e-11, 1e-12};
        break;
    case TN_F32:
        tolerance = {1e-5, 2e-6};
        break;
    case TN_F16:
        tolerance = {2e-3, 1e-4};
        break;
    case TN_BF16:
        tolerance = {1.6e-2, 1e-3};
        break;
    default:
        break;
    }
    return {from.rtol >= 0 ? from.rtol : tolerance.rtol, from.atol >= 0 ? from.atol : tolerance.atol};
}

double floatAt(TnDataType type, const Bytes& bytes, size_t i) {
    double value = 0;
    kernels::dispatchFloat(type, [&](auto tag) {
        typename decltype(tag)::Type stored{};
        std::memcpy(&stored, bytes.data() + i * sizeof stored, sizeof stored);
        value = kernels::widen(stored);
    });
    return value;
}

std::string number(double value) {
    char text[40];
    std::snprintf(text, sizeof text, "%.9g", value);
    return text;
}

// Empty, or where and how far the two differ.
std::string difference(const TensorText& type, const Bytes& found, const Bytes& wanted, const Tolerance& tolerance) {
    const auto size = static_cast<size_t>(kernels::bytesOf(type.dtype));
    if (found.size() != wanted.size()) {
        return module::text("the output has ", found.size(), " bytes instead of ", wanted.size());
    }
    size_t bad = 0;
    std::string first;
    for (size_t i = 0; i < found.size() / size; ++i) {
        std::string here;
        if (kernels::contains(kernels::kFloats, type.dtype)) {
            const double a = floatAt(type.dtype, found, i);
            const double b = floatAt(type.dtype, wanted, i);
            const bool same = (std::isnan(a) && std::isnan(b)) || a == b ||
                              std::fabs(a - b) <= tolerance.atol + tolerance.rtol * std::fabs(b);
            here = same ? "" : module::text(number(a), " instead of ", number(b));
        } else if (std::memcmp(found.data() + i * size, wanted.data() + i * size, size) != 0) {
            int64_t a = 0;
            int64_t b = 0;
            std::memcpy(&a, found.data() + i * size, size);
            std::memcpy(&b, wanted.data() + i * size, size);
            if (type.dtype == TN_I8) {
                a = static_cast<int8_t>(a);
                b = static_cast<int8_t>(b);
            }
            // Quantized results may be allowed a step.
            const bool same = std::fabs(static_cast<double>(a) - static_cast<double>(b)) <= tolerance.atol;
            here = same ? "" : module::text(a, " instead of ", b);
        }
        if (!here.empty() && ++bad == 1) {
            first = module::text("element ", i, " is ", here);
        }
    }
    return bad == 0
               ? ""
               : module::text(first, bad > 1 ? module::text(" (", bad, " of ", found.size() / size, " differ)") : "");
}

Bytes expectedBytes(const OutputText& output) {
    Case filler;
    filler.inputs.emplace_back();
    filler.inputs[0].type = output.type;
    filler.inputs[0].fill = FillKind::kValues;
    filler.inputs[0].numbers = output.expected;
    filler.inputs[0].integers = output.expectedIntegers;
    return output.expected.empty() ? Bytes() : fillInput(filler, 0);
}

std::vector<Bytes> portInputs(const BuiltTask& task, const std::vector<Bytes>& data) {
    std::vector<Bytes> inputs;
    for (int32_t input : task.inputPorts) {
        inputs.push_back(data[static_cast<size_t>(input)]);
    }
    return inputs;
}

// The reference's answer, per present output; an error otherwise.
std::string referenceOutputs(const ModuleTables& reference, const Case& from, const std::vector<Bytes>& data,
                             std::vector<Bytes>& outputs) {
    std::vector<Bytes> results;
    for (size_t s = 0; s < from.statements.size(); ++s) {
        const bool alone = from.statements.size() == 1;
        const Case single = alone ? from : statementAlone(from, s);
        std::vector<Bytes> operands = data;
        if (!alone) {
            operands.clear();
            for (int32_t operand : from.statements[s].operands) {
                operands.push_back(operand < 0 ? Bytes()
                                   : operand >= StatementText::kStatementBase
                                       ? results[static_cast<size_t>(operand - StatementText::kStatementBase)]
                                       : data[static_cast<size_t>(operand)]);
            }
        }
        BuiltTask task;
        buildTask(single, operands, false, task);
        Refusal refusal;
        const std::vector<KeptTactic> tactics = tacticsOf(reference, task.task, 1, refusal);
        if (tactics.empty()) {
            return "the reference refuses " + single.statements[0].op + ": " + refusal.reason;
        }
        RunResult run = runTactic(reference, single, task, tactics[0], portInputs(task, operands), {});
        if (!run.error.empty()) {
            return "the reference fails: " + run.error;
        }
        if (alone) {
            outputs = std::move(run.outputs);
            return {};
        }
        results.push_back(std::move(run.outputs[0]));
    }
    // The last statements are the outputs.
    for (size_t o = 0; o < from.outputs.size(); ++o) {
        if (from.outputs[o].present) {
            outputs.push_back(results[from.statements.size() - from.outputs.size() + o]);
        }
    }
    return {};
}

std::string compare(const Case& from, const BuiltTask& task, const RunResult& run, const std::vector<Bytes>& wanted) {
    for (size_t o = 0; o < task.outputPorts.size(); ++o) {
        const OutputText& output = from.outputs[static_cast<size_t>(task.outputPorts[o])];
        const Tolerance tolerance = toleranceOf(output.type.dtype, from);
        const std::string wrong = difference(output.type, run.outputs[o], wanted[o], tolerance);
        if (!wrong.empty()) {
            return module::text("output ", o, ": ", wrong);
        }
        if (output.hasExpected) {
            const auto size = static_cast<size_t>(kernels::bytesOf(output.type.dtype));
            if (output.expected.size() != run.outputs[o].size() / size) {
                return module::text("the known answer has ", output.expected.size(), " elements instead of ",
                                    run.outputs[o].size() / size);
            }
            const std::string unexpected = difference(output.type, run.outputs[o], expectedBytes(output), tolerance);
            if (!unexpected.empty()) {
                return module::text("output ", o, " against the known answer: ", unexpected);
            }
        }
    }
    return {};
}

// What is compiled once for all runs: on the host the number of threads may be part of it, and compilers of devices are slow.
CompiledBlob* keptOn(const ModuleTables& tables, CompiledBlob& blob) {
    return tables.device.backend != nullptr ? &blob : nullptr;
}

// May write an output over one of its inputs.
bool aliases(const KeptTactic& tactic) {
    return std::any_of(tactic.mayAlias.begin(), tactic.mayAlias.end(), [](int32_t input) { return input >= 0; });
}

// Runs a tactic in all ways that it promises to work.
std::string tryTactic(const ModuleTables& tables, const Case& from, const BuiltTask& task, const KeptTactic& tactic,
                      const std::vector<Bytes>& inputs, const std::vector<Bytes>* wanted, const Options& options,
                      double& microseconds) {
    CompiledBlob blob;
    CompiledBlob* const kept = keptOn(tables, blob);
    const RunResult single = runTactic(tables, from, task, tactic, inputs, {.kept = kept});
    if (!single.error.empty()) {
        return single.error;
    }
    const std::vector<Bytes>& expected = wanted != nullptr ? *wanted : single.outputs;
    if (std::string wrong = compare(from, task, single, expected); !wrong.empty()) {
        return wrong;
    }
    const RunResult team = runTactic(tables, from, task, tactic, inputs,
                                     {.threads = options.threads, .time = options.time, .record = true, .kept = kept});
    if (!team.error.empty()) {
        return module::text("with ", options.threads, " threads: ", team.error);
    }
    microseconds = team.microseconds;
    if (std::string wrong = compare(from, task, team, expected); !wrong.empty()) {
        return module::text("with ", options.threads, " threads: ", wrong);
    }
    if ((tactic.traits & TN_TRAIT_DETERMINISTIC) != 0 && team.outputs != single.outputs) {
        return module::text("one thread and ", options.threads,
                            " give different bytes, but the tactic says it is deterministic");
    }
    if (aliases(tactic)) {
        const RunResult inPlace =
            runTactic(tables, from, task, tactic, inputs, {.threads = options.threads, .inPlace = true, .kept = kept});
        if (!inPlace.error.empty()) {
            return "in place: " + inPlace.error;
        }
        if (std::string wrong = compare(from, task, inPlace, expected); !wrong.empty()) {
            return "in place: " + wrong;
        }
    }
    return {};
}

// Tactics that keep 32-bit floats in 16 bits cannot agree element by element: the relative distance of whole outputs counts. Values that a
// 16-bit type does not hold are left out.
std::string compareReduced(const Case& from, const BuiltTask& task, const RunResult& run,
                           const std::vector<Bytes>& wanted, TnDataType type) {
    for (size_t o = 0; o < task.outputPorts.size(); ++o) {
        const TnDataType own = from.outputs[static_cast<size_t>(task.outputPorts[o])].type.dtype;
        if (!kernels::contains(kernels::kFloats, own)) {
            continue;
        }
        const auto size = static_cast<size_t>(kernels::bytesOf(own));
        double apart = 0;
        double whole = 0;
        for (size_t i = 0; i < wanted[o].size() / size; ++i) {
            const double a = floatAt(own, run.outputs[o], i);
            const double b = floatAt(own, wanted[o], i);
            if (std::fabs(b) < 3e4) {
                apart += std::isfinite(a) ? (a - b) * (a - b) : 1e30;
                whole += b * b;
            }
        }
        const double limit = type == TN_F16 ? 1e-2 : 6e-2;
        if (apart > limit * limit * whole + 1e-6) {
            return module::text("output ", o, " is ", number(std::sqrt(apart / (whole + 1e-30))),
                                " of its length away");
        }
    }
    return {};
}

// Inputs that a 16-bit type rounds to something close to them in every way that an op may look at them.
bool suitReduced(const Case& from, const std::vector<Bytes>& data) {
    for (size_t i = 0; i < data.size(); ++i) {
        if (from.inputs[i].type.dtype != TN_F32) {
            continue;
        }
        for (size_t k = 0; k < data[i].size() / sizeof(float); ++k) {
            const double x = std::fabs(floatAt(TN_F32, data[i], k));
            if (!(x <= 10) || (x != 0 && x < 1e-4)) {
                return false;
            }
        }
    }
    return true;
}

// A rounded input may lie on the other side of a step: nothing can be said about the output.
bool hasSteps(const Case& from) {
    constexpr std::string_view kStepping[] = {
        "unary.floor", "unary.ceil", "unary.round", "unary.sign", "binary.floor_div",           "binary.mod",
        "cast",        "topk",       "unary.tan",   "quantize",   "activation.thresholded_relu"};
    for (const StatementText& statement : from.statements) {
        for (const std::string_view op : kStepping) {
            if (statement.op == op) {
                return true;
            }
        }
    }
    return false;
}

// 32-bit float tensors as 16-bit ones too, where tactics offer it.
std::string runReduced(const ModuleTables& tables, const Case& from, const std::vector<Bytes>& data,
                       const std::vector<Bytes>& wanted, const Options& options, CaseResult& result) {
    BuiltTask task;
    buildTask(from, data, false, task);
    task.task.compute_types |= uint64_t{1} << TN_F16 | uint64_t{1} << TN_BF16;
    Refusal refusal;
    for (const KeptTactic& tactic : tacticsOf(tables, task.task, options.threads, refusal)) {
        TnDataType type = TN_F32;
        for (size_t i = 0; i < tactic.inputs.size(); ++i) {
            const TnDataType own = from.inputs[static_cast<size_t>(task.inputPorts[i])].type.dtype;
            type = own == TN_F32 && tactic.inputs[i].dtype != own ? tactic.inputs[i].dtype : type;
        }
        if (type != TN_F16 && type != TN_BF16) {
            continue;
        }
        if (options.compileOnly) {
            if (std::string wrong = compileAndRead(tables, task.task, tactic); !wrong.empty()) {
                return module::text("tactic '", tactic.name, "': ", wrong);
            }
            ++result.tactics;
            ++result.reduced;
            continue;
        }
        CompiledBlob blob;
        std::vector<std::pair<int, bool>> ways{{1, false}, {options.threads, false}}; // threads, in place
        if (aliases(tactic)) {
            ways.emplace_back(options.threads, true);
        }
        for (const auto& [threads, inPlace] : ways) {
            const RunResult run = runTactic(tables, from, task, tactic, portInputs(task, data),
                                            {.threads = threads, .inPlace = inPlace, .kept = keptOn(tables, blob)});
            std::string wrong = run.error;
            if (wrong.empty() && !hasSteps(from) && suitReduced(from, data)) {
                wrong = compareReduced(from, task, run, wanted, type);
            }
            if (!wrong.empty()) {
                return module::text("tactic '", tactic.name, "' with ", threads, " threads",
                                    inPlace ? ", in place" : "", ": ", wrong);
            }
        }
        ++result.tactics;
        ++result.reduced;
    }
    return {};
}

std::string runCase(const ModuleTables& underTest, const ModuleTables& reference, const Case& from,
                    const Options& options, bool compiles, CaseResult& result, bool& refused) {
    std::vector<Bytes> data;
    for (size_t i = 0; i < from.inputs.size(); ++i) {
        data.push_back(from.inputs[i].present ? fillInput(from, i) : Bytes());
    }
    std::vector<Bytes> wanted;
    const bool isReference = &underTest == &reference;
    if (options.compileOnly) {
        // Nothing is compared.
    } else if (!isReference) {
        if (std::string error = referenceOutputs(reference, from, data, wanted); !error.empty()) {
            return error;
        }
    } else if (from.statements.size() > 1) {
        refused = true;
        result.detail = "regions are run op by op by the reference";
        return {};
    }
    for (const bool dynamic : {false, true}) {
        BuiltTask task;
        buildTask(from, data, dynamic, task);
        Refusal refusal;
        const std::vector<KeptTactic> tactics = tacticsOf(underTest, task.task, options.threads, refusal);
        if (tactics.empty()) {
            if (dynamic) {
                continue; // may be a matter of static extents
            }
            refused = true;
            result.detail = refusal.reason;
            if (refusal.reason.empty()) {
                return "refused without a reason";
            }
            break;
        }
        for (const KeptTactic& tactic : tactics) {
            if (options.compileOnly) {
                const std::string wrong = compiles ? compileAndRead(underTest, task.task, tactic) : std::string();
                if (!wrong.empty()) {
                    return module::text("tactic '", tactic.name, "': ", wrong);
                }
                result.tactics += compiles ? 1 : 0;
                continue;
            }
            double microseconds = 0;
            const std::string wrong = tryTactic(underTest, from, task, tactic, portInputs(task, data),
                                                isReference ? nullptr : &wanted, options, microseconds);
            if (!wrong.empty()) {
                std::string ports;
                for (const TnPortFormat& port : tactic.inputs) {
                    ports += module::text(' ', module::describe(port.format));
                }
                return module::text("tactic '", tactic.name, "'", dynamic ? " with dynamic extents" : "", " on", ports,
                                    ": ", wrong);
            }
            ++result.tactics;
            if (microseconds > 0 && (result.microseconds == 0 || microseconds < result.microseconds)) {
                result.microseconds = microseconds;
                result.fastest = tactic.name;
            }
        }
    }
    if (!compiles || from.statements[0].op == "convert") {
        return {};
    }
    const std::string wrong = runReduced(underTest, from, data, wanted, options, result);
    // A region may be computed in 16 bits alone.
    refused = refused && (from.statements.size() == 1 || result.reduced == 0);
    return wrong;
}

bool matchesAny(const std::vector<std::string>& patterns, const std::string& name) {
    for (const std::string& pattern : patterns) {
        if (matchesPattern(pattern, name)) {
            return true;
        }
    }
    return false;
}

} // namespace

int Report::count(Outcome outcome) const {
    int found = 0;
    for (const CaseResult& each : results) {
        found += each.outcome == outcome ? 1 : 0;
    }
    return found;
}

bool matchesPattern(std::string_view pattern, std::string_view text) {
    if (pattern.empty()) {
        return text.empty();
    }
    if (pattern[0] == '*') {
        for (size_t skip = 0; skip <= text.size(); ++skip) {
            if (matchesPattern(pattern.substr(1), text.substr(skip))) {
                return true;
            }
        }
        return false;
    }
    return !text.empty() && (pattern[0] == '?' || pattern[0] == text[0]) &&
           matchesPattern(pattern.substr(1), text.substr(1));
}

std::vector<std::string> readPatterns(const std::string& path, bool& exists) {
    std::ifstream stream(path);
    exists = static_cast<bool>(stream);
    std::vector<std::string> patterns;
    std::string line;
    while (std::getline(stream, line)) {
        line = line.substr(0, line.find(' '));
        if (!line.empty() && line[0] != '!') {
            patterns.push_back(line);
        }
    }
    return patterns;
}

void runConformance(const ModuleTables& underTest, const ModuleTables& reference, const CaseFile& cases,
                    const Options& options, Report& report) {
    if (!cases.error.empty()) {
        report.error = cases.error;
        return;
    }
    std::string lastOp;
    for (const Case& each : cases.cases) {
        if (!options.filter.empty() && !matchesPattern(options.filter, each.name)) {
            continue;
        }
        CaseResult result;
        result.name = each.name;
        bool refused = false;
        const std::string& op = each.statements[0].op;
        const bool compiles = !options.sample || op != lastOp;
        lastOp = op;
        const std::string wrong = runCase(underTest, reference, each, options, compiles, result, refused);
        const bool listedUnsupported = matchesAny(options.unsupported, each.name);
        const bool listedFailing = matchesAny(options.fails, each.name);
        if (!wrong.empty()) {
            result.outcome = listedFailing ? Outcome::kExpectedFailure : Outcome::kFailed;
            result.detail = module::text(cases.path, ':', each.lineNumber, ": ", wrong);
        } else if (refused) {
            const bool surprising = options.strict && !listedUnsupported && each.statements.size() == 1;
            result.outcome = surprising ? Outcome::kFailed : Outcome::kUnsupported;
            result.detail = module::text(surprising ? "refused without being listed: " : "", result.detail);
        } else if (listedUnsupported || listedFailing) {
            result.outcome = Outcome::kUnexpectedSupport;
            result.detail = "it passes now: take it from the list";
        }
        report.results.push_back(std::move(result));
    }
}

} // namespace tenon::conformance
