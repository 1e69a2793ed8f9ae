// Reads and writes golden files. A file is a header of comment lines, then cases:
//
//   // passes: fold_batch_norm constant_fold      (optional header line: what runs; else the pass or pattern of the file's name)
//   // show: weights                              (optional header line: the graph of derivations is printed too)
//   // ==== what the case is about
//   <input>
//   // ----
//   <expected output>
#pragma once

#include <string>
#include <vector>

namespace tenon::golden {

struct GoldenCase {
    std::string title;
    std::string input;
    std::string expected;
};

struct GoldenFile {
    std::string path;
    std::string name; // without folder and ending
    std::string header;
    std::vector<std::string> passes;
    bool showsWeights = false;
    std::vector<GoldenCase> cases;
};

// All files of a folder, by name.
std::vector<std::string> goldenFiles(const std::string& folder);
GoldenFile readGolden(const std::string& path);
void writeGolden(const GoldenFile& file);

} // namespace tenon::golden
