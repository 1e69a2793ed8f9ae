#include "core/support/file_map.h"

#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <span>
#include <vector>

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

namespace tenon::support {
namespace {

namespace fs = std::filesystem;

class FileMapTest : public testing::Test {
protected:
    void SetUp() override {
        std::string pattern = (fs::temp_directory_path() / "tenon-file-XXXXXX").string();
        ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
        mFolder = pattern;
    }
    void TearDown() override { fs::remove_all(mFolder); }

    std::string path(const char* name) const { return (mFolder / name).string(); }
    std::string write(const char* name, std::string_view text) const {
        std::ofstream(path(name), std::ios::binary) << text;
        return path(name);
    }
    static std::string read(const std::string& path) {
        std::ifstream file(path, std::ios::binary);
        return {std::istreambuf_iterator<char>(file), {}};
    }
    size_t filesInFolder() const {
        return static_cast<size_t>(std::distance(fs::directory_iterator(mFolder), fs::directory_iterator()));
    }

    fs::path mFolder;
};

TEST_F(FileMapTest, MapsAFileAndKeepsItsAddressWhenMoved) {
    Result<FileMap> opened = FileMap::open(write("a", "hello"));
    ASSERT_TRUE(opened.ok()) << opened.status().toString();
    EXPECT_EQ(opened->text(), "hello");
    const std::byte* const address = opened->data();
    FileMap moved = *std::move(opened);
    EXPECT_EQ(moved.data(), address);
    FileMap other;
    other = std::move(moved);
    EXPECT_EQ(other.text(), "hello");
    EXPECT_EQ(moved.size(), 0U); // NOLINT(bugprone-use-after-move): what a moved-from map is, is part of its contract
}

TEST_F(FileMapTest, WhatWasForgottenIsReadAgain) {
    const std::string text(3 * 4096 + 5, 'x');
    Result<FileMap> opened = FileMap::open(write("a", text));
    ASSERT_TRUE(opened.ok());
    EXPECT_EQ(opened->text(), text);
    opened->forget(opened->bytes());
    opened->forget(opened->bytes().subspan(10, 100));
    opened->forget(opened->bytes().last(5));
    opened->forget({});
    EXPECT_EQ(opened->text(), text);
}

// Pages of this range that are in this process's memory.
size_t residentPages(std::span<const std::byte> bytes) {
    const auto page = static_cast<size_t>(::sysconf(_SC_PAGESIZE));
    std::vector<uint64_t> entries(bytes.size() / page);
    const int table = ::open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
    const auto wanted = static_cast<ssize_t>(entries.size() * sizeof(uint64_t));
    const ssize_t got = ::pread(table, entries.data(), static_cast<size_t>(wanted),
                                static_cast<off_t>(reinterpret_cast<uintptr_t>(bytes.data()) / page * 8));
    ::close(table);
    EXPECT_EQ(got, wanted);
    return static_cast<size_t>(
        std::count_if(entries.begin(), entries.end(), [](uint64_t entry) { return (entry >> 63) != 0; }));
}

// Where the system keeps the file in huge pages, reading between forgotten parts would bring them back.
TEST_F(FileMapTest, WhatIsKeptDoesNotBringBackWhatWasForgotten) {
    const auto page = static_cast<size_t>(::sysconf(_SC_PAGESIZE));
    const std::string text(1024 * page, 'x');
    Result<FileMap> opened = FileMap::open(write("a", text));
    ASSERT_TRUE(opened.ok());
    EXPECT_EQ(opened->text(), text);
    EXPECT_EQ(residentPages(opened->bytes()), 1024U);
    opened->forget(opened->bytes().first(100 * page));
    opened->forget(opened->bytes().subspan(110 * page));
    EXPECT_EQ(opened->text()[105 * page], 'x');
    EXPECT_LE(residentPages(opened->bytes()), 10U);
}

TEST_F(FileMapTest, AnEmptyFileIsEmpty) {
    Result<FileMap> opened = FileMap::open(write("empty", ""));
    ASSERT_TRUE(opened.ok());
    EXPECT_EQ(opened->size(), 0U);
    EXPECT_EQ(opened->text(), "");
}

TEST_F(FileMapTest, ReadsWhatCannotBeMapped) {
    const std::string pipe = path("pipe");
    ASSERT_EQ(::mkfifo(pipe.c_str(), 0600), 0);
    const std::string content(3'000'000, 'x');
    const pid_t writer = ::fork();
    ASSERT_GE(writer, 0);
    if (writer == 0) {
        std::ofstream(pipe, std::ios::binary) << content;
        ::_exit(0);
    }
    Result<FileMap> opened = FileMap::open(pipe);
    ASSERT_TRUE(opened.ok()) << opened.status().toString();
    EXPECT_EQ(opened->text(), content);
}

TEST_F(FileMapTest, ErrorsNameThePathAndTheReason) {
    const Status missing = FileMap::open(path("none")).status();
    EXPECT_EQ(missing.code(), Code::kNotFound);
    EXPECT_EQ(missing.message(), "cannot open '" + path("none") + "': No such file or directory");
    const Status directory = FileMap::open(mFolder.string()).status();
    EXPECT_EQ(directory.code(), Code::kIo);
    EXPECT_EQ(directory.message(), "cannot read '" + mFolder.string() + "': it is a directory");
}

TEST_F(FileMapTest, WritesANewFileAndReplacesAnOldOne) {
    ASSERT_TRUE(writeFileAtomically(path("f"), std::string_view("one")).ok());
    EXPECT_EQ(read(path("f")), "one");
    ASSERT_EQ(::chmod(path("f").c_str(), 0640), 0);
    ASSERT_TRUE(writeFileAtomically(path("f"), std::string_view("two")).ok());
    EXPECT_EQ(read(path("f")), "two");
    struct stat info {};
    ASSERT_EQ(::stat(path("f").c_str(), &info), 0);
    EXPECT_EQ(info.st_mode & 0777U, 0640U);
    EXPECT_EQ(filesInFolder(), 1U);
}

TEST_F(FileMapTest, AMappedOldFileStaysReadableWhileItIsReplaced) {
    FileMap old = *FileMap::open(write("f", "old"));
    ASSERT_TRUE(writeFileAtomically(path("f"), std::string_view("new")).ok());
    EXPECT_EQ(old.text(), "old");
}

TEST_F(FileMapTest, ASymbolicLinkIsFollowedNotReplaced) {
    fs::create_symlink(write("real", "old"), path("link"));
    ASSERT_TRUE(writeFileAtomically(path("link"), std::string_view("new")).ok());
    EXPECT_TRUE(fs::is_symlink(path("link")));
    EXPECT_EQ(read(path("real")), "new");
}

TEST_F(FileMapTest, AFullDiskLeavesTheOldFileAndNoRemains) {
    write("f", "old");
    // A limit on the size of files fails a write as a full disk does, without needing one.
    rlimit before{};
    ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &before), 0);
    const auto oldHandler = ::signal(SIGXFSZ, SIG_IGN);
    rlimit small = before;
    small.rlim_cur = 4096;
    ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &small), 0);
    const Status status = writeFileAtomically(path("f"), std::string(100'000, 'x'));
    ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &before), 0);
    ::signal(SIGXFSZ, oldHandler);
    EXPECT_EQ(status.code(), Code::kIo);
    EXPECT_EQ(read(path("f")), "old");
    EXPECT_EQ(filesInFolder(), 1U);
}

