// Reference inputs and outputs of a model: the layout of the ONNX backend tests, with generated inputs and sampled outputs.
// Used by `tenon run --check` and by `--data` of build and bench.
#pragma once

#include "tools/common/host_tensor.h"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace tenon::tools {

// An expected output. With stride above 1 only every stride-th element of the flattened output is kept.
struct ExpectedOutput {
    HostTensor tensor;
    int64_t stride = 1;
    std::vector<int64_t> fullDims; // of the whole output; empty: those of the tensor
    bool random = false;           // of a random op: not compared
};

struct DataSet {
    std::string name;
    std::vector<HostTensor> inputs; // in the order of the graph's inputs that are not initialisers
    std::vector<ExpectedOutput> outputs;
};

// A model folder (all test_data_set_*) or one data set. Throws ToolError(kBadInput).
std::vector<DataSet> readDataSets(const std::string& path);

} // namespace tenon::tools
