// tenon run: one inference, with outputs printed, written or checked.
#include "core/support/text.h"
#include "tools/common/compare.h"
#include "tools/common/file_kind.h"
#include "tools/common/output_file.h"
#include "tools/common/pipe_input.h"
#include "tools/common/plan_summary.h"
#include "tools/tenon/verb.h"

#include <nlohmann/json.hpp>

#include <cmath>
#include <cstdio>
#include <filesystem>
#include <memory>

namespace tenon::tools {

namespace {

struct RunOptions {
    std::string model;
    std::vector<std::string> inputs;
    std::string outputDir;
    std::string check;
    std::optional<double> rtol;
    std::optional<double> atol;
    BuildFlags build;
    CommonFlags common;
};

std::unique_ptr<EngineSession> open(const RunOptions& options, const std::vector<DataSet>& sets, ConsoleLogger& logger,
                                    double& buildSeconds) {
    BuildSettings settings = options.build.settings(logger);
    settings.shapesFrom = sets;
    settings.dataIsRun = true;
    if (isPlanFile(options.model)) {
        options.build.shapesOfPlan(options.model);
        loadExtensions(settings.modules, settings.plugins, logger);
        return EngineSession::fromFile(options.model, settings.threads, logger);
    }
    for (const DataSet& set : options.inputs.empty() ? std::vector<DataSet>() : sets) {
        for (const HostTensor& input : set.inputs) {
            settings.shapesToRun[input.name] = input.dims;
        }
    }
    BuiltPlan built = buildPlan(options.model, settings, logger);
    buildSeconds = built.seconds;
    return EngineSession::fromMemory(built.plan->data(), built.plan->size(), settings.threads, logger);
}

std::string fileNameOf(const std::string& tensor) {
    std::string name = tensor;
    for (char& c : name) {
        c = (std::isalnum(static_cast<unsigned char>(c)) || c == '.' || c == '_' || c == '-') ? c : '_';
    }
    return name + ".npy";
}

// Writes them as .npy into the folder; the files.
std::vector<std::string> writeOutputs(const std::string& folder, const std::vector<HostTensor>& outputs) {
    std::vector<std::string> files;
    for (const HostTensor& output : outputs) {
        files.push_back((std::filesystem::path(folder) / fileNameOf(output.name)).string());
        writeNpy(files.back(), output);
    }
    return files;
}

nlohmann::json numberJson(double value) {
    return std::isfinite(value) ? nlohmann::json(value) : nlohmann::json(value > 0 ? "inf" : "nan");
}

// As `format` has it; a dash where there is none.
std::string numberOrDash(const char* format, double number) {
    char text[32];
    std::snprintf(&text[0], sizeof text, format, number);
    return std::isnan(number) ? "-" : &text[0];
}

ExitCode check(const RunOptions& options, ConsoleLogger& logger) {
    std::vector<DataSet> sets = readDataSets(options.check);
    double buildSeconds = 0;
    std::unique_ptr<EngineSession> session = open(options, sets, logger, buildSeconds);
    bool passed = true;
    size_t compared = 0;
    bool strict = false; // an f32 output failed the default, which is that of f32
    nlohmann::json setsJson = nlohmann::json::array();
    for (DataSet& set : sets) {
        try {
            session->bind(set.inputs);
            session->enqueue();
        } catch (const ToolError& error) { // the other sets still say something
            if (error.code() == ExitCode::kStopped || sets.size() == 1) {
                throw;
            }
            passed = false;
            setsJson.push_back({{"name", set.name},
                                {"passed", false},
                                {"reason", error.what()},
                                {"outputs", nlohmann::json::array()}});
            if (!options.common.json) {
                std::printf("%s not run: %s%s\n", set.name.c_str(), error.what(),
                            error.code() == ExitCode::kUsage
                                ? "; build --data FOLDER makes a plan for the shapes of all data sets"
                                : "");
            }
            continue;
        }
        std::vector<HostTensor> outputs = session->outputs();
        std::vector<std::string> files;
        if (!options.outputDir.empty()) {
            const std::string folder = (std::filesystem::path(options.outputDir) / set.name).string();
            checkOutputFolder(folder);
            files = writeOutputs(folder, outputs);
        }
        nlohmann::json outputsJson = nlohmann::json::array();
        bool setPassed = outputs.size() >= set.outputs.size();
        for (size_t i = 0; i < set.outputs.size(); ++i) {
            Comparison result;
            std::string tolerance;
            if (i < outputs.size()) {
                const bool own = options.rtol || options.atol;
                Tolerances tolerances = defaultTolerances(outputs[i].dtype, !own && session->isQuantized());
                tolerances.rtol = options.rtol.value_or(tolerances.rtol);
                tolerances.atol = options.atol.value_or(tolerances.atol);
                tolerance = tolerances.text(outputs[i].dtype);
                result = compareOutput(outputs[i], set.outputs[i], tolerances);
                compared += result.skipped ? 0 : 1;
            } else {
                result.name = set.outputs[i].tensor.name;
                result.reason = "the engine has no such output";
            }
            setPassed = setPassed && result.ok;
            strict = strict || (!result.ok && i < outputs.size() && outputs[i].dtype == ir::DataType::kF32 &&
                                !options.rtol && !options.atol);
            outputsJson.push_back({{"name", result.name},
                                   {"max_abs", numberJson(result.maxAbs)},
                                   {"max_rel", numberJson(result.maxRel)},
                                   {"cosine", numberJson(result.cosine)},
                                   {"distance", numberJson(result.distance)},
                                   {"tolerance", tolerance},
                                   {"ok", result.ok}});
            if (!result.reason.empty()) {
                outputsJson.back()["reason"] = result.reason;
            }
            if (i < files.size()) {
                outputsJson.back()["file"] = files[i];
            }
            if (!options.common.json) {
                std::printf("%s %-8s %s: max abs %.3g, max rel %s, cosine %s (%s)%s%s\n", set.name.c_str(),
                            result.skipped ? "skipped"
                            : result.ok    ? "ok"
                                           : "WRONG",
                            result.name.c_str(), result.maxAbs, numberOrDash("%.3g", result.maxRel).c_str(),
                            numberOrDash("%.6f", result.cosine).c_str(), tolerance.c_str(),
                            result.reason.empty() ? "" : "\n    ", result.reason.c_str());
            }
        }
        passed = passed && setPassed;
        setsJson.push_back({{"name", set.name}, {"passed", setPassed}, {"outputs", std::move(outputsJson)}});
    }
    passed = passed && compared > 0;
    const std::string half = strict ? session->halfType() : "";
    const std::string note = half.empty() ? ""
                                          : support::cat("the plan computes partly in ", half,
                                                         ", and the default tolerance is that of the outputs' type, "
                                                         "f32: give --rtol 0.01 --atol 0.01, or what the use of the "
                                                         "network allows");
    if (options.common.json) {
        nlohmann::json document = {{"passed", passed},
                                   {"data_sets", std::move(setsJson)},
                                   {"load_s", session->loadSeconds()},
                                   {"build_s", buildSeconds},
                                   {"plan_stopped", session->wasStopped()}};
        if (!note.empty()) {
            document["note"] = note;
        }
        std::printf("%s\n", document.dump(1).c_str());
    } else {
        if (!note.empty()) {
            std::printf("note: %s\n", note.c_str());
        }
        std::printf("%s\n", passed ? "PASSED" : compared == 0 ? "FAILED: nothing was compared" : "FAILED");
    }
    return passed ? ExitCode::kOk : ExitCode::kWrong;
}

void describe(const HostTensor& output) {
    std::printf("%s: %s %s", output.name.c_str(), std::string(ir::nameOf(output.dtype)).c_str(),
                shapeText(output.dims).c_str());
    int64_t count = output.elements();
    double low = INFINITY;
    double high = -INFINITY;
    double sum = 0;
    for (int64_t i = 0; i < count; ++i) {
        double value = output.numberAt(i);
        low = std::min(low, value);
        high = std::max(high, value);
        sum += value;
    }
    if (count > 0) {
        std::printf("  min %.6g  max %.6g  mean %.6g ", low, high, sum / static_cast<double>(count));
    }
    std::printf(" [");
    for (int64_t i = 0; i < count && i < 8; ++i) {
        std::printf("%s%.6g", i ? ", " : "", output.numberAt(i));
    }
    std::printf("%s]\n", count > 8 ? ", ..." : "");
}

ExitCode infer(const RunOptions& options, ConsoleLogger& logger) {
    DataSet given;
    for (const std::string& input : options.inputs) {
        size_t equals = input.find('=');
        if (equals == std::string::npos) {
            throw ToolError(ExitCode::kUsage, support::cat("--input '", input, "': expected NAME=FILE"));
        }
        const std::string name = input.substr(0, equals);
        for (const HostTensor& earlier : given.inputs) {
            if (earlier.name == name) {
                throw ToolError(ExitCode::kUsage, support::cat("--input names '", name, "' twice"));
            }
        }
        given.inputs.push_back(readTensorFile(input.substr(equals + 1)));
        given.inputs.back().name = name;
    }
    if (!options.outputDir.empty()) {
        checkOutputFolder(options.outputDir);
    }
    double buildSeconds = 0;
    std::vector<DataSet> sets;
    if (!given.inputs.empty()) {
        sets.push_back(given);
    }
    std::unique_ptr<EngineSession> session = open(options, sets, logger, buildSeconds);
    for (const HostTensor& input : given.inputs) {
        session->requireInput("--input", input.name);
    }
    const bool isPlan = isPlanFile(options.model);
    if (isPlan && !given.inputs.empty() && !options.build.shapes.empty()) {
        throw ToolError(ExitCode::kUsage, "--input brings its own shapes; leave --shapes out");
    }
    std::vector<HostTensor> inputs = given.inputs;
    if (inputs.empty()) {
        if (!options.common.quiet) {
            printLog(nvinfer1::ILogger::Severity::kINFO, "no --input given: random values");
        }
        inputs = session->randomInputs(isPlan ? options.build.shapesOfPlan(options.model)
                                              : std::map<std::string, std::vector<int64_t>>{});
    }
    session->bind(inputs);
    session->enqueue();
    const std::vector<HostTensor> outputs = session->outputs();
    const std::vector<std::string> files =
        options.outputDir.empty() ? std::vector<std::string>{} : writeOutputs(options.outputDir, outputs);
    nlohmann::json outputsJson = nlohmann::json::array();
    for (size_t i = 0; i < outputs.size(); ++i) {
        outputsJson.push_back(
            {{"name", outputs[i].name}, {"shape", outputs[i].dims}, {"dtype", ir::nameOf(outputs[i].dtype)}});
        if (!files.empty()) {
            outputsJson.back()["file"] = files[i];
        }
        if (!options.common.json) {
            describe(outputs[i]);
        }
    }
    if (options.common.json) {
        nlohmann::json document = {{"outputs", std::move(outputsJson)},
                                   {"load_s", session->loadSeconds()},
                                   {"build_s", buildSeconds},
                                   {"plan_stopped", session->wasStopped()}};
        std::printf("%s\n", document.dump(1).c_str());
    }
    return ExitCode::kOk;
}

} // namespace

void addRunVerb(CLI::App& tool, VerbAction& action) {
    auto options = std::make_shared<RunOptions>();
    CLI::App* verb =
        tool.add_subcommand("run", "Run a plan or model on given inputs, or check it against reference data");
    verb->add_option("model", options->model, "ONNX model or plan")->required();
    verb->add_option(
            "--input", options->inputs,
            support::cat("Input tensor, from a .npy or .pb file or pipe; once for each [default: ", kRandomInputs, "]"))
        ->type_name("NAME=FILE")
        ->expected(1)
        ->take_all()
        ->allow_extra_args(false);
    verb->add_option("--output-dir", options->outputDir,
                     "Write every output there as .npy; of --check into a folder for each data set")
        ->type_name("DIR");
    verb->add_option("--check", options->check, "Model folder with test_data_set_*, or one data set, to compare with")
        ->type_name("DIR");
    verb->add_option("--rtol", options->rtol,
                     "Relative tolerance of --check, of every element: |a - e| <= atol + rtol |e| [default: 0.001, of "
                     "outputs of type f16 and bf16 0.01]");
    verb->add_option(
        "--atol", options->atol,
        "Absolute tolerance of --check [default: 0.00001, of outputs of type f16 and bf16 0.01]. Without either, "
        "outputs of networks that quantize activations are compared as a whole: ||a - e|| <= 0.1 ||e||, bytes within 4 "
        "steps and 1 in the root mean square. Each line says what was asked of it");
    options->build.addTo(*verb, "Where the model is no plan yet and is built first");
    options->common.addTo(*verb);
    verb->callback([options, &action] {
        action = [options] {
            ConsoleLogger logger(options->common.threshold());
            options->model = keptFile(options->model);
            if (!options->check.empty() && !options->inputs.empty()) {
                throw ToolError(ExitCode::kUsage, "--check brings its own inputs; leave --input out");
            }
            return options->check.empty() ? infer(*options, logger) : check(*options, logger);
        };
    });
}

} // namespace tenon::tools
