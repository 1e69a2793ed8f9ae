#include "registry/elf_check.h"

#include "core/support/build_info.h"

#include <cstring>
#include <elf.h>

namespace tenon::registry {

using support::invalidFile;
using support::Status;

namespace {

#if defined(__x86_64__)
constexpr uint16_t kOwnMachine = EM_X86_64;
#elif defined(__aarch64__)
constexpr uint16_t kOwnMachine = EM_AARCH64;
#elif defined(__riscv)
constexpr uint16_t kOwnMachine = EM_RISCV;
#else
constexpr uint16_t kOwnMachine = EM_NONE; // unknown: the system's loader decides
#endif

// True when [offset, offset + size) lies in a file of `fileSize` bytes.
bool fits(uint64_t offset, uint64_t size, uint64_t fileSize) { return offset <= fileSize && size <= fileSize - offset; }

} // namespace

Status checkSharedLibrary(std::span<const std::byte> file) {
    Elf64_Ehdr header;
    if (file.size() < sizeof(header)) {
        return invalidFile("the file has ", file.size(), " bytes, which is too short for a shared library");
    }
    std::memcpy(&header, file.data(), sizeof(header));
    if (std::memcmp(header.e_ident, ELFMAG, SELFMAG) != 0) {
        return invalidFile("the file is no shared library (it has no ELF header)");
    }
    if (header.e_ident[EI_CLASS] != ELFCLASS64 || header.e_ident[EI_DATA] != ELFDATA2LSB) {
        return invalidFile("the file is no 64-bit little-endian library");
    }
    if (kOwnMachine != EM_NONE && header.e_machine != kOwnMachine) {
        return invalidFile("the library is for another processor (ELF machine ", header.e_machine,
                           "), this process is ", support::archText());
    }
    if (header.e_type != ET_DYN) {
        return invalidFile("the file is no shared library (ELF type ", header.e_type, ")");
    }
    const auto truncated = [&] {
        return invalidFile("the file is truncated: it has ", file.size(), " bytes, and its headers speak of more");
    };
    if (header.e_phentsize != sizeof(Elf64_Phdr) ||
        !fits(header.e_phoff, uint64_t{header.e_phnum} * sizeof(Elf64_Phdr), file.size()) ||
        !fits(header.e_shoff, uint64_t{header.e_shnum} * header.e_shentsize, file.size())) {
        return truncated();
    }
    for (uint16_t i = 0; i < header.e_phnum; ++i) {
        Elf64_Phdr segment;
        std::memcpy(&segment, file.data() + header.e_phoff + uint64_t{i} * sizeof(segment), sizeof(segment));
        if (segment.p_type == PT_LOAD && !fits(segment.p_offset, segment.p_filesz, file.size())) {
            return truncated();
        }
    }
    return {};
}

} // namespace tenon::registry
