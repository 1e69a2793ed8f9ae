#include "tools/trtexec/options.h"

#include "core/support/text.h"
#include "tenon/tenon.h"
#include "tools/common/exit_code.h"
#include "tools/common/number_range.h"

#include <cstdio>

namespace tenon::tools {

namespace {

using support::cat;

// What TensorRT's tool is told and Tenon need not be. A flag whose absence would make a result less exact is not among them.
struct NeedlessFlag {
    const char* name;
    const char* why;
};
constexpr NeedlessFlag kNeedlessFlags[] = {
    {"memPoolSize", "Tenon takes the memory that the chosen kernels need"},
    {"workspace", "Tenon takes the memory that the chosen kernels need"},
    {"explicitBatch", "every network is one"},
    {"int8", "8-bit kernels are used where the model quantizes; nothing is calibrated"},
    {"minTiming", "each tactic is timed until its time is known well enough"},
    {"heuristic", "every tactic is timed"},
    {"noBuilderCache", "without --timingCacheFile nothing is kept"},
    {"preview", "there are no preview features"},
    {"profilingVerbosity", "a plan always carries every detail of its layers"},
    {"nvtxMode", "steps on a device have ranges, named after ONNX nodes, whenever a profiler listens"},
    {"maxAuxStreams", "a context uses one stream"},
    {"sparsity", "weights are used as they are"},
    {"noDataTransfers", "inputs are copied once, before measuring"},
    {"useManagedMemory", "inputs are copied once, before measuring"},
    {"exposeDMA", "inputs are copied once, before measuring"},
    {"useSpinWait", "threads that wait look before they sleep"},
    {"threads", "every stream has a thread of its own"},
    {"separateProfileRun", "profiles are always runs of their own"},
    {"monitorMemory", "--verbose says what a build takes"},
};

// What only a build looks at.
constexpr const char* kBuildFlags[] = {
    "--fp16",
    "--bf16",
    "--best",
    "--stronglyTyped",
    "--precisionConstraints",
    "--layerPrecisions",
    "--noTF32",
    "--minShapes",
    "--optShapes",
    "--maxShapes",
    "--avgTiming",
    "--maxTactics",
    "--tacticSources",
    "--builderOptimizationLevel",
    "--timingCacheFile",
    "--errorOnTimingCacheMiss",
};

} // namespace

void TrtexecOptions::addTo(CLI::App& tool) {
    const auto count = between(int64_t{1}, int64_t{1} << 40);
    tool.add_option("--onnx", onnx, "ONNX model")->type_name("FILE");
    tool.add_option("--saveEngine", saveEngine,
                    "Write the plan there. A build that Ctrl-C stops leaves its best plan so far: there, or, where a "
                    "file is already, beside it with .stopped at its end")
        ->type_name("PLAN");
    tool.add_option("--loadEngine", loadEngine, "Measure this plan instead of building one")->type_name("PLAN");
    tool.add_option("--minShapes", minShapes,
                    "Smallest shapes: input:1x3x224x224,other:1x4; batch:1 is an extent that the model calls batch, "
                    "at every input that has it; left out: those to optimise for")
        ->type_name("SHAPES");
    tool.add_option("--optShapes", optShapes,
                    "Shapes to optimise for; left out: those of --maxShapes, else of --minShapes, else of --shapes; "
                    "without any, open extents are 1")
        ->type_name("SHAPES");
    tool.add_option("--maxShapes", maxShapes, "Largest shapes; left out: those to optimise for")->type_name("SHAPES");
    tool.add_option("--shapes", shapes,
                    "Shapes to run with, written the same way; left out: what the plan is optimised for")
        ->type_name("SHAPES");
    tool.add_option(
            "--loadInputs", loadInputs,
            cat("Input values: input:file,other:file; raw bytes of the shape that runs, or .npy or .pb; left out: ",
                kRandomInputs))
        ->type_name("INPUTS");
    tool.add_option("--timingCacheFile", timingCacheFile,
                    "File of measured times, read and extended; left out: none are kept")
        ->type_name("FILE");
    tool.add_flag("--errorOnTimingCacheMiss", errorOnTimingCacheMiss, "Fail where the file lacks a time");
    tool.add_option("--plugins,--dynamicPlugins,--staticPlugins", plugins, "Load this plugin library; repeat for more")
        ->type_name("FILE")
        ->allow_extra_args(false);
    tool.add_option("--tacticSources", tacticSources,
                    "Sources of kernels to use (+) or not (-): -CUBLAS_LT,+CUDNN; left out: all")
        ->type_name("SOURCES");
    tool.add_option("--builderOptimizationLevel", level, "0: no timing, for trials; 3: timed; 5: timed for longer")
        ->check(between(0, 5));
    tool.add_option("--avgTiming", avgTiming, "Launches whose mean is one sample of a tactic's time")
        ->check(between(1, 1 << 20));
    tool.add_option("--maxTactics", maxTactics, "Tactics to time per task at most; -1: all");
    tool.add_flag("--fp16", fp16, "Let measured time choose half-precision kernels");
    tool.add_flag("--bf16", bf16, "Let measured time choose bfloat16 kernels");
    tool.add_flag("--best", best, "As --fp16 --bf16");
    tool.add_flag("--stronglyTyped", stronglyTyped, "Keep the element types of the model");
    tool.add_option("--precisionConstraints", precisionConstraints,
                    "What becomes of --layerPrecisions: obey, or the build fails; prefer; none")
        ->check(CLI::IsMember({"obey", "prefer", "none"}));
    tool.add_option("--layerPrecisions", layerPrecisions,
                    "Types of layers, fp32, fp16 or bf16: *:fp16,layer:fp32; * in a name stands for anything, later "
                    "ones override earlier ones, and * by itself is for the layers that no other names")
        ->type_name("NAME:TYPE[,...]")
        ->delimiter(',')
        ->allow_extra_args(false);
    tool.add_flag("--noTF32", noTf32, "Keep products of f32 exact on devices that would round to TF32");
    tool.add_option("--device", device,
                    "GPU to use: the first one, 0; CUDA_VISIBLE_DEVICES=N makes another one the first")
        ->check(between(0, 1 << 20));
    tool.add_option("--iterations", bench.iterations, "Timed runs, at least")->check(count);
    tool.add_option("--duration", bench.seconds, "Seconds to measure, at least")->check(between(0.0, 1e6));
    tool.add_option("--warmUp", bench.warmUpMs, "Milliseconds to run before")->check(between(0.0, 1e9));
    tool.add_option("--idleTime", bench.idleMs, "Milliseconds to sleep between two runs")->check(between(0.0, 1e9));
    tool.add_option("--infStreams,--streams", streams, "Contexts that run at the same time")->check(between(1, 1024));
    tool.add_flag("--useCudaGraph", graph, "Record the run on the device and replay it");
    tool.add_flag("--skipInference,--buildOnly", skipInference, "Build or load only");
    tool.add_option("--avgRuns", avgRuns, "Also print the mean of each so many runs; left out: none")
        ->default_str("")
        ->check(count);
    tool.add_option("--percentile", percentiles, "Percentiles to print, 0 to 100: 90,95,99")
        ->delimiter(',')
        ->allow_extra_args(false)
        ->check(between(0.0, 100.0));
    tool.add_flag("--dumpOutput", dumpOutput, "Print the outputs of the last run");
    tool.add_flag("--dumpProfile", dumpProfile, "Print the time of each layer, run one after the other");
    tool.add_flag("--dumpLayerInfo", dumpLayerInfo, "Print the layers of the plan");
    tool.add_option("--exportTimes", exportTimes, "Write the times of every run there, as JSON")->type_name("FILE");
    tool.add_option("--exportOutput", exportOutput, "Write the outputs of the last run there, as JSON")
        ->type_name("FILE");
    tool.add_option("--exportProfile", exportProfile, "Write the time of each layer there, as JSON")->type_name("FILE");
    tool.add_option("--exportLayerInfo", exportLayerInfo, "Write the layers of the plan there, as JSON")
        ->type_name("FILE");
    tool.add_flag("--verbose", verbose, "Log everything");
    for (const NeedlessFlag& flag : kNeedlessFlags) {
        tool.add_option(cat("--", flag.name), needless, cat("No effect: ", flag.why))
            ->expected(0, 1)
            ->type_name("")
            ->allow_extra_args(false)
            ->group("Accepted for scripts written for TensorRT");
    }
    tool.footer(cat("The other flags of TensorRT's trtexec are not supported and are refused.\n", kExitCodesHelp));
}

void TrtexecOptions::check(const CLI::App& tool) {
    if (!onnx.empty() && !loadEngine.empty()) {
        throw ToolError(ExitCode::kUsage,
                        "give --onnx, which builds a plan, or --loadEngine, which brings one, not both");
    }
    if (onnx.empty() && loadEngine.empty()) {
        throw ToolError(ExitCode::kUsage, "give a model with --onnx or a plan with --loadEngine");
    }
    if (!loadEngine.empty() && !saveEngine.empty()) {
        throw ToolError(ExitCode::kUsage, "--saveEngine is for a plan that is built, and --loadEngine brings one");
    }
    for (const NeedlessFlag& flag : kNeedlessFlags) {
        if (tool.count(cat("--", flag.name)) > 0) {
            std::fprintf(stderr, "[W] --%s has no effect: %s\n", flag.name, flag.why);
        }
    }
    if (!loadEngine.empty()) {
        for (const char* flag : kBuildFlags) {
            if (tool.count(flag) > 0) {
                std::fprintf(stderr, "[W] %s has no effect: --loadEngine brings a plan that is built\n", flag);
            }
        }
    }
    if (loadEngine.empty() && !layerPrecisions.empty() && precisionConstraints == "none") {
        std::fprintf(stderr, "[W] --layerPrecisions has no effect without --precisionConstraints=obey or =prefer\n");
    }
    averages = tool.count("--avgRuns") > 0;
    fp16 = fp16 || best;
    bf16 = bf16 || best;
    if (stronglyTyped && (fp16 || bf16)) {
        throw ToolError(ExitCode::kUsage, "--stronglyTyped keeps the types of the model; leave --fp16, --bf16 and "
                                          "--best out");
    }
}

std::map<std::string, ShapeRange> TrtexecOptions::ranges() const {
    std::map<std::string, ShapeRange> result;
    const auto fill = [&](const std::string& text, std::vector<int64_t> ShapeRange::*member) {
        if (!text.empty()) {
            for (auto& [name, dims] : parseNamedShapes(text)) {
                result[name].*member = dims;
            }
        }
    };
    fill(minShapes, &ShapeRange::min);
    fill(optShapes, &ShapeRange::opt);
    fill(maxShapes, &ShapeRange::max);
    if (result.empty()) {
        fill(shapes, &ShapeRange::opt);
    }
    for (auto& [name, range] : result) {
        // What only some of them name is the same in all.
        if (range.opt.empty()) {
            range.opt = range.max.empty() ? range.min : range.max;
        }
        range.min = range.min.empty() ? range.opt : range.min;
        range.max = range.max.empty() ? range.opt : range.max;
        if (range.min.size() != range.opt.size() || range.max.size() != range.opt.size()) {
            throw ToolError(ExitCode::kUsage,
                            cat("the shapes of '", name, "' have ", range.min.size(), ", ", range.opt.size(), " and ",
                                range.max.size(), " extents in --minShapes, --optShapes and --maxShapes"));
        }
    }
    return result;
}

std::map<std::string, std::vector<int64_t>> TrtexecOptions::shapesToRun() const {
    return shapes.empty() ? std::map<std::string, std::vector<int64_t>>{} : parseNamedShapes(shapes);
}

std::optional<uint32_t> TrtexecOptions::sources() const {
    using Source = nvinfer1::TacticSource;
    static constexpr std::pair<const char*, Source> kSources[] = {
        {"CUBLAS", Source::kCUBLAS},
        {"CUBLAS_LT", Source::kCUBLAS_LT},
        {"CUDNN", Source::kCUDNN},
        {"EDGE_MASK_CONVOLUTIONS", Source::kEDGE_MASK_CONVOLUTIONS},
        {"JIT_CONVOLUTIONS", Source::kJIT_CONVOLUTIONS},
    };
    if (tacticSources.empty()) {
        return std::nullopt;
    }
    uint32_t mask = (1U << nvinfer1::EnumMax<Source>()) - 1U;
    for (const std::string_view part : support::split(tacticSources, ',')) {
        const bool off = part.starts_with('-');
        const std::string_view name = part.substr(off || part.starts_with('+') ? 1 : 0);
        bool known = false;
        for (const auto& [text, source] : kSources) {
            if (name == text) {
                const uint32_t bit = 1U << static_cast<uint32_t>(source);
                mask = off ? mask & ~bit : mask | bit;
                known = true;
            }
        }
        if (!known) {
            throw ToolError(ExitCode::kUsage,
                            cat("--tacticSources: there is no source '", name,
                                "'; there are: CUBLAS, CUBLAS_LT, CUDNN, EDGE_MASK_CONVOLUTIONS, JIT_CONVOLUTIONS"));
        }
    }
    return mask;
}

std::map<std::string, std::string> TrtexecOptions::inputFiles() const {
    std::map<std::string, std::string> files;
    if (loadInputs.empty()) {
        return files;
    }
    for (const std::string_view part : support::split(loadInputs, ',')) {
        const size_t colon = part.rfind(':');
        if (colon == std::string_view::npos || colon == 0 || colon + 1 == part.size()) {
            throw ToolError(ExitCode::kUsage, cat("--loadInputs '", part, "': expected NAME:FILE"));
        }
        std::string_view name = part.substr(0, colon);
        if (name.size() >= 2 && name.front() == '\'' && name.back() == '\'') {
            name = name.substr(1, name.size() - 2);
        }
        files[std::string(name)] = std::string(part.substr(colon + 1));
    }
    return files;
}

} // namespace tenon::tools
