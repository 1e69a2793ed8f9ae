// Where a node came from: a sorted set of names of API layers and ONNX nodes.
// Union-ed by GraphEditor on every replacement; spoken by inspector, profiler, ledger and refit.
#pragma once

#include <string>
#include <vector>

namespace tenon::ir {

class SourceSet {
public:
    SourceSet() = default;
    explicit SourceSet(std::string name) { mNames.push_back(std::move(name)); }
    void add(const std::string& name);
    void merge(const SourceSet& other);
    bool empty() const { return mNames.empty(); }
    const std::vector<std::string>& names() const { return mNames; }
    std::string joined(const char* separator = " + ") const;
    friend bool operator==(const SourceSet&, const SourceSet&) = default;

private:
    std::vector<std::string> mNames; // sorted, unique
};

} // namespace tenon::ir
