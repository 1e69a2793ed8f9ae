// The tables of libraries that the dynamic linker alone reads.
// Used where libraries are opened. Knows ELF segments and nothing of modules.
#pragma once

namespace tenon::registry {

/// Lets go of the memory of the symbol and relocation tables of an open library and of all that were opened after it, which has what it brought
/// along: once everything is bound they are hardly read again, and of a large library they are a megabyte. Whoever looks up a symbol finds them
/// as before. `handle` is that of dlopen. Best effort; thread-safe.
void forgetLinkTables(void* handle) noexcept;

} // namespace tenon::registry
