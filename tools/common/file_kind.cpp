#include "tools/common/file_kind.h"

#include "core/support/file_map.h"
#include "core/support/text.h"
#include "tools/common/exit_code.h"

#include <algorithm>
#include <filesystem>
#include <string_view>

namespace tenon::tools {

namespace {

namespace fs = std::filesystem;
using support::cat;

enum class Kind { kUnknown, kModel, kPlan, kGraphText, kOther };

struct Found {
    Kind kind = Kind::kUnknown;
    std::string what; // "a text file"
    std::string hint; // who takes it, or what to do with it
};

// What begins so, and is neither a model nor a plan.
struct Signature {
    std::string_view bytes;
    const char* what;
    const char* hint;
};
constexpr Signature kSignatures[] = {
    {"\x93NUMPY", "a NumPy array", "tenon run takes it with --input NAME=FILE"},
    {"\x1f\x8b", "compressed (gzip)", "unpack it first"},
    {"PK\x03\x04", "a zip archive, as PyTorch and NumPy write them", "export the network to ONNX"},
    {"\x89HDF", "an HDF5 file", "export the network to ONNX"},
    {"\x7f"
     "ELF",
     "a library or a program", "--module and --plugins take libraries"},
};

bool isText(std::string_view bytes) {
    return std::all_of(bytes.begin(), bytes.end(), [](char c) {
        const auto byte = static_cast<unsigned char>(c);
        return byte >= ' ' || byte == '\n' || byte == '\r' || byte == '\t';
    });
}

Found look(std::string_view bytes) {
    const std::string_view head = bytes.substr(0, 512);
    if (head.empty()) {
        return {Kind::kOther, "empty", "is it complete?"};
    }
    if (head.starts_with("TENONPLN")) {
        return {Kind::kPlan, "a plan", "tenon run, bench, inspect and explain take plans, trtexec with --loadEngine"};
    }
    for (const Signature& signature : kSignatures) {
        if (head.starts_with(signature.bytes)) {
            return {Kind::kOther, signature.what, signature.hint};
        }
    }
    // A model's first field is its version, a small number; text has no such byte.
    if (!isText(head)) {
        return {head.front() == '\x08' ? Kind::kModel : Kind::kUnknown, "an ONNX model",
                "tenon build makes a plan of it; tenon run, bench and inspect take models, too, trtexec with --onnx"};
    }
    if (bytes.find("\"tenon_tuning_database\"") != std::string_view::npos) { // it has a timing cache in it
        return {Kind::kOther, "a tuning database", "--tuning-db takes it"};
    }
    if (bytes.find("\"tenon_timing_cache\"") != std::string_view::npos) {
        return {Kind::kOther, "a timing cache", "--timing-cache takes it"};
    }
    if (head.starts_with("graph ") || bytes.find("\ngraph ") != std::string_view::npos) {
        return {Kind::kGraphText, "IR text", "tenon opt takes it"};
    }
    return {Kind::kOther, "a text file", ""};
}

bool isPipe(const std::string& path) {
    std::error_code error;
    return fs::exists(path, error) && !fs::is_regular_file(path, error) && !fs::is_directory(path, error);
}

support::FileMap open(const std::string& path) {
    support::Result<support::FileMap> file = support::FileMap::open(path);
    if (!file.ok()) {
        throw ToolError(exitCodeOf(file.status()), file.status().message());
    }
    return std::move(*file);
}

bool serves(Kind kind, WantedFile wanted) {
    switch (wanted) {
    case WantedFile::kModel:
        return kind == Kind::kModel || kind == Kind::kUnknown;
    case WantedFile::kPlan:
        return kind == Kind::kPlan;
    case WantedFile::kEither:
        return kind == Kind::kModel || kind == Kind::kUnknown || kind == Kind::kPlan;
    case WantedFile::kGraph:
        return kind == Kind::kModel || kind == Kind::kUnknown || kind == Kind::kGraphText;
    }
    return false;
}

const char* nameOf(WantedFile wanted) {
    switch (wanted) {
    case WantedFile::kModel:
        return "an ONNX model";
    case WantedFile::kPlan:
        return "a plan";
    case WantedFile::kEither:
        return "an ONNX model or a plan";
    case WantedFile::kGraph:
        return "an ONNX model or IR text";
    }
    return "";
}

} // namespace

void requireFile(const std::string& path, WantedFile wanted) {
    if (isPipe(path)) {
        return;
    }
    std::error_code error;
    if (fs::is_directory(path, error)) {
        const fs::path inside = fs::path(path) / "model.onnx";
        const bool hint = wanted != WantedFile::kPlan && fs::is_regular_file(inside, error);
        throw ToolError(ExitCode::kBadInput,
                        cat("'", path, "' is a directory, and ", nameOf(wanted), " is wanted here",
                            hint ? cat("; there is '", inside.string(), "' in it") : std::string()));
    }
    const Found found = look(open(path).text());
    if (!serves(found.kind, wanted)) {
        throw ToolError(ExitCode::kBadInput,
                        found.kind == Kind::kUnknown
                            ? cat("'", path, "' is not ", nameOf(wanted), ": it is damaged, or of another kind")
                            : cat("'", path, "' is ", found.what, ", and ", nameOf(wanted), " is wanted here",
                                  found.hint.empty() ? "" : "; ", found.hint));
    }
}

bool isPlanFile(const std::string& path) {
    requireFile(path, WantedFile::kEither);
    return look(open(path).text()).kind == Kind::kPlan;
}

bool isGraphText(const std::string& path) { return look(open(path).text()).kind == Kind::kGraphText; }

} // namespace tenon::tools
