#include "tests/golden/golden_file.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sstream>

namespace tenon::golden {

namespace {

constexpr const char* kCase = "// ==== ";
constexpr const char* kResult = "// ----";

bool startsWith(const std::string& text, const std::string& prefix) {
    return text.compare(0, prefix.size(), prefix) == 0;
}

void readHeaderLine(const std::string& line, GoldenFile& file) {
    const std::string passes = "// passes: ";
    if (startsWith(line, passes)) {
        std::istringstream names(line.substr(passes.size()));
        for (std::string name; names >> name;) {
            file.passes.push_back(name);
        }
    }
    file.showsWeights = file.showsWeights || line == "// show: weights";
}

} // namespace

std::vector<std::string> goldenFiles(const std::string& folder) {
    std::vector<std::string> paths;
    for (const auto& entry : std::filesystem::directory_iterator(folder)) {
        if (entry.path().extension() == ".tir") {
            paths.push_back(entry.path().string());
        }
    }
    std::sort(paths.begin(), paths.end());
    return paths;
}

GoldenFile readGolden(const std::string& path) {
    GoldenFile file;
    file.path = path;
    file.name = std::filesystem::path(path).stem().string();
    std::ifstream in(path);
    std::string* part = &file.header;
    for (std::string line; std::getline(in, line);) {
        if (startsWith(line, kCase)) {
            file.cases.push_back({line.substr(std::string(kCase).size()), "", ""});
            part = &file.cases.back().input;
        } else if (line == kResult && !file.cases.empty()) {
            part = &file.cases.back().expected;
        } else {
            if (part == &file.header) {
                readHeaderLine(line, file);
            }
            *part += line + "\n";
        }
    }
    if (file.passes.empty()) {
        file.passes.push_back(file.name);
    }
    return file;
}

void writeGolden(const GoldenFile& file) {
    std::ofstream out(file.path);
    out << file.header;
    for (const GoldenCase& each : file.cases) {
        out << kCase << each.title << "\n" << each.input << kResult << "\n" << each.expected;
    }
}

} // namespace tenon::golden
