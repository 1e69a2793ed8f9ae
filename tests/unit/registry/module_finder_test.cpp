#include "registry/module_finder.h"

#include "core/support/build_info.h"
#include "core/support/text.h"

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace tenon::registry {
namespace {

namespace fs = std::filesystem;
using support::cat;
using testing::ElementsAre;
using testing::IsEmpty;

class ModuleFinder : public testing::Test {
protected:
    void SetUp() override {
        std::string pattern = (fs::temp_directory_path() / "tenon_finder_XXXXXX").string();
        ASSERT_NE(mkdtemp(pattern.data()), nullptr);
        root = fs::canonical(pattern).string();
    }
    void TearDown() override { fs::remove_all(root); }

    // A manifest with an (empty) library.
    void add(const std::string& folder, const std::string& name, const std::string& more = {}) const {
        fs::create_directories(root + "/" + folder);
        std::ofstream(cat(root, "/", folder, "/tenon_", name, ".tenonmod"))
            << "name = " << name << "\nversion = 1\nabi = 1.0\nlibrary = lib" << name
            << ".so\nsanitizer = " << support::sanitizerText() << "\n"
            << more;
        std::ofstream(cat(root, "/", folder, "/lib", name, ".so"));
    }
    SearchFolder folder(const std::string& name) const { return {root + "/" + name, "test", false}; }
    static std::vector<std::string> namesOf(const FoundModules& found) {
        std::vector<std::string> names;
        for (const ModuleManifest& manifest : found.modules) {
            names.push_back(manifest.name);
        }
        return names;
    }

    std::string root;
};

TEST_F(ModuleFinder, SortsByName) {
    for (const char* name : {"zeta", "alpha", "mid", "beta"}) {
        add("a", name);
    }
    const FoundModules found = findModules({folder("a")}, {});
    EXPECT_THAT(namesOf(found), ElementsAre("alpha", "beta", "mid", "zeta"));
    EXPECT_THAT(found.skipped, IsEmpty());
}

TEST_F(ModuleFinder, FirstOfANameWins) {
    add("a", "one");
    add("b", "one");
    add("b", "two");
    const FoundModules found = findModules({folder("a"), folder("b"), folder("missing")}, {});
    EXPECT_THAT(namesOf(found), ElementsAre("one", "two"));
    EXPECT_EQ(found.modules[0].path, root + "/a/tenon_one.tenonmod");
    ASSERT_EQ(found.skipped.size(), 1U);
    EXPECT_EQ(found.skipped[0].path, root + "/b/tenon_one.tenonmod");
    EXPECT_EQ(found.skipped[0].reason, cat("another module of this name comes first: ", root, "/a/tenon_one.tenonmod"));
    EXPECT_TRUE(found.skipped[0].expected);
}

TEST_F(ModuleFinder, RequirementsComeFirst) {
    add("a", "aa", "requires = module:zz, libc.so.6\n");
    add("a", "bb", "requires = module:aa\n");
    add("a", "zz");
    add("a", "loop1", "requires = module:loop2\n");
    add("a", "loop2", "requires = module:loop1\n");
    const FoundModules found = findModules({folder("a")}, {});
    EXPECT_THAT(namesOf(found), ElementsAre("zz", "aa", "bb"));
    ASSERT_EQ(found.skipped.size(), 2U);
    EXPECT_EQ(found.skipped[0].reason, "it requires the module 'loop2', which is not there or requires it in turn");
    EXPECT_FALSE(found.skipped[0].expected);
}

TEST_F(ModuleFinder, FilterLeavesOut) {
    add("a", "one");
    add("a", "two");
    add("a", "three");
    const auto namesWith = [&](std::string_view filter) {
        return namesOf(findModules({folder("a")}, ModuleFilter::parse(filter).value()));
    };
    EXPECT_THAT(namesWith(""), ElementsAre("one", "three", "two"));
    EXPECT_THAT(namesWith("-two, -one"), ElementsAre("three"));
    EXPECT_THAT(namesWith("-all,+one"), ElementsAre("one"));
    EXPECT_THAT(namesWith("-all,one,two,-one"), ElementsAre("two"));
    EXPECT_THAT(namesWith("-one,+one"), ElementsAre("one", "three", "two"));
    EXPECT_THAT(namesWith("+one"), ElementsAre("one", "three", "two"));
    // A list of names is what it looks like.
    EXPECT_THAT(namesWith("one"), ElementsAre("one"));
    EXPECT_THAT(namesWith("two, one"), ElementsAre("one", "two"));
    EXPECT_THAT(namesWith("all,-one"), ElementsAre("three", "two"));
}

TEST_F(ModuleFinder, FilterThatIsNone) {
    for (const char* text : {"-", "+", "-One", "one two", "../x"}) {
        const auto filter = ModuleFilter::parse(text);
        ASSERT_FALSE(filter.ok()) << text;
        EXPECT_EQ(filter.code(), support::Code::kInvalidArgument);
        EXPECT_EQ(
            filter.status().message(),
            cat("TENON_MODULES: ", support::quote(text),
                " is no module name with + or - before it; commas stand between them: TENON_MODULES=-onednn,+mine"));
    }
}

TEST_F(ModuleFinder, SearchOrder) {
    fs::create_directories(root + "/x");
    setenv("TENON_MODULE_PATH", cat(root, "/x::", root, "/y:", root, "/x/../x").c_str(), 1);
    const std::vector<SearchFolder> folders = defaultSearchFolders();
    unsetenv("TENON_MODULE_PATH");
    ASSERT_GE(folders.size(), 3U);
    EXPECT_EQ(folders[0].path, root + "/x");
    EXPECT_TRUE(folders[0].required);
    EXPECT_EQ(folders[1].path, root + "/y") << "one folder appears once";
    EXPECT_THAT(folders[2].path, testing::EndsWith("/tenon/modules"));
    EXPECT_FALSE(folders[2].required) << "nobody asked for the folder beside the library";
    EXPECT_EQ(defaultSearchFolders().size(), folders.size() - 2);
}

} // namespace
} // namespace tenon::registry
