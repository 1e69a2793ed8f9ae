#include "core/support/file_map.h"

#include <atomic>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <new>
#include <system_error>
#include <vector>

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

namespace tenon::support {

namespace {

/// Closes a descriptor at the end of a scope.
class Descriptor {
public:
    explicit Descriptor(int file) noexcept : mFile(file) {}
    ~Descriptor() {
        if (mFile >= 0) {
            ::close(mFile);
        }
    }
    Descriptor(const Descriptor&) = delete;
    Descriptor& operator=(const Descriptor&) = delete;
    int get() const noexcept { return mFile; }

private:
    int mFile;
};

Code codeOf(int systemError) noexcept {
    if (systemError == ENOENT || systemError == ENOTDIR) {
        return Code::kNotFound;
    }
    if (systemError == EACCES || systemError == EPERM || systemError == EROFS || systemError == EISDIR) {
        return Code::kEnvironment;
    }
    return systemError == ENOMEM ? Code::kOutOfMemory : Code::kIo;
}

Status systemFailure(std::string_view doing, const std::string& path, int systemError) {
    return makeError(codeOf(systemError), "cannot ", doing, " '", path,
                     "': ", std::generic_category().message(systemError));
}

/// Reads until the end, for what cannot be mapped. False with errno set.
bool readAll(int file, std::vector<std::byte>& out) {
    constexpr size_t kChunk = size_t{1} << 20;
    size_t used = 0;
    while (true) {
        out.resize(used + kChunk);
        const ssize_t got = ::read(file, out.data() + used, kChunk);
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got < 0) {
            return false;
        }
        used += static_cast<size_t>(got);
        if (got == 0) {
            out.resize(used);
            return true;
        }
    }
}

/// Makes the rename itself survive a power cut. Best effort: some file systems refuse to sync a directory.
void syncDirectoryOf(const std::string& path) noexcept {
    const size_t slash = path.rfind('/');
    const std::string directory = slash == std::string::npos ? "." : path.substr(0, slash + 1);
    const Descriptor file(::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (file.get() >= 0) {
        ::fsync(file.get());
    }
}

/// Creates a new file in the directory of `path`, on the same file system. mkstemp is of no use here: it makes files
/// private to their owner, and an output file shall get the mode that plain creation gives it. -1 with errno set.
int createBeside(const std::string& path, std::string& name) {
    static std::atomic<unsigned> counter{0};
    for (int attempt = 0; attempt < 1000; ++attempt) {
        name = cat(path, ".tmp-", ::getpid(), "-", counter.fetch_add(1));
        const int file = ::open(name.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
        if (file >= 0) {
            return file;
        }
        if (errno != EEXIST) {
            break;
        }
    }
    name.clear();
    return -1;
}

/// The file that a symbolic link stands for, so that replacing it keeps the link.
std::string resolveLinks(const std::string& path) {
    const std::unique_ptr<char, decltype(&std::free)> resolved(::realpath(path.c_str(), nullptr), &std::free);
    return resolved == nullptr ? path : std::string(resolved.get());
}

} // namespace

Result<FileMap> FileMap::open(const std::string& path) {
    const Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    if (file.get() < 0) {
        return systemFailure("open", path, errno);
    }
    struct stat info {};
    if (::fstat(file.get(), &info) != 0) {
        return systemFailure("examine", path, errno);
    }
    if (S_ISDIR(info.st_mode)) {
        // Another name is what helps, not another permission.
        return makeError(Code::kIo, "cannot read '", path, "': it is a directory");
    }

    FileMap map;
    if (S_ISREG(info.st_mode) && info.st_size > 0) {
        const auto size = static_cast<size_t>(info.st_size);
        void* const address = ::mmap(nullptr, size, PROT_READ, MAP_PRIVATE, file.get(), 0);
        if (address != MAP_FAILED) {
            map.mData = static_cast<const std::byte*>(address);
            map.mSize = size;
            map.mMapped = true;
            return map;
        }
    }
    std::vector<std::byte> content;
    if (!readAll(file.get(), content)) {
        return systemFailure("read", path, errno);
    }
    if (!content.empty()) {
        // Aligned as a page would be, so that what is read in place needs no second rule for this case.
        auto* const copy = static_cast<std::byte*>(::operator new(content.size(), std::align_val_t(4096)));
        std::memcpy(copy, content.data(), content.size());
        map.mData = copy;
        map.mSize = content.size();
    }
    return map;
}

FileMap::FileMap(FileMap&& other) noexcept
    : mData(std::exchange(other.mData, nullptr)), mSize(std::exchange(other.mSize, 0)),
      mMapped(std::exchange(other.mMapped, false)) {}

FileMap& FileMap::operator=(FileMap&& other) noexcept {
    if (this != &other) {
        release();
        mData = std::exchange(other.mData, nullptr);
        mSize = std::exchange(other.mSize, 0);
        mMapped = std::exchange(other.mMapped, false);
    }
    return *this;
}

FileMap::~FileMap() { release(); }

void FileMap::forget(std::span<const std::byte> part) const noexcept {
    if (!mMapped || part.empty()) {
        return;
    }
    const auto page = static_cast<size_t>(::sysconf(_SC_PAGESIZE));
    const auto offset = static_cast<size_t>(part.data() - mData);
    const size_t begin = (offset + page - 1) / page * page;
    const size_t end = offset + part.size() == mSize ? mSize : (offset + part.size()) / page * page;
    if (begin < end) {
        // Another kind of mapping than what is kept: where the system caches the file in huge pages, reading beside this would bring it back.
        ::madvise(const_cast<std::byte*>(mData) + begin, end - begin, MADV_NOHUGEPAGE);
        ::madvise(const_cast<std::byte*>(mData) + begin, end - begin, MADV_DONTNEED);
    }
}

void FileMap::release() noexcept {
    if (mData == nullptr) {
        return;
    }
    auto* const address = const_cast<std::byte*>(mData);
    if (mMapped) {
        ::munmap(address, mSize);
    } else {
        ::operator delete(address, std::align_val_t(4096));
    }
    mData = nullptr;
}

Result<AtomicFileWriter> AtomicFileWriter::open(const std::string& path) {
    AtomicFileWriter writer;
    writer.mPath = resolveLinks(path);
    struct stat info {};
    const bool exists = ::stat(writer.mPath.c_str(), &info) == 0;
    if (exists && S_ISDIR(info.st_mode)) {
        return systemFailure("write", path, EISDIR);
    }
    if (exists && !S_ISREG(info.st_mode)) {
        writer.mFile = ::open(writer.mPath.c_str(), O_WRONLY | O_CLOEXEC);
        if (writer.mFile < 0) {
            return systemFailure("write", path, errno);
        }
        return writer;
    }
    // Renaming over a file needs no permission on the file itself; overwriting a write-protected one would surprise.
    if (exists && ::access(writer.mPath.c_str(), W_OK) != 0) {
        return systemFailure("write", path, errno);
    }
    writer.mFile = createBeside(writer.mPath, writer.mTemporaryPath);
    if (writer.mFile < 0) {
        return systemFailure("create a file beside", path, errno);
    }
    if (exists && ::fchmod(writer.mFile, info.st_mode & 07777) != 0) {
        return systemFailure("set the permissions of", writer.mTemporaryPath, errno);
    }
    return writer;
}

AtomicFileWriter::AtomicFileWriter(AtomicFileWriter&& other) noexcept
    : mPath(std::move(other.mPath)), mTemporaryPath(std::exchange(other.mTemporaryPath, {})),
      mFile(std::exchange(other.mFile, -1)), mPosition(std::exchange(other.mPosition, 0)) {}

AtomicFileWriter& AtomicFileWriter::operator=(AtomicFileWriter&& other) noexcept {
    if (this != &other) {
        abandon();
        mPath = std::move(other.mPath);
        mTemporaryPath = std::exchange(other.mTemporaryPath, {});
        mFile = std::exchange(other.mFile, -1);
        mPosition = std::exchange(other.mPosition, 0);
    }
    return *this;
}

AtomicFileWriter::~AtomicFileWriter() { abandon(); }

void AtomicFileWriter::abandon() noexcept {
    if (mFile >= 0) {
        ::close(std::exchange(mFile, -1));
    }
    if (!mTemporaryPath.empty()) {
        ::unlink(mTemporaryPath.c_str());
        mTemporaryPath.clear();
    }
}

Status AtomicFileWriter::write(std::span<const std::byte> bytes) {
    if (mFile < 0) {
        return internalError("write to '", mPath, "' after it was committed or failed");
    }
    while (!bytes.empty()) {
        // The kernel moves at most about 2 GiB a call.
        const size_t chunk = std::min(bytes.size(), size_t{1} << 30);
        const ssize_t done = ::write(mFile, bytes.data(), chunk);
        if (done < 0 && errno == EINTR) {
            continue;
        }
        if (done < 0) {
            Status failure = systemFailure("write", mPath, errno);
            abandon();
            return failure;
        }
        bytes = bytes.subspan(static_cast<size_t>(done));
        mPosition += done;
    }
    return {};
}

Status AtomicFileWriter::write(std::string_view text) {
    return write(std::as_bytes(std::span(text.data(), text.size())));
}

Status AtomicFileWriter::commit() {
    if (mFile < 0) {
        return internalError("commit of '", mPath, "' after it was committed or failed");
    }
    if (mTemporaryPath.empty()) {
        return ::close(std::exchange(mFile, -1)) == 0 ? Status() : systemFailure("write", mPath, errno);
    }
    // Some file systems report a full disk only here.
    if (::fsync(mFile) != 0 || ::close(std::exchange(mFile, -1)) != 0 ||
        ::rename(mTemporaryPath.c_str(), mPath.c_str()) != 0) {
        Status failure = systemFailure("write", mPath, errno);
        abandon();
        return failure;
    }
    mTemporaryPath.clear();
    syncDirectoryOf(mPath);
    return {};
}

Status writeFileAtomically(const std::string& path, std::span<const std::byte> bytes) {
    TN_ASSIGN_OR_RETURN(AtomicFileWriter writer, AtomicFileWriter::open(path));
    TN_RETURN_IF_ERROR(writer.write(bytes));
    return writer.commit();
}

Status writeFileAtomically(const std::string& path, std::string_view text) {
    return writeFileAtomically(path, std::as_bytes(std::span(text.data(), text.size())));
}

} // namespace tenon::support