TEST_F(FileMapTest, AWriterThatIsNotCommittedChangesNothing) {
    write("f", "old");
    {
        Result<AtomicFileWriter> writer = AtomicFileWriter::open(path("f"));
        ASSERT_TRUE(writer.ok());
        ASSERT_TRUE(writer->write(std::string_view("part")).ok());
        EXPECT_EQ(writer->position(), 4);
    }
    EXPECT_EQ(read(path("f")), "old");
    EXPECT_EQ(filesInFolder(), 1U);
}

TEST_F(FileMapTest, WritingAfterTheCommitIsAnError) {
    Result<AtomicFileWriter> writer = AtomicFileWriter::open(path("f"));
    ASSERT_TRUE(writer.ok());
    ASSERT_TRUE(writer->commit().ok());
    EXPECT_EQ(writer->write(std::string_view("more")).code(), Code::kInternal);
    EXPECT_EQ(writer->commit().code(), Code::kInternal);
}

TEST_F(FileMapTest, ADirectoryOrAMissingOneCannotBeWritten) {
    EXPECT_EQ(writeFileAtomically(mFolder.string(), std::string_view("x")).code(), Code::kEnvironment);
    EXPECT_EQ(writeFileAtomically(path("no/such/f"), std::string_view("x")).code(), Code::kNotFound);
}

TEST_F(FileMapTest, ADeviceIsWrittenInPlace) {
    EXPECT_TRUE(writeFileAtomically("/dev/null", std::string_view("x")).ok());
    EXPECT_EQ(writeFileAtomically("/dev/full", std::string_view("x")).code(), Code::kIo);
    EXPECT_TRUE(fs::is_character_file("/dev/full"));
}

} // namespace
} // namespace tenon::support
