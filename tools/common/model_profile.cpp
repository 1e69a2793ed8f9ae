#include "tools/common/model_profile.h"

#include "core/api/type_convert.h"
#include "core/support/text.h"
#include "tools/common/exit_code.h"
#include "tools/common/input_shapes.h"

#include <algorithm>
#include <optional>

namespace tenon::tools {

namespace {

using support::cat;

std::string dimensionName(const nvinfer1::ITensor& input, int32_t dimension) {
    const char* name = input.getDimensionName(dimension);
    return name != nullptr ? name : "";
}

// The range of an extent that has a name, and who said so.
struct NamedRange {
    int64_t min = 1;
    int64_t opt = 1;
    int64_t max = 1;
    std::string from;
    std::string text() const { return min == max ? cat(min) : cat(min, "..", opt, "..", max); }
};
using NamedRanges = std::map<std::string, NamedRange>;

void agree(NamedRanges& ranges, const std::string& name, const NamedRange& range) {
    const auto [known, added] = ranges.emplace(name, range);
    if (!added && known->second.text() != range.text()) {
        throw ToolError(ExitCode::kUsage,
                        cat("extent '", name, "' is ", known->second.text(), " by ", known->second.from, " and ",
                            range.text(), " by ", range.from, ": a name has one range, wherever it stands. Give ", name,
                            " once, by itself, and it holds for all inputs"));
    }
}

struct Names {
    std::vector<std::string> inputs;
    std::vector<std::string> extents;
};

Names namesOf(const nvinfer1::INetworkDefinition& network) {
    Names names;
    for (int32_t i = 0; i < network.getNbInputs(); ++i) {
        const nvinfer1::ITensor& input = *network.getInput(i);
        names.inputs.emplace_back(input.getName());
        for (int32_t d = 0; d < input.getDimensions().nbDims; ++d) {
            const std::string name = dimensionName(input, d);
            if (!name.empty() && std::find(names.extents.begin(), names.extents.end(), name) == names.extents.end()) {
                names.extents.push_back(name);
            }
        }
    }
    return names;
}

// An input with the range that a plan has, or would have.
InputShape shapeOf(const nvinfer1::ITensor& input, const ShapeRange& range) {
    InputShape shape{input.getName(), {}, {{range.min, range.max}}};
    for (int32_t d = 0; d < input.getDimensions().nbDims; ++d) {
        shape.extents.push_back(dimensionName(input, d));
    }
    return shape;
}

// "[batch, 3, 16, 16]" as the model has it.
std::string extentsText(const nvinfer1::ITensor& input) {
    std::vector<std::string> extents;
    for (int32_t d = 0; d < input.getDimensions().nbDims; ++d) {
        const std::string name = dimensionName(input, d);
        extents.push_back(input.getDimensions().d[d] >= 0 ? cat(input.getDimensions().d[d])
                          : name.empty()                  ? "?"
                                                          : name);
    }
    return cat("[", support::join(extents, ", "), "]");
}

// The range that the options give the input as a whole; null: none. Throws ToolError(kUsage) where the input cannot have it.
const ShapeRange* askedFor(const nvinfer1::ITensor& input, const BuildSettings& settings) {
    const auto asked = settings.shapes.find(input.getName());
    if (asked == settings.shapes.end()) {
        return nullptr;
    }
    const ShapeRange& range = asked->second;
    const nvinfer1::Dims dims = input.getDimensions();
    const auto refuse = [&](const std::string& why) {
        throw ToolError(ExitCode::kUsage,
                        cat("input '", input.getName(), "' has ", dims.nbDims,
                            dims.nbDims == 1 ? " extent, " : " extents, ", extentsText(input), "; ", why));
    };
    if (static_cast<int32_t>(range.min.size()) != dims.nbDims) {
        refuse(cat(shapeText(range.opt), " has ", range.opt.size()));
    }
    for (int32_t d = 0; d < dims.nbDims; ++d) {
        const auto at = static_cast<size_t>(d);
        if (dims.d[d] >= 0 && (range.min[at] != dims.d[d] || range.max[at] != dims.d[d])) {
            refuse(cat("in ", shapeText(range.opt), " dimension ", d, " is not ", dims.d[d]));
        }
    }
    return &range;
}

// What the options say of extents that have a name: by the name itself, or by an input that has it.
NamedRanges namedRanges(const nvinfer1::INetworkDefinition& network, const BuildSettings& settings) {
    const Names names = namesOf(network);
    NamedRanges ranges;
    for (const auto& [name, range] : settings.shapes) {
        if (std::find(names.inputs.begin(), names.inputs.end(), name) != names.inputs.end()) {
            continue;
        }
        if (std::find(names.extents.begin(), names.extents.end(), name) == names.extents.end()) {
            throw ToolError(
                ExitCode::kUsage,
                cat("the shapes name '", name,
                    "', which is no input of the model; its inputs are: ", support::join(names.inputs, ", "),
                    names.extents.empty() ? ""
                                          : cat("; its extents with names: ", support::join(names.extents, ", "))));
        }
        if (range.min.size() != 1) {
            throw ToolError(ExitCode::kUsage,
                            cat("'", name, "' is an extent, and has one number or range, not ", range.min.size()));
        }
        agree(ranges, name, {range.min[0], range.opt[0], range.max[0], cat("'", name, "' itself")});
    }
    for (int32_t i = 0; i < network.getNbInputs(); ++i) {
        const nvinfer1::ITensor& input = *network.getInput(i);
        const ShapeRange* range = askedFor(input, settings);
        for (int32_t d = 0; range != nullptr && d < input.getDimensions().nbDims; ++d) {
            if (const std::string name = dimensionName(input, d); !name.empty()) {
                const auto at = static_cast<size_t>(d);
                agree(ranges, name,
                      {range->min[at], range->opt[at], range->max[at],
                       cat("input '", input.getName(), "' (dimension ", d, ")")});
            }
        }
    }
    return ranges;
}

// Smallest, first and largest of each extent in the data sets; nothing where no data set has the input.
std::optional<ShapeRange> rangeOfData(const nvinfer1::ITensor& input, size_t position, const BuildSettings& settings) {
    std::optional<ShapeRange> range;
    for (const DataSet& set : settings.shapesFrom) {
        if (position >= set.inputs.size() ||
            static_cast<int32_t>(set.inputs[position].dims.size()) != input.getDimensions().nbDims) {
            continue;
        }
        const std::vector<int64_t>& extents = set.inputs[position].dims;
        if (!range) {
            range = ShapeRange{extents, extents, extents};
            continue;
        }
        for (size_t i = 0; i < extents.size(); ++i) {
            range->min[i] = std::min(range->min[i], extents[i]);
            range->max[i] = std::max(range->max[i], extents[i]);
        }
    }
    return range;
}

// Range of one input: what was asked for it, else what was asked for extents by their names, else what the data sets have, else 1.
// `guessed`: set where nobody gives an extent that the model leaves open.
ShapeRange rangeOf(const nvinfer1::ITensor& input, size_t position, const BuildSettings& settings,
                   const NamedRanges& named, bool& guessed) {
    if (const ShapeRange* asked = askedFor(input, settings)) {
        return *asked;
    }
    const nvinfer1::Dims dims = input.getDimensions();
    const std::optional<ShapeRange> data = rangeOfData(input, position, settings);
    ShapeRange range;
    for (int32_t d = 0; d < dims.nbDims; ++d) {
        const auto at = static_cast<size_t>(d);
        const auto known = named.find(dimensionName(input, d));
        if (dims.d[d] < 0 && known != named.end()) {
            range.min.push_back(known->second.min);
            range.opt.push_back(known->second.opt);
            range.max.push_back(known->second.max);
            continue;
        }
        const bool open = dims.d[d] < 0;
        guessed = guessed || (open && !data);
        const int64_t alone = open ? 1 : dims.d[d];
        range.min.push_back(open && data ? data->min[at] : alone);
        range.opt.push_back(open && data ? data->opt[at] : alone);
        range.max.push_back(open && data ? data->max[at] : alone);
    }
    return range;
}

// Of an input with an extent that nobody gives: which other input has one in its place that somebody gives under another name, since they may well
// be the same number. Empty where there is none.
std::string twinText(const nvinfer1::INetworkDefinition& network, const nvinfer1::ITensor& input,
                     const NamedRanges& named) {
    for (int32_t d = 0; d < input.getDimensions().nbDims; ++d) {
        const std::string name = dimensionName(input, d);
        for (int32_t i = 0; !name.empty() && named.count(name) == 0 && i < network.getNbInputs(); ++i) {
            const nvinfer1::ITensor& other = *network.getInput(i);
            const std::string twin = d < other.getDimensions().nbDims ? dimensionName(other, d) : "";
            if (const auto known = named.find(twin); known != named.end() && known->second.max > 1) {
                return cat(". Where the ", name, " of '", input.getName(), "' is to be equal to ", twin, " of '",
                           other.getName(), "', which has a range, give the same: --shapes ", name, "=",
                           known->second.text());
            }
        }
    }
    return "";
}

// The elements of an input that shapes depend on, as the data sets have them: smallest, first, largest.
std::optional<ShapeRange> valuesOf(size_t position, const BuildSettings& settings) {
    std::optional<ShapeRange> found;
    for (const DataSet& set : settings.shapesFrom) {
        if (position >= set.inputs.size()) {
            continue;
        }
        const HostTensor& tensor = set.inputs[position];
        std::vector<int64_t> elements;
        for (int64_t i = 0; i < tensor.elements(); ++i) {
            elements.push_back(static_cast<int64_t>(tensor.numberAt(i)));
        }
        if (!found) {
            found = ShapeRange{elements, elements, elements};
            continue;
        }
        for (size_t i = 0; i < elements.size() && i < found->min.size(); ++i) {
            found->min[i] = std::min(found->min[i], elements[i]);
            found->max[i] = std::max(found->max[i], elements[i]);
        }
    }
    return found;
}

} // namespace

void checkDataNames(const nvinfer1::INetworkDefinition& network, const BuildSettings& settings) {
    const std::vector<std::string> known = namesOf(network).inputs;
    for (const DataSet& set : settings.shapesFrom) {
        std::vector<std::string> names;
        bool foreign = false;
        for (const HostTensor& input : set.inputs) {
            foreign =
                foreign || (!input.name.empty() && std::find(known.begin(), known.end(), input.name) == known.end());
            names.push_back(input.name.empty() ? "one without a name" : input.name);
        }
        if (foreign) {
            throw ToolError(ExitCode::kBadInput, cat("--data: '", set.name, "' has the inputs ",
                                                     support::join(names, ", "), "; the model takes ",
                                                     support::join(known, ", "), ": the data set is of another model"));
        }
    }
}

std::map<std::string, ShapeRange> addProfile(nvinfer1::IBuilder& builder, const nvinfer1::INetworkDefinition& network,
                                             nvinfer1::IBuilderConfig& config, const BuildSettings& settings,
                                             ConsoleLogger& logger) {
    using Selector = nvinfer1::OptProfileSelector;
    const NamedRanges named = namedRanges(network, settings);
    std::map<std::string, ShapeRange> ranges;
    std::vector<std::string> guesses;
    std::string twins;
    nvinfer1::IOptimizationProfile* profile = nullptr;
    for (int32_t i = 0; i < network.getNbInputs(); ++i) {
        const nvinfer1::ITensor& input = *network.getInput(i);
        const nvinfer1::Dims dims = input.getDimensions();
        const bool dynamic = std::any_of(dims.d, dims.d + std::max(dims.nbDims, 0), [](int64_t d) { return d < 0; });
        const std::optional<ShapeRange> values =
            input.isShapeTensor() ? valuesOf(static_cast<size_t>(i), settings) : std::nullopt;
        if (!dynamic && settings.shapes.count(input.getName()) == 0 && !values) {
            continue;
        }
        if (profile == nullptr) {
            profile = builder.createOptimizationProfile();
        }
        if (values) {
            const auto count = static_cast<int32_t>(values->opt.size());
            profile->setShapeValuesV2(input.getName(), Selector::kMIN, values->min.data(), count);
            profile->setShapeValuesV2(input.getName(), Selector::kOPT, values->opt.data(), count);
            profile->setShapeValuesV2(input.getName(), Selector::kMAX, values->max.data(), count);
            if (!dynamic) {
                continue;
            }
        }
        bool guessed = false;
        const ShapeRange range = rangeOf(input, static_cast<size_t>(i), settings, named, guessed);
        if (guessed) {
            guesses.push_back(cat(input.getName(), "=", shapeText(range.opt)));
            twins += twinText(network, input, named);
        }
        ranges[input.getName()] = range;
        const bool set = profile->setDimensions(input.getName(), Selector::kMIN, api::toDims(range.min)) &&
                         profile->setDimensions(input.getName(), Selector::kOPT, api::toDims(range.opt)) &&
                         profile->setDimensions(input.getName(), Selector::kMAX, api::toDims(range.max));
        if (!set) {
            throw ToolError(ExitCode::kUsage, cat("shapes of input '", input.getName(),
                                                  "': ", logger.takeError("they contradict each other")));
        }
    }
    if (!guesses.empty() && settings.warnOfGuesses) {
        logger.warn(cat("the model leaves extents open that no --shapes gives: the plan takes 1 for them, ",
                        support::join(guesses, ", "), twins));
    }
    if (profile != nullptr && config.addOptimizationProfile(profile) < 0) {
        throw ToolError(ExitCode::kUsage, logger.takeError("the shapes do not fit the model"));
    }
    return ranges;
}

namespace {

// What is wrong with one data set, thrown.
void requireRunnable(const nvinfer1::INetworkDefinition& network, const BuildSettings& settings,
                     const NamedRanges& named, const DataSet& set) {
    const auto count = static_cast<size_t>(network.getNbInputs());
    const std::vector<std::string> names = namesOf(network).inputs;
    if (set.inputs.size() < count && set.name.empty()) { // from options, by their names, not from a folder
        const auto given = [&](const std::string& name) {
            return std::any_of(set.inputs.begin(), set.inputs.end(),
                               [&](const HostTensor& tensor) { return tensor.name == name; });
        };
        const auto missing = std::find_if_not(names.begin(), names.end(), given);
        throw ToolError(ExitCode::kBadInput,
                        cat("input '", *missing, "' is missing; give it with --input ", *missing, "=FILE"));
    }
    if (set.inputs.size() != count) {
        throw ToolError(ExitCode::kBadInput,
                        cat("'", set.name, "' has ", set.inputs.size(), set.inputs.size() == 1 ? " input" : " inputs",
                            ", the model takes ", count, ": ", support::join(names, ", ")));
    }
    for (size_t i = 0; i < count; ++i) {
        const auto byName = std::find(names.begin(), names.end(), set.inputs[i].name);
        const size_t position = byName != names.end() ? static_cast<size_t>(byName - names.begin()) : i;
        const nvinfer1::ITensor& input = *network.getInput(static_cast<int32_t>(position));
        requireType(input.getName(), set.inputs[i].dtype, *api::toIr(input.getType()),
                    set.name.empty() ? std::string() : cat(" in '", set.name, "'"), "model");
        bool guessed = false;
        requireTaken(shapeOf(input, rangeOf(input, position, settings, named, guessed)), set.inputs[i].dims);
    }
}

} // namespace

void checkDataToRun(const nvinfer1::INetworkDefinition& network, const BuildSettings& settings) {
    if (!settings.dataIsRun) {
        return;
    }
    const NamedRanges named = namedRanges(network, settings);
    std::optional<ToolError> first;
    for (const DataSet& set : settings.shapesFrom) {
        try {
            requireRunnable(network, settings, named, set);
            return;
        } catch (const ToolError& error) {
            first = first ? first : std::optional(error);
        }
    }
    if (first) {
        throw *first;
    }
}

std::vector<std::string> extentNames(const nvinfer1::INetworkDefinition& network) { return namesOf(network).extents; }

void checkShapesToRun(const nvinfer1::INetworkDefinition& network, const BuildSettings& settings) {
    const std::map<std::string, std::vector<int64_t>>& wanted = settings.shapesToRun;
    if (wanted.empty()) {
        return;
    }
    const Names names = namesOf(network);
    for (const auto& [name, dims] : wanted) {
        const bool isInput = std::find(names.inputs.begin(), names.inputs.end(), name) != names.inputs.end();
        if (!isInput && std::find(names.extents.begin(), names.extents.end(), name) == names.extents.end()) {
            throw ToolError(ExitCode::kUsage,
                            cat("there is no input '", name, "'; the inputs are: ", support::join(names.inputs, ", "),
                                names.extents.empty() ? "" : cat("; extents: ", support::join(names.extents, ", "))));
        }
    }
    const NamedRanges named = namedRanges(network, settings);
    for (int32_t i = 0; i < network.getNbInputs(); ++i) {
        const nvinfer1::ITensor& input = *network.getInput(i);
        bool guessed = false;
        const ShapeRange range = rangeOf(input, static_cast<size_t>(i), settings, named, guessed);
        std::vector<int64_t> dims = range.opt;
        if (const auto whole = wanted.find(input.getName()); whole != wanted.end()) {
            dims = whole->second;
        } else {
            for (size_t d = 0; d < dims.size(); ++d) {
                const auto one = wanted.find(dimensionName(input, static_cast<int32_t>(d)));
                dims[d] = one != wanted.end() && one->second.size() == 1 ? one->second[0] : dims[d];
            }
        }
        requireTaken(shapeOf(input, range), dims);
    }
}

} // namespace tenon::tools
