#include "module_folder.h"

#include "core/support/build_info.h"
#include "tenon/module/abi.h"

#include <cstdlib>
#include <fstream>
#include <map>
#include <stdexcept>

namespace tenon::registry::test {

namespace fs = std::filesystem;

void LogLines::log(support::Severity severity, std::string_view message) noexcept {
    const std::lock_guard<std::mutex> guard(mMutex);
    mLines.push_back(support::cat(support::severityName(severity), " ", message));
}

std::vector<std::string> LogLines::all() const {
    const std::lock_guard<std::mutex> guard(mMutex);
    return mLines;
}

std::vector<std::string> LogLines::warnings() const {
    std::vector<std::string> out;
    for (const std::string& line : all()) {
        if (!line.starts_with("INFO") && !line.starts_with("VERBOSE")) {
            out.push_back(line);
        }
    }
    return out;
}

ModuleFolder::ModuleFolder() {
    std::string pattern = (fs::temp_directory_path() / "tenon_modules_XXXXXX").string();
    if (mkdtemp(pattern.data()) == nullptr) {
        throw std::runtime_error("no temporary folder");
    }
    mPath = fs::canonical(pattern).string();
}

ModuleFolder::~ModuleFolder() {
    std::error_code ignored;
    fs::remove_all(mPath, ignored);
}

std::string ModuleFolder::file(std::string_view name) const { return support::cat(mPath, "/", name); }

void ModuleFolder::write(std::string_view name, std::string_view text) const {
    std::ofstream(file(name), std::ios::binary) << text;
}

std::string ModuleFolder::addLibrary(std::string_view name) const {
    std::string to = file(support::cat("lib", name, ".so"));
    fs::copy_file(support::cat(TENON_TEST_MODULES, "/", name, ".so"), to);
    return to;
}

void ModuleFolder::addModule(std::string_view name, std::string_view more) const {
    addLibrary(name);
    write(support::cat(name, ".tenonmod"), manifestText(name, more));
}

std::string manifestText(std::string_view name, std::string_view more) {
    std::map<std::string, std::string> keys = {{"name", std::string(name)},
                                               {"version", "1.0.0"},
                                               {"abi", support::cat(TN_ABI_MAJOR, ".", TN_ABI_MINOR)},
                                               {"library", support::cat("lib", name, ".so")},
                                               {"arch", std::string(support::archText())},
                                               {"sanitizer", std::string(support::sanitizerText())}};
    for (const std::string_view line : support::split(more, '\n')) {
        if (const size_t equals = line.find('='); equals != std::string_view::npos) {
            keys[std::string(support::trim(line.substr(0, equals)))] = support::trim(line.substr(equals + 1));
        }
    }
    std::string text;
    for (const auto& [key, value] : keys) {
        text += support::cat(key, " = ", value, "\n");
    }
    return text;
}

RegistryOptions optionsFor(std::vector<SearchFolder> folders, LogLines& lines, std::string_view filter) {
    RegistryOptions options;
    options.folders = std::move(folders);
    options.filter = ModuleFilter::parse(filter).value();
    options.logger = support::Logger(lines);
    return options;
}

} // namespace tenon::registry::test
