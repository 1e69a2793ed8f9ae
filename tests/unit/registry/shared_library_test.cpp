#include "registry/elf_check.h"
#include "registry/shared_library.h"

#include "core/support/file_map.h"

#include <cmath>
#include <dlfcn.h>
#include <fstream>
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

// KiB of a library's first segment that are in this process's memory.
int64_t residentTables(const std::string& path) {
    std::ifstream maps("/proc/self/smaps");
    bool inside = false;
    for (std::string line; std::getline(maps, line);) {
        if (line.find('-') < line.find(' ')) {
            inside = line.ends_with(path) && line.find(" r--p 00000000 ") != std::string::npos;
        } else if (inside && line.starts_with("Rss:")) {
            return std::stoll(line.substr(4));
        }
    }
    return -1;
}

TEST(SharedLibrary, WhatOnlyTheLinkerReadsTakesNoMemory) {
    // The first time, calls of this program are bound between, which looks into the tables of all libraries.
    static_cast<void>(residentTables((*SharedLibrary::open(mathLibrary()))->path()));
    const auto library = SharedLibrary::open(mathLibrary());
    ASSERT_TRUE(library.ok()) << library.status().toString();
    const int64_t resident = residentTables((*library)->path());
    ASSERT_GE(resident, 0) << "the library begins with tables that are neither code nor written";
    EXPECT_LE(resident, 4) << "the page that the next segment begins in";
    EXPECT_NE((*library)->symbol("fabs"), nullptr);
    EXPECT_GT(residentTables((*library)->path()), 4) << "they come back when somebody looks up a symbol";
}

TEST(SharedLibrary, ErrorsLeaveThePathToWhoOpensIt) {
    EXPECT_EQ(SharedLibrary::open("/nowhere/x.so").status().toString(), "NotFound: No such file or directory");
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
