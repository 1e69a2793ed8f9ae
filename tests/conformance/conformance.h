// Runs conformance cases on a module and compares with the reference.
//
// Who uses it: conformance_test.cpp and `tenon modules --test LIB`. README.md says what is checked. What it must not know: core headers.
#pragma once

#include "tests/conformance/case_reader.h"
#include "tests/conformance/loaded_module.h"

#include <string>
#include <vector>

namespace tenon::conformance {

enum class Outcome {
    kPassed,
    kUnsupported,       // refused, and that was to be expected
    kExpectedFailure,   // failed, and that was to be expected
    kFailed,            // a wrong answer, a crash into a guard, a refusal that is not in the list
    kUnexpectedSupport, // listed as unsupported or failing, but it passed: take it from the list
};

struct CaseResult {
    std::string name;
    Outcome outcome = Outcome::kPassed;
    std::string detail;      // why it failed, or the module's reason for refusing
    int tactics = 0;         // how many were run
    int reduced = 0;         // of them, with 32-bit floats kept in 16 bits: judged by relative distance
    double microseconds = 0; // of the fastest tactic, one thread team of `Options::threads`; 0: not timed
    std::string fastest;     // its name
};

struct Options {
    int threads = 2;
    std::string filter;                   // pattern of case names; empty: all
    std::vector<std::string> unsupported; // patterns
    std::vector<std::string> fails;
    bool strict = false; // refusals that no pattern names are failures
    bool time = false;
    bool compileOnly = false; // kernels are compiled and read back, none is run: for devices that are not there
    bool sample = false;      // with compileOnly: the first case of each op in a file is compiled, all are offered
};

struct Report {
    std::vector<CaseResult> results;
    std::string error; // a case file that could not be read

    int count(Outcome outcome) const;
    bool passed() const {
        return error.empty() && count(Outcome::kFailed) == 0 && count(Outcome::kUnexpectedSupport) == 0;
    }
};

// Appends one result per case. Both modules must be initialised; they may be the same one, which then is held to the known answers only.
void runConformance(const ModuleTables& underTest, const ModuleTables& reference, const CaseFile& cases,
                    const Options& options, Report& report);

// "*" any text, "?" one character.
bool matchesPattern(std::string_view pattern, std::string_view text);
// Patterns of a list file, one a line; `exists` says whether there is such a file.
std::vector<std::string> readPatterns(const std::string& path, bool& exists);

} // namespace tenon::conformance
