// Each bad module is skipped with its exact message, and the host goes on: the good module beside it always loads.
#include "module_folder.h"

#include "core/support/build_info.h"
#include "registry/module_loader.h"

#include <fstream>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace tenon::registry::test {
namespace {

using support::cat;
using testing::ElementsAre;
using testing::IsEmpty;

std::string hostAbi() { return cat("this Tenon ", support::versionText(), " has 1.0"); }

class BadModules : public testing::Test {
protected:
    // The warnings of loading the folder, after checking that the good module is there.
    std::vector<std::string> load() {
        folder.addModule("good");
        ModuleRegistry registry(optionsFor({folder.searched()}, lines));
        const auto snapshot = registry.snapshot();
        EXPECT_NE(snapshot->module("good"), nullptr);
        EXPECT_NE(snapshot->provider("good"), nullptr);
        loaded.clear();
        for (const ModuleInfo& module : snapshot->modules()) {
            loaded.push_back(module.name);
        }
        std::vector<std::string> warnings = lines.warnings();
        for (const ModuleReport& report : registry.report()) {
            if (report.state == ModuleReport::State::kSkipped) {
                EXPECT_FALSE(report.reason.empty());
                EXPECT_FALSE(report.remedy.empty());
            }
        }
        return warnings;
    }
    std::string library(std::string_view name) const { return folder.file(cat("lib", name, ".so")); }
    std::string manifest(std::string_view name) const { return folder.file(cat(name, ".tenonmod")); }

