// Checks of the tables that modules hand over, before anything in them is called.
// Used by the module loader and for in-process registration. Calls nothing of a module.
#pragma once

#include "core/support/status.h"
#include "tenon/module/abi.h"

#include <string_view>

namespace tenon::registry {

/// The whole table as this host knows it: members past the module's `struct_size` are zero, so that nobody else has to
/// ask for it. Strings and `self` still belong to the module.
template <class Table>
Table completed(const Table& from);

/// Each takes a completed table, whose `struct_size` is still the module's, and is ok when everything that version 1.0
/// demands is there: sizes, names, mandatory entries, pairs. kInvalidArgument with the table's kind, name and entry.
support::Status checkTable(const TnModule& table);
support::Status checkTable(const TnBackend& table);
support::Status checkTable(const TnTacticProvider& table);
support::Status checkTable(const TnKernelRuntime& table);
support::Status checkTable(const TnOpDef& table);
support::Status checkTable(const TnParser& table);
support::Status checkTable(const TnOnnxImporter& table);
support::Status checkTable(const TnPluginCreator& table);

/// Names that appear in plans, caches and messages: letters, digits, '_', '.', '-', at most 64, not empty.
bool isTableName(TnString name);

} // namespace tenon::registry

#include <cstring>

template <class Table>
Table tenon::registry::completed(const Table& from) {
    Table table{};
    std::memcpy(&table, &from, from.struct_size < sizeof(Table) ? from.struct_size : sizeof(Table));
    return table;
}
