// Tables of inference cases as text, shared by the tests of op families.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace tenon::ops::testing {

// inputs: "f32[N,3]"; "i64[2] = N, 3" with known contents; "const i64[2] [1, 2]"; "-" left out.
// Symbols B C H N S W are extents of graph inputs, E and F elements of shape tensors.
// expected: the outputs' types with known contents as above, separated by "; ", or "error: <text>" as a user sees it.
struct OpCase {
    std::string_view op;         // "split/3": asks for 3 outputs
    std::string_view attributes; // "{axis=1}", or ""
    std::vector<std::string_view> inputs;
    std::string_view expected;
};

std::string inferAsText(const OpCase& testCase);
void expectCases(const std::vector<OpCase>& cases);

// Infers the case with symbols and evaluates the result at these values of B C H N S W E F, and infers it again with the values in place
// of the symbols. Returns what differs, or "". Where the second inference refuses the values there is nothing to compare.
std::string symbolicDiffersFromConstant(const OpCase& testCase, const std::vector<int64_t>& values);

// Parses graph text, infers it with the built-in ops, and returns the type (and contents) of a value as text, or
// "error: ...".
std::string inferredInGraph(std::string_view graph, std::string_view value);

} // namespace tenon::ops::testing