    ModuleFolder folder;
    LogLines lines;
    std::vector<std::string> loaded;
};

TEST_F(BadModules, WrongMajor) {
    folder.addModule("bad_major");
    EXPECT_THAT(load(), ElementsAre(cat("WARNING module 'bad_major' is skipped: it was built for module ABI 2.0, ",
                                        hostAbi(), "; update Tenon, or install an older version of the module")));
}

TEST_F(BadModules, WrongMajorInManifest) {
    folder.write("future.tenonmod", manifestText("future", "abi = 2.3"));
    folder.write("past.tenonmod", manifestText("past", "abi = 0.9"));
    EXPECT_THAT(load(), ElementsAre(cat("WARNING module 'future' is skipped: it was built for module ABI 2.3, ",
                                        hostAbi(), "; update Tenon, or install an older version of the module"),
                                    cat("WARNING module 'past' is skipped: it was built for module ABI 0.9, ",
                                        hostAbi(), "; install a newer version of the module, or rebuild it")));
}

TEST_F(BadModules, NewerMinorLoads) {
    folder.addModule("newer_minor", "abi = 1.7");
    EXPECT_THAT(load(), IsEmpty());
    EXPECT_THAT(loaded, ElementsAre("good", "newer_minor"));
}

TEST_F(BadModules, RefusesTheHost) {
    folder.addModule("bad_older_host");
    EXPECT_THAT(load(), ElementsAre(cat("WARNING module 'bad_older_host' is skipped: it refuses this host as too old (",
                                        hostAbi(), "); update Tenon, or install an older version of the module")));
}

TEST_F(BadModules, MissingSymbol) {
    folder.addModule("bad_missing_symbol");
    EXPECT_THAT(
        load(),
        ElementsAre(cat("WARNING module 'bad_missing_symbol' is skipped: it does not export 'tenon_module_query_v1', "
                        "so it is no Tenon module; "
                        "build it with tenon_add_module(), or load it with --plugins (IPluginRegistry::loadLibrary)")));
}

TEST_F(BadModules, NullMandatoryEntry) {
    folder.addModule("bad_null_entry");
    EXPECT_THAT(load(), ElementsAre(cat("WARNING module 'bad_null_entry' is skipped: tactic provider 'bad_half': the "
                                        "mandatory entry 'compile' is NULL; "
                                        "report this to the module's author")));
}

TEST_F(BadModules, RegistrationIsAllOrNothing) {
    folder.addModule("bad_null_entry");
    folder.addModule("bad_failing_init");
    ModuleRegistry registry(optionsFor({folder.searched()}, lines));
    EXPECT_EQ(registry.snapshot()->provider("good_half"), nullptr);
    EXPECT_EQ(registry.snapshot()->provider("never_seen"), nullptr);
    EXPECT_THAT(registry.snapshot()->modules(), IsEmpty());
}

TEST_F(BadModules, ShortTable) {
    folder.addModule("bad_short_table");
    EXPECT_THAT(load(), ElementsAre(cat("WARNING module 'bad_short_table' is skipped: a kernel runtime has a table of "
                                        "64 bytes, and version 1.0 of the ABI has ",
                                        sizeof(TnKernelRuntime), "; report this to the module's author")));
}

TEST_F(BadModules, FailingInit) {
    folder.addModule("bad_failing_init");
    EXPECT_THAT(load(), ElementsAre(cat("WARNING module 'bad_failing_init' is skipped: its init failed: libfast.so.2 "
                                        "is missing: install the package libfast2; "
                                        "do what it says, or leave it out with TENON_MODULES=-bad_failing_init")));
}

TEST_F(BadModules, SilentInit) {
    folder.addModule("bad_silent_init");
    EXPECT_THAT(load(), ElementsAre(cat("WARNING module 'bad_silent_init' is skipped: its init failed: it gave no "
                                        "reason (code 7); report this to the "
                                        "module's author")));
}

TEST_F(BadModules, ThrowingInit) {
    folder.addModule("bad_throwing_init");
    EXPECT_THAT(load(), ElementsAre(cat("WARNING module 'bad_throwing_init' is skipped: its init threw an exception: "
                                        "no such table; report this to the "
                                        "module's author")));
}

TEST_F(BadModules, ThrowingInitBehindTheWrapper) {
    folder.addModule("throwing_wrapped");
    EXPECT_THAT(load(), ElementsAre(cat("WARNING module 'throwing_wrapped' is skipped: its init failed: exception: the "
                                        "configuration is unreadable; do what "
                                        "it says, or leave it out with TENON_MODULES=-throwing_wrapped")));
}

TEST_F(BadModules, ManifestAndLibraryDisagree) {
    folder.addModule("newer_minor", "version = 2.0.0\nabi = 1.7");
    folder.addModule("old_op_set", "abi = 1.7");
    folder.addLibrary("same_provider");
    folder.write("other.tenonmod", manifestText("other", "library = libsame_provider.so"));
    EXPECT_THAT(
        load(),
        ElementsAre(
            cat("WARNING module 'newer_minor' is skipped: its manifest ", manifest("newer_minor"),
                " says version '2.0.0', the library says '1.0.0'; install manifest and library together"),
            cat("WARNING module 'old_op_set' is skipped: its manifest ", manifest("old_op_set"),
                " says ABI '1.7', the library says '1.0'; install manifest and library together"),
            cat("WARNING module 'other' is skipped: its manifest ", manifest("other"),
                " says name 'other', the library says 'same_provider'; install manifest and library together")));
}

TEST_F(BadModules, DuplicateName) {
    ModuleFolder second;
    folder.addModule("good");
    second.addModule("good");
    ModuleRegistry registry(optionsFor({folder.searched(), second.searched()}, lines));
    const auto snapshot = registry.snapshot();
    ASSERT_NE(snapshot->module("good"), nullptr);
    EXPECT_EQ(snapshot->module("good")->path, library("good"));
    EXPECT_THAT(lines.warnings(), IsEmpty());
    EXPECT_THAT(lines.all(),
                testing::Contains(cat("INFO module 'good' (", second.file("good.tenonmod"),
                                      ") is left out: another module of this name comes first: ", manifest("good"),
                                      "; to change that, rename one of the two, or change the order of "
                                      "TENON_MODULE_PATH")));
    // Asked for by path it is refused, for the same reason.
    EXPECT_EQ(registry.load(second.file("libgood.so")).toString(),
              cat("InvalidArgument: cannot load the module ", second.file("libgood.so"),
                  ": a module of the name 'good' is already loaded from ", library("good"),
                  "; rename one of the two, or leave the other out with TENON_MODULES=-good"));
    // The same file again is no error.
    EXPECT_TRUE(registry.load(library("good")).ok());
}

TEST_F(BadModules, DuplicateProvider) {
    folder.addModule("same_provider");
    EXPECT_THAT(
        load(),
        ElementsAre(cat("WARNING module 'same_provider' is skipped: the tactic provider 'good' of module "
                        "'same_provider' is already "
                        "registered by module 'good'; leave one of the two out with TENON_MODULES=-same_provider")));
}

TEST_F(BadModules, TruncatedFile) {
    // At every eighth of the file, and in the middle of the header.
    folder.addModule("same_provider");
    const auto size = static_cast<int64_t>(std::filesystem::file_size(library("same_provider")));
    for (int64_t part = 7; part >= 0; --part) {
        LogLines own;
        const int64_t left = part > 0 ? size * part / 8 : 40;
        std::filesystem::resize_file(library("same_provider"), static_cast<uintmax_t>(left));
        ModuleRegistry registry(optionsFor({folder.searched()}, own));
        EXPECT_THAT(registry.snapshot()->modules(), IsEmpty());
        const std::string why =
            part > 0 ? cat("the file is truncated: it has ", left, " bytes, and its headers speak of more")
                     : std::string("the file has 40 bytes, which is too short for a shared library");
        EXPECT_THAT(own.warnings(),
                    ElementsAre(cat("WARNING module 'same_provider' is skipped: ", why, "; install the module again")));
    }
}

TEST_F(BadModules, TruncatedFileThatIsAskedForByItsManifest) {
    folder.addModule("same_provider");
    std::filesystem::resize_file(library("same_provider"), 40);
    ModuleRegistry registry(optionsFor({}, lines));
    EXPECT_EQ(registry.load(manifest("same_provider")).toString(),
              cat("InvalidFile: cannot load the module ", library("same_provider"),
                  ": the file has 40 bytes, which is too short for a shared library; install the module again"));
    folder.write("lonely.tenonmod", manifestText("lonely"));
    EXPECT_EQ(registry.load(manifest("lonely")).message(),
              cat("cannot load the module ", manifest("lonely"), ": its library ", library("lonely"),
                  " is not there; install the module again, or remove the manifest"));
}

TEST_F(BadModules, TruncatedFileWithACopyElsewhere) {
    ModuleFolder second;
    folder.addModule("same_provider");
    second.addModule("same_provider");
    std::filesystem::resize_file(library("same_provider"), 40);
    ModuleRegistry registry(optionsFor({folder.searched(), second.searched()}, lines));
    EXPECT_THAT(registry.snapshot()->modules(), IsEmpty());
    EXPECT_THAT(lines.warnings(),
                ElementsAre(cat("WARNING module 'same_provider' (", library("same_provider"),
                                ") is skipped: the file has 40 bytes, which is too short for a shared library; "
                                "install the module again")));
}

TEST_F(BadModules, NotALibrary) {
    folder.write("text.tenonmod", manifestText("text", "library = text.tenonmod"));
    EXPECT_THAT(
        load(),
        ElementsAre(
            cat("WARNING module 'text' is skipped: the file is no shared library (it has no ELF header); install the "
                "module again")));
}

TEST_F(BadModules, MissingLibrary) {
    folder.write("lonely.tenonmod", manifestText("lonely"));
    EXPECT_THAT(load(), ElementsAre(cat("WARNING module 'lonely' is skipped: its library ", library("lonely"),
                                        " is not there; install the module again, or remove the manifest")));
}

TEST_F(BadModules, UndefinedSymbol) {
    folder.addModule("bad_undefined_symbol");
    EXPECT_THAT(load(), ElementsAre(cat("WARNING module 'bad_undefined_symbol' is skipped: undefined symbol: "
                                        "tenon_test_nowhere_to_be_found; rebuild the module against the "
                                        "libraries of this machine")));
}

TEST_F(BadModules, OtherArchitectureAndSanitizer) {
    folder.addModule("newer_minor", "arch = vax");
    folder.addModule("old_op_set", "sanitizer = hardware");
    const std::string own = support::sanitizerText().empty() ? std::string("no sanitizer")
                                                             : cat("sanitizer '", support::sanitizerText(), "'");
    EXPECT_THAT(
        load(),
        ElementsAre(
            cat("WARNING module 'newer_minor' is skipped: it is for vax, "
                "this process is ",
                support::archText(), "; install the module for ", support::archText()),
            cat("WARNING module 'old_op_set' is skipped: it was built with sanitizer 'hardware', this Tenon with ", own,
                "; build both with the same TENON_SANITIZE")));
}

TEST_F(BadModules, DamagedManifest) {
    folder.write("damaged.tenonmod", "name = damaged\nversion\n");
    EXPECT_THAT(load(),
                ElementsAre(cat("WARNING module (", manifest("damaged"), ") is skipped: ", manifest("damaged"),
                                ":2: expected 'key = value', found \"version\"; install the module again, or remove "
                                "the manifest")));
}

TEST_F(BadModules, RequiredModuleMissing) {
    folder.addModule("newer_minor", "abi = 1.7\nrequires = libm.so.6, module:nowhere");
    folder.addModule("bad_failing_init");
    folder.addModule("old_op_set", "requires = module:bad_failing_init");
    folder.addModule("same_provider", "requires = module:old_op_set");
    const std::vector<std::string> warnings = load();
    ASSERT_EQ(warnings.size(), 4U);
    EXPECT_EQ(warnings[0], cat("WARNING module 'newer_minor' is skipped: it requires the module 'nowhere', which is "
                               "not there or requires it in turn; "
                               "install the module 'nowhere', or leave this one out with TENON_MODULES=-newer_minor"));
    EXPECT_THAT(warnings[1], testing::HasSubstr("module 'bad_failing_init'"));
    EXPECT_EQ(warnings[2], cat("WARNING module 'old_op_set' is skipped: it requires the module 'bad_failing_init', "
                               "which was skipped; see the reason "
                               "given for 'bad_failing_init'"));
    EXPECT_THAT(warnings[3], testing::HasSubstr("requires the module 'old_op_set', which was skipped"));
}

TEST_F(BadModules, FilterNamesNothing) {
    folder.addModule("good");
    ModuleRegistry registry(optionsFor({folder.searched()}, lines, "-good,-goood"));
    EXPECT_THAT(registry.snapshot()->modules(), IsEmpty());
    EXPECT_THAT(lines.warnings(),
                ElementsAre("WARNING module 'goood' is skipped: TENON_MODULES names the module 'goood', and "
                            "there is none; check the name: `tenon modules` lists those found"));
    EXPECT_THAT(lines.all(), testing::Contains(cat("INFO module 'good' (", manifest("good"),
                                                   ") is left out: TENON_MODULES leaves it out; to change that, change "
                                                   "TENON_MODULES")));
}

TEST_F(BadModules, MissingFolder) {
    ModuleRegistry registry(
        optionsFor({{"/nowhere/at/all", "TENON_MODULE_PATH", true}, {"/nor/here", "the prefix", false}}, lines));
    EXPECT_NE(registry.snapshot(), nullptr);
    EXPECT_THAT(lines.warnings(),
                ElementsAre("WARNING module (/nowhere/at/all) is skipped: the folder of TENON_MODULE_PATH "
                            "cannot be read: No such file or directory; correct TENON_MODULE_PATH"));
}

TEST_F(BadModules, ExplicitLoadOfNothing) {
    ModuleRegistry registry(optionsFor({}, lines));
    EXPECT_EQ(registry.load("/nowhere/libx.so").toString(),
              "NotFound: cannot load the module /nowhere/libx.so: No such file or directory; check the path");
    EXPECT_EQ(registry.load("/nowhere/x.tenonmod").code(), support::Code::kNotFound);
    EXPECT_THAT(lines.warnings(), IsEmpty()) << "the caller has the error: no line besides";
}

} // namespace
} // namespace tenon::registry::test
