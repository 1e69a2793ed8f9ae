#include "registry/link_tables.h"

#include <cstdint>
#include <dlfcn.h>
#include <elf.h>
#include <link.h>
#include <sys/mman.h>
#include <unistd.h>

namespace tenon::registry {

namespace {

struct Walk {
    ElfW(Addr) from = 0; // where the library is
    bool reached = false;
};

// Whether the linker may have written to what is read only: forgotten, it would come back as it is in the file.
bool mayBePatched(const ElfW(Dyn) * entry) noexcept {
    for (; entry->d_tag != DT_NULL; ++entry) {
        if (entry->d_tag == DT_TEXTREL || (entry->d_tag == DT_FLAGS && (entry->d_un.d_val & DF_TEXTREL) != 0)) {
            return true;
        }
    }
    return false;
}

// Called for each library in the order of their loading, by one thread at a time.
int visit(dl_phdr_info* info, size_t, void* context) noexcept {
    auto& walk = *static_cast<Walk*>(context);
    walk.reached = walk.reached || info->dlpi_addr == walk.from;
    if (!walk.reached) {
        return 0;
    }
    const auto at = [&](const ElfW(Phdr) & segment) {
        return reinterpret_cast<void*>(info->dlpi_addr + segment.p_vaddr); // NOLINT(performance-no-int-to-ptr)
    };
    const ElfW(Phdr)* tables = nullptr;
    for (int i = 0; i < info->dlpi_phnum; ++i) {
        const ElfW(Phdr)& segment = info->dlpi_phdr[i];
        if (segment.p_type == PT_DYNAMIC && mayBePatched(static_cast<const ElfW(Dyn)*>(at(segment)))) {
            return 0;
        }
        // With the headers of the file, where nothing of it is code or written: linkers lay the tables there.
        if (segment.p_type == PT_LOAD && segment.p_offset == 0 && segment.p_flags == PF_R) {
            tables = &segment;
        }
    }
    const auto page = static_cast<uintptr_t>(::sysconf(_SC_PAGESIZE));
    if (tables != nullptr && reinterpret_cast<uintptr_t>(at(*tables)) % page == 0) {
        ::madvise(at(*tables), tables->p_filesz / page * page, MADV_DONTNEED);
    }
    return 0;
}

} // namespace

void forgetLinkTables(void* handle) noexcept {
    link_map* library = nullptr;
    if (::dlinfo(handle, RTLD_DI_LINKMAP, &library) == 0) {
        Walk walk;
        walk.from = library->l_addr;
        ::dl_iterate_phdr(visit, &walk);
    }
}

} // namespace tenon::registry
