#include "tools/common/data_set.h"

#include "core/support/file_map.h"
#include "core/support/text.h"
#include "tools/common/exit_code.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <filesystem>
#include <map>
#include <optional>

namespace tenon::tools {

namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;
using support::cat;

[[noreturn]] void damaged(const fs::path& path, const std::string& why) {
    throw ToolError(ExitCode::kBadInput, cat("'", path.string(), "': ", why));
}

uint64_t splitmix64(uint64_t seed, uint64_t index) {
    uint64_t z = seed + (index + 1) * 0x9E3779B97F4A7C15ull;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ull;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBull;
    return z ^ (z >> 31);
}

// Fills a tensor as its entry in inputs.json says.
HostTensor generate(const Json& entry, const fs::path& path) {
    HostTensor tensor;
    tensor.name = entry.at("name").get<std::string>();
    std::string dtype = entry.at("dtype").get<std::string>();
    const std::optional<ir::DataType> known = typeOfNumpy(dtype);
    if (!known) {
        damaged(path, cat("unknown dtype '", dtype, "'"));
    }
    tensor.dtype = *known;
    tensor.dims = entry.at("shape").get<std::vector<int64_t>>();
    tensor.resize();
    std::string kind = entry.at("gen").get<std::string>();
    int64_t count = tensor.elements();
    if (kind == "constant") {
        double value = entry.at("value").is_boolean() ? entry.at("value").get<bool>() : entry.at("value").get<double>();
        for (int64_t i = 0; i < count; ++i) {
            tensor.setNumberAt(i, value);
        }
        return tensor;
    }
    auto seed = entry.at("seed").get<uint64_t>();
    if (kind == "splitmix64_uniform") {
        auto low = entry.at("lo").get<float>();
        auto high = entry.at("hi").get<float>();
        for (int64_t i = 0; i < count; ++i) {
            float unit = static_cast<float>(splitmix64(seed, static_cast<uint64_t>(i)) >> 40) * 0x1p-24f;
            // Rounded after each step: the reference was made without fused multiply-add.
            volatile float scaled = (high - low) * unit;
            tensor.setNumberAt(i, static_cast<double>(low + scaled));
        }
        return tensor;
    }
    if (kind == "splitmix64_int") {
        auto low = entry.at("lo").get<int64_t>();
        auto high = entry.at("hi").get<int64_t>();
        uint64_t range = static_cast<uint64_t>(high - low) + 1;
        for (int64_t i = 0; i < count; ++i) {
            tensor.setNumberAt(
                i, static_cast<double>(low + static_cast<int64_t>(splitmix64(seed, static_cast<uint64_t>(i)) % range)));
        }
        return tensor;
    }
    damaged(path, cat("unknown generator '", kind, "'"));
}

std::map<int64_t, Json> entriesOf(const fs::path& path) {
    std::map<int64_t, Json> entries;
    if (!fs::exists(path)) {
        return entries;
    }
    support::Result<support::FileMap> file = support::FileMap::open(path.string());
    if (!file.ok()) {
        throw ToolError(exitCodeOf(file.status()), file.status().message());
    }
    try {
        for (const Json& entry : Json::parse(file->text())) {
            entries[entry.at("index").get<int64_t>()] = entry;
        }
    } catch (const Json::exception& error) {
        damaged(path, error.what());
    }
    return entries;
}

DataSet readDataSet(const fs::path& folder) {
    DataSet set;
    set.name = folder.filename().string();
    std::map<int64_t, Json> inputs = entriesOf(folder / "inputs.json");
    std::map<int64_t, Json> outputs = entriesOf(folder / "outputs.json");
    for (int64_t i = 0;; ++i) {
        fs::path file = folder / cat("input_", i, ".pb");
        if (fs::exists(file)) {
            set.inputs.push_back(readTensorFile(file.string()));
        } else if (inputs.count(i)) {
            try {
                set.inputs.push_back(generate(inputs[i], folder / "inputs.json"));
            } catch (const Json::exception& error) {
                damaged(folder / "inputs.json", error.what());
            }
        } else {
            break;
        }
    }
    for (int64_t i = 0;; ++i) {
        fs::path whole = folder / cat("output_", i, ".pb");
        fs::path sampled = folder / cat("output_", i, ".sampled.pb");
        ExpectedOutput output;
        try {
            if (outputs.count(i)) {
                output.random = outputs[i].value("random", false);
                output.stride = outputs[i].value("stride", int64_t{1});
                output.fullDims = outputs[i].value("shape", std::vector<int64_t>{});
                output.tensor.name = outputs[i].value("name", std::string());
            }
        } catch (const Json::exception& error) {
            damaged(folder / "outputs.json", error.what());
        }
        std::string name = output.tensor.name;
        if (fs::exists(sampled)) {
            output.tensor = readTensorFile(sampled.string());
        } else if (fs::exists(whole)) {
            output.tensor = readTensorFile(whole.string());
            output.stride = 1;
            output.fullDims.clear();
        } else if (!output.random) {
            break;
        }
        if (!name.empty()) {
            output.tensor.name = name;
        }
        set.outputs.push_back(std::move(output));
    }
    return set;
}

} // namespace

std::vector<DataSet> readDataSets(const std::string& path) {
    std::error_code error;
    if (!fs::is_directory(path, error)) {
        throw ToolError(
            ExitCode::kBadInput,
            cat("'", path, "' is no folder; expected a model folder with test_data_set_*, or one data set"));
    }
    std::vector<fs::path> folders;
    for (const fs::directory_entry& entry : fs::directory_iterator(path)) {
        if (entry.is_directory() && entry.path().filename().string().starts_with("test_data_set_")) {
            folders.push_back(entry.path());
        }
    }
    std::sort(folders.begin(), folders.end());
    if (folders.empty()) {
        folders.push_back(path);
    }
    std::vector<DataSet> sets;
    for (const fs::path& folder : folders) {
        sets.push_back(readDataSet(folder));
        if (sets.back().outputs.empty()) {
            damaged(folder, "it holds no expected output (output_0.pb)");
        }
    }
    return sets;
}

} // namespace tenon::tools
