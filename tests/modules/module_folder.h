// A folder of modules that a test puts together, a registry over it, and the log lines that come of it.
#pragma once

#include "core/support/log.h"
#include "registry/module_registry.h"

#include <filesystem>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

namespace tenon::registry::test {

/// Keeps every line as "WARNING text".
class LogLines final : public support::LogSink {
public:
    void log(support::Severity severity, std::string_view message) noexcept override;
    std::vector<std::string> all() const;
    /// Those of warnings and worse.
    std::vector<std::string> warnings() const;

private:
    mutable std::mutex mMutex;
    std::vector<std::string> mLines;
};

/// A temporary folder that goes with the object.
class ModuleFolder {
public:
    ModuleFolder();
    ModuleFolder(const ModuleFolder&) = delete;
    ModuleFolder& operator=(const ModuleFolder&) = delete;
    ~ModuleFolder();

    const std::string& path() const { return mPath; }
    std::string file(std::string_view name) const;
    void write(std::string_view name, std::string_view text) const;
    /// The library of a test module, as lib<name>.so. Returns its path.
    std::string addLibrary(std::string_view name) const;
    /// Library and a manifest that fits it; `more` replaces or adds lines ("version = 2").
    void addModule(std::string_view name, std::string_view more = {}) const;
    SearchFolder searched() const { return {mPath, "the test", true}; }

private:
    std::string mPath;
};

/// The text of a manifest that fits this host.
std::string manifestText(std::string_view name, std::string_view more = {});

/// Options over these folders, logging to `lines`.
RegistryOptions optionsFor(std::vector<SearchFolder> folders, LogLines& lines, std::string_view filter = {});

} // namespace tenon::registry::test
