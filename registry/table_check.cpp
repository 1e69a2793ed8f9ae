#include "registry/table_check.h"

#include "registry/text_sink.h"

#include <cstddef>

namespace tenon::registry {

using support::cat;
using support::invalidArgument;
using support::Status;

namespace {

// Bytes of a table up to the end of a member.
#define TN_SIZE_THROUGH(Table, member) (offsetof(Table, member) + sizeof(Table::member))

// What version 1.0 of the ABI had. These numbers never grow: a table that ends there is complete.
constexpr size_t kModuleSize = TN_SIZE_THROUGH(TnModule, shutdown);
constexpr size_t kBackendSize = TN_SIZE_THROUGH(TnBackend, get_extension);
constexpr size_t kProviderSize = TN_SIZE_THROUGH(TnTacticProvider, get_extension);
constexpr size_t kRuntimeSize = TN_SIZE_THROUGH(TnKernelRuntime, get_extension);
constexpr size_t kOpSize = TN_SIZE_THROUGH(TnOpDef, infer);
constexpr size_t kParserSize = TN_SIZE_THROUGH(TnParser, create);
constexpr size_t kImporterSize = TN_SIZE_THROUGH(TnOnnxImporter, importer);
constexpr size_t kCreatorSize = TN_SIZE_THROUGH(TnPluginCreator, creator);

std::string quoted(TnString name) { return cat("'", toView(name), "'"); }

Status checkSize(std::string_view kind, uint32_t size, size_t least) {
    return size >= least ? Status()
                         : invalidArgument("a ", kind, " has a table of ", size,
                                           " bytes, and version 1.0 of the ABI has ", least);
}

Status checkName(std::string_view kind, TnString name) {
    return isTableName(name) ? Status()
                             : invalidArgument("a ", kind, " is named ", support::quote(toView(name)),
                                               ", which is no name (letters, digits, '_', '.', '-'; at most 64)");
}

// Free text, as long as a timing cache can show it on one line.
Status checkVersion(std::string_view kind, TnString name, TnString version) {
    const std::string_view text = toView(version);
    bool good = !text.empty() && text.size() <= 256;
    for (const char c : text) {
        good = good && static_cast<unsigned char>(c) >= 0x20 && c != 0x7f;
    }
    return good ? Status()
                : invalidArgument(kind, " ", quoted(name), ": its version ", support::quote(text.substr(0, 80)),
                                  " is no version (one line, at most 256 characters)");
}

Status checkEntry(std::string_view kind, TnString name, std::string_view entry, bool present) {
    return present ? Status() : invalidArgument(kind, " ", quoted(name), ": the mandatory entry '", entry, "' is NULL");
}

// A group of optional entries: all or none.
Status checkGroup(std::string_view kind, TnString name, std::string_view group, int present, int all) {
    return present == 0 || present == all
               ? Status()
               : invalidArgument(kind, " ", quoted(name), ": of the optional entries ", group,
                                 " either all are there or none, found ", present, " of ", all);
}

} // namespace

// The entry's name is spelled once.
#define TN_CHECK_ENTRY(kind, table, entry)                                                                             \
    TN_RETURN_IF_ERROR(checkEntry(kind, (table).name, #entry, (table).entry != nullptr))

bool isTableName(TnString name) {
    if (name.data == nullptr || name.size == 0 || name.size > 64) {
        return false;
    }
    for (const char c : toView(name)) {
        const bool good = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
                          c == '.' || c == '-';
        if (!good) {
            return false;
        }
    }
    return true;
}

Status checkTable(const TnModule& table) {
    TN_RETURN_IF_ERROR(checkSize("module", table.struct_size, kModuleSize));
    TN_RETURN_IF_ERROR(checkName("module", table.name));
    TN_RETURN_IF_ERROR(checkVersion("module", table.name, table.version));
    TN_CHECK_ENTRY("module", table, init);
    TN_CHECK_ENTRY("module", table, shutdown);
    return {};
}

Status checkTable(const TnBackend& table) {
    constexpr std::string_view kKind = "backend";
    TN_RETURN_IF_ERROR(checkSize(kKind, table.struct_size, kBackendSize));
    TN_RETURN_IF_ERROR(checkName(kKind, table.name));
    TN_CHECK_ENTRY(kKind, table, device_count);
    TN_CHECK_ENTRY(kKind, table, describe);
    TN_CHECK_ENTRY(kKind, table, allocate);
    TN_CHECK_ENTRY(kKind, table, release);
    TN_CHECK_ENTRY(kKind, table, copy);
    const int streams =
        (table.stream_create != nullptr) + (table.stream_destroy != nullptr) + (table.stream_synchronize != nullptr);
    TN_RETURN_IF_ERROR(checkGroup(kKind, table.name, "stream_create, stream_destroy, stream_synchronize", streams, 3));
    const int events = (table.event_create != nullptr) + (table.event_destroy != nullptr) +
                       (table.event_record != nullptr) + (table.event_wait != nullptr) +
                       (table.event_elapsed_us != nullptr);
    return checkGroup(kKind, table.name, "event_create, event_destroy, event_record, event_wait, event_elapsed_us",
                      events, 5);
}

Status checkTable(const TnTacticProvider& table) {
    constexpr std::string_view kKind = "tactic provider";
    TN_RETURN_IF_ERROR(checkSize(kKind, table.struct_size, kProviderSize));
    TN_RETURN_IF_ERROR(checkName(kKind, table.name));
    TN_RETURN_IF_ERROR(checkVersion(kKind, table.name, table.version));
    TN_CHECK_ENTRY(kKind, table, supports);
    TN_CHECK_ENTRY(kKind, table, enumerate);
    TN_CHECK_ENTRY(kKind, table, compile);
    return {};
}

Status checkTable(const TnKernelRuntime& table) {
    constexpr std::string_view kKind = "kernel runtime";
    TN_RETURN_IF_ERROR(checkSize(kKind, table.struct_size, kRuntimeSize));
    TN_RETURN_IF_ERROR(checkName(kKind, table.name));
    if (table.blob_min > table.blob_max) {
        return invalidArgument(kKind, " ", quoted(table.name), ": it reads blob versions ", table.blob_min, " to ",
                               table.blob_max, ", which is none");
    }
    TN_CHECK_ENTRY(kKind, table, session_create);
    TN_CHECK_ENTRY(kKind, table, session_destroy);
    TN_CHECK_ENTRY(kKind, table, deserialize);
    TN_CHECK_ENTRY(kKind, table, kernel_destroy);
    TN_CHECK_ENTRY(kKind, table, state_create);
    TN_CHECK_ENTRY(kKind, table, state_destroy);
    TN_CHECK_ENTRY(kKind, table, workspace);
    TN_CHECK_ENTRY(kKind, table, prepare);
    TN_CHECK_ENTRY(kKind, table, launch);
    return {};
}

Status checkTable(const TnOpDef& table) {
    constexpr std::string_view kKind = "op definition";
    TN_RETURN_IF_ERROR(checkSize(kKind, table.struct_size, kOpSize));
    TN_RETURN_IF_ERROR(checkName(kKind, table.name));
    TN_CHECK_ENTRY(kKind, table, infer);
    if (toView(table.name).find('.') == std::string_view::npos) {
        return invalidArgument(kKind, " ", quoted(table.name), ": an op of a module is named 'domain.op'");
    }
    const bool inputs = table.min_inputs >= 0 && (table.max_inputs == -1 || table.max_inputs >= table.min_inputs);
    if (!inputs || table.min_outputs < 1 || table.max_outputs < table.min_outputs) {
        return invalidArgument(kKind, " ", quoted(table.name), ": impossible numbers of inputs or outputs");
    }
    if (table.attribute_count < 0 || (table.attribute_count > 0 && table.attributes == nullptr) ||
        (table.attribute_count > 0 && table.attribute_stride < TN_SIZE_THROUGH(TnAttributeSpec, doc))) {
        return invalidArgument(kKind, " ", quoted(table.name), ": its attributes cannot be read");
    }
    return {};
}

Status checkTable(const TnParser& table) {
    TN_RETURN_IF_ERROR(checkSize("parser", table.struct_size, kParserSize));
    TN_RETURN_IF_ERROR(checkName("parser's format", table.format));
    return checkEntry("parser", table.format, "create", table.create != nullptr);
}

Status checkTable(const TnOnnxImporter& table) {
    TN_RETURN_IF_ERROR(checkSize("ONNX importer", table.struct_size, kImporterSize));
    TN_RETURN_IF_ERROR(checkName("ONNX importer's op", table.op));
    if (table.domain.size > 0 && !isTableName(table.domain)) {
        return checkName("ONNX importer's domain", table.domain);
    }
    if (table.since < 1 || (table.until != 0 && table.until < table.since)) {
        return invalidArgument("ONNX importer ", quoted(table.op), ": opsets ", table.since, " to ", table.until,
                               " are none");
    }
    return checkEntry("ONNX importer", table.op, "importer", table.importer != nullptr);
}

Status checkTable(const TnPluginCreator& table) {
    TN_RETURN_IF_ERROR(checkSize("plugin creator", table.struct_size, kCreatorSize));
    return checkEntry("plugin creator of namespace", table.plugin_namespace, "creator", table.creator != nullptr);
}

} // namespace tenon::registry
