#include "registry/elf_check.h"
#include "registry/shared_library.h"

#include "core/support/file_map.h"

#include <cmath>
#include <dlfcn.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <random>

namespace tenon::registry {
namespace {

// A library that every machine of the tests has: the C library's mathematics.
std::string mathLibrary() {
    Dl_info info{};
    return dladdr(reinterpret_cast<const void*>(static_cast<double (*)(double)>(&std::fabs)), &info) != 0
               ? info.dli_fname
               : std::string();
}

TEST(SharedLibrary, OpensAndFindsSymbols) {
    const auto library = loadPluginLibrary(mathLibrary());
    ASSERT_TRUE(library.ok()) << library.status().toString();
    EXPECT_NE((*library)->symbol("fabs"), nullptr);
    EXPECT_EQ((*library)->symbol("no_such_function"), nullptr);
    EXPECT_EQ((*library)->function<double (*)(double)>("fabs")(-3.0), 3.0);
    EXPECT_EQ((*library)->path().front(), '/');
}

TEST(SharedLibrary, ErrorsNameThePath) {
    EXPECT_EQ(SharedLibrary::open("/nowhere/x.so").status().toString(),
              "NotFound: /nowhere/x.so: No such file or directory");
    EXPECT_EQ(SharedLibrary::open("libm.so.6.nowhere").code(), support::Code::kNotFound) << "no search by name";
    EXPECT_FALSE(SharedLibrary::open("/").ok());
}

// Damaged headers are refused or harmless; nothing is opened here.
TEST(ElfCheck, SurvivesDamage) {
    const auto file = support::FileMap::open(mathLibrary());
    ASSERT_TRUE(file.ok());
    EXPECT_TRUE(checkSharedLibrary(file->bytes()).ok());
    for (const size_t part : {2, 3, 10, 100}) {
        EXPECT_FALSE(checkSharedLibrary(file->bytes().first(file->size() / part)).ok());
    }
    std::vector<std::byte> head(file->bytes().begin(), file->bytes().begin() + 4096);
    std::mt19937 random(5);
    for (int round = 0; round < 2000; ++round) {
        std::vector<std::byte> bytes = head;
        bytes[random() % 1024] = static_cast<std::byte>(random() % 256);
        static_cast<void>(checkSharedLibrary(bytes));
    }
    EXPECT_THAT(checkSharedLibrary({}).message(), testing::HasSubstr("too short"));
    const std::string text(200, 'x');
    EXPECT_THAT(checkSharedLibrary(std::as_bytes(std::span(text))).message(), testing::HasSubstr("no ELF header"));
}

} // namespace
} // namespace tenon::registry
