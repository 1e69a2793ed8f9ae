#include "registry/module_manifest.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <random>

namespace tenon::registry {
namespace {

using testing::ElementsAre;

constexpr std::string_view kGood = "# comment\n"
                                   "name = onednn\n"
                                   "version = 0.1.0\n"
                                   "\n"
                                   "  abi=1.0\r\n"
                                   "library = libtenon_onednn.so\n"
                                   "arch = x86_64\n"
                                   "provides = provider:onednn,runtime:onednn, \n"
                                   "requires = module:cpu, libdnnl.so.2\n"
                                   "rank = -3\n"
                                   "build_id = 00ff\n"
                                   "sanitizer =\n"
                                   "colour = blue\n";

TEST(ModuleManifest, ReadsEveryKey) {
    const auto manifest = parseManifest(kGood, "/m/tenon_onednn.tenonmod");
    ASSERT_TRUE(manifest.ok()) << manifest.status().toString();
    EXPECT_EQ(manifest->name, "onednn");
    EXPECT_EQ(manifest->version, "0.1.0");
    EXPECT_EQ(manifest->abiMajor, 1U);
    EXPECT_EQ(manifest->abiMinor, 0U);
    EXPECT_EQ(manifest->libraryPath(), "/m/libtenon_onednn.so");
    EXPECT_EQ(manifest->arch, "x86_64");
    EXPECT_THAT(manifest->provides, ElementsAre("provider:onednn", "runtime:onednn"));
    EXPECT_THAT(manifest->requiredModules(), ElementsAre("cpu"));
    EXPECT_EQ(manifest->rank, -3);
    EXPECT_EQ(manifest->buildId, "00ff");
    EXPECT_EQ(manifest->sanitizer, "");
    EXPECT_TRUE(manifest->mayProvide("runtime:"));
    EXPECT_FALSE(manifest->mayProvide("parser:"));
}

TEST(ModuleManifest, WithoutProvidesMayProvideAnything) {
    const auto manifest = parseManifest("name=a\nversion=1\nabi=1.0\nlibrary=a.so", "a.tenonmod");
    ASSERT_TRUE(manifest.ok());
    EXPECT_TRUE(manifest->mayProvide("parser:"));
    EXPECT_EQ(manifest->libraryPath(), "./a.so");
}

TEST(ModuleManifest, ErrorsNameFileAndLine) {
    const std::string head = "name = a\nversion = 1\nabi = 1.0\n";
    const std::pair<std::string, std::string> cases[] = {
        {"name\n", "p:1: expected 'key = value', found \"name\""},
        {"# x\nname = A\n",
         "p:2: 'name': \"A\" is no module name (lower case letters, digits and _, beginning with a letter)"},
        {head + "library = ../evil.so\n", "p:4: 'library': expected a file name without folders, found \"../evil.so\""},
        {head + "library = ..\n", "p:4: 'library': expected a file name without folders, found \"..\""},
        {head + "library =\n", "p:4: 'library': expected a file name without folders, found \"\""},
        {head + "name = b\n", "p:4: 'name' is already given in line 1"},
        {"abi = 1\n", "p:1: 'abi': expected an ABI version like 1.0, found \"1\""},
        {"abi = 1.-1\n", "p:1: 'abi': expected an ABI version like 1.0, found \"1.-1\""},
        {"abi = 99999999999.0\n", "p:1: 'abi': expected an ABI version like 1.0, found \"99999999999.0\""},
        {"rank = high\n", "p:1: 'rank': expected an integer, found \"high\""},
        {"version =\n", "p:1: 'version': the version is empty"},
        {std::string("na\0me = a\n", 10), "p:1: unprintable characters: is this a text file?"},
        {head, "p:4: the key 'library' is missing"},
        {"", "p:1: the key 'name' is missing"},
    };
    for (const auto& [text, why] : cases) {
        const auto manifest = parseManifest(text, "p");
        ASSERT_FALSE(manifest.ok()) << text;
        EXPECT_EQ(manifest.code(), support::Code::kInvalidFile);
        EXPECT_EQ(manifest.status().message(), why);
    }
}

TEST(ModuleManifest, RefusesWhatIsTooLarge) {
    const std::string text(kMaxManifestBytes + 1, '#');
    EXPECT_EQ(parseManifest(text, "p").status().message(),
              "p: 65537 bytes are too many for a manifest (at most 65536)");
}

// Any bytes give a manifest or an error, nothing else.
TEST(ModuleManifest, SurvivesDamage) {
    std::mt19937 random(7);
    int good = 0;
    for (int round = 0; round < 3000; ++round) {
        std::string text(kGood);
        for (int change = 0; change < 3; ++change) {
            text[random() % text.size()] = static_cast<char>(random() % 256);
        }
        text.resize(random() % 8 == 0 ? random() % text.size() : text.size());
        const auto manifest = parseManifest(text, "p");
        if (manifest.ok()) {
            ++good;
            EXPECT_TRUE(isModuleName(manifest->name));
            EXPECT_EQ(manifest->library.find('/'), std::string::npos);
        } else {
            EXPECT_TRUE(manifest.status().message().starts_with("p:")) << manifest.status().message();
        }
    }
    EXPECT_GT(good, 0);
    EXPECT_LT(good, 3000);
}

} // namespace
} // namespace tenon::registry
