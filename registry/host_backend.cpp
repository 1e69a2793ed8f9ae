#include "registry/host_backend.h"

#include "core/support/build_info.h"
#include "core/support/hash.h"
#include "registry/text_sink.h"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iterator>
#include <sched.h>
#include <set>
#include <sstream>
#include <string_view>
#include <thread>
#include <unistd.h>

namespace tenon::registry {

using support::cat;

namespace {

// Names as /proc/cpuinfo spells them; the kernel lists only what it also saves on a context switch. Order is part of the
// fingerprint: append only.
constexpr std::array<std::string_view, 24> kInstructionSets = {
    "sse4_1",   "avx",      "f16c",        "fma",         "avx2",        "avx_vnni", "avx512f",  "avx512dq",
    "avx512bw", "avx512vl", "avx512_vnni", "avx512_bf16", "avx512_fp16", "amx_tile", "amx_int8", "amx_bf16",
    "asimd",    "asimdhp",  "asimddp",     "sve",         "sve2",        "bf16",     "i8mm",     "rvv"};

std::string readText(const std::string& path) {
    std::ifstream file(path);
    return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

// "48K", "2048K", "32M"
int64_t parseSize(std::string_view text) {
    text = support::trim(text);
    int64_t unit = 1;
    if (!text.empty() && (text.back() == 'K' || text.back() == 'M' || text.back() == 'G')) {
        unit = text.back() == 'K' ? 1 << 10 : text.back() == 'M' ? 1 << 20 : 1 << 30;
        text.remove_suffix(1);
    }
    int64_t value = 0;
    return support::parseInt(text, value) ? value * unit : 0;
}

void readCaches(HostDescription& host) {
    for (int index = 0; index < 8; ++index) {
        const std::string folder = cat("/sys/devices/system/cpu/cpu0/cache/index", index, "/");
        const std::string type(support::trim(readText(folder + "type")));
        const std::string level(support::trim(readText(folder + "level")));
        const int64_t size = parseSize(readText(folder + "size"));
        if (type == "Instruction") {
            continue;
        }
        if (level == "1") {
            host.l1Bytes = size;
        } else if (level == "2") {
            host.l2Bytes = size;
        } else if (level == "3") {
            host.l3Bytes = size;
        }
    }
}

// Model name and flags of the first processor; the same on all that a process is moved between.
void readCpuInfo(HostDescription& host) {
    std::istringstream lines(readText("/proc/cpuinfo"));
    std::set<std::string, std::less<>> flags;
    for (std::string line; std::getline(lines, line);) {
        const size_t colon = line.find(':');
        if (colon == std::string::npos) {
            continue;
        }
        const std::string_view key = support::trim(std::string_view(line).substr(0, colon));
        const std::string_view value = support::trim(std::string_view(line).substr(colon + 1));
        if (host.cpu.empty() && (key == "model name" || key == "CPU implementer" || key == "uarch")) {
            host.cpu = value;
        } else if (flags.empty() && (key == "flags" || key == "Features")) {
            for (const std::string_view flag : support::split(value, ' ')) {
                flags.emplace(flag);
            }
        }
    }
    for (const std::string_view name : kInstructionSets) {
        if (flags.contains(name)) {
            host.isa.emplace_back(name);
        }
    }
}

// Whole processors that the control group grants, or 0 without a limit.
int32_t cgroupLimit() {
    std::istringstream v2(readText("/sys/fs/cgroup/cpu.max"));
    int64_t quota = 0;
    int64_t period = 0;
    if (!(v2 >> quota >> period)) { // "max 100000" is no limit
        std::istringstream v1(readText("/sys/fs/cgroup/cpu/cpu.cfs_quota_us") + " " +
                              readText("/sys/fs/cgroup/cpu/cpu.cfs_period_us"));
        if (!(v1 >> quota >> period)) {
            return 0;
        }
    }
    return quota > 0 && period > 0 ? static_cast<int32_t>(std::max<int64_t>(1, (quota + period - 1) / period)) : 0;
}

void readTopology(HostDescription& host) {
    cpu_set_t mask;
    CPU_ZERO(&mask);
    host.threads = static_cast<int32_t>(std::max(1U, std::thread::hardware_concurrency()));
    host.cores = host.threads;
    if (sched_getaffinity(0, sizeof(mask), &mask) == 0) {
        std::set<std::string> siblings;
        for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
            if (CPU_ISSET(cpu, &mask)) {
                const std::string folder = cat("/sys/devices/system/cpu/cpu", cpu, "/topology/");
                const std::string group = readText(folder + "thread_siblings_list");
                siblings.insert(group.empty() ? cat("cpu", cpu) : group);
            }
        }
        host.threads = std::max(1, CPU_COUNT(&mask));
        host.cores = std::max(1, static_cast<int32_t>(siblings.size()));
    }
    if (const int32_t limit = cgroupLimit(); limit > 0) {
        host.threads = std::min(host.threads, limit);
        host.cores = std::min(host.cores, limit);
    }
}

HostDescription describeHost() {
    HostDescription host;
    host.arch = support::archText();
    readCpuInfo(host);
    readCaches(host);
    readTopology(host);
    const long pages = sysconf(_SC_PHYS_PAGES);
    const long pageBytes = sysconf(_SC_PAGE_SIZE);
    host.memoryBytes = pages > 0 && pageBytes > 0 ? int64_t{pages} * pageBytes : 0;
    return host;
}

// A JSON string; what a processor's name cannot hold is left out rather than escaped.
std::string jsonText(std::string_view text) {
    std::string out = "\"";
    for (const char c : text) {
        const auto byte = static_cast<unsigned char>(c);
        if (byte >= 0x20 && byte < 0x7f && c != '"' && c != '\\') {
            out.push_back(c);
        }
    }
    return out + "\"";
}

std::string jsonIsa(const HostDescription& description) {
    std::string out = "[";
    for (const std::string& name : description.isa) {
        out += cat(out.size() > 1 ? "," : "", jsonText(name));
    }
    return out + "]";
}

// The largest alignment that anybody needs: a page.
constexpr int64_t kMaxAlignment = 4096;

void write(TnSink* sink, std::string_view text) {
    if (sink != nullptr && sink->write != nullptr) {
        sink->write(sink->context, text.data(), text.size());
    }
}

TnCode checkDevice(int32_t device, TnSink* reason) {
    if (device == 0) {
        return TN_OK;
    }
    write(reason, "the host backend has one device, number 0");
    return TN_INVALID_ARGUMENT;
}

int32_t hostDeviceCount(void*, TnSink*) { return 1; }

TnCode hostDescribe(void*, int32_t device, TnSink* json, TnSink* fingerprint, TnSink* reason) {
    if (const TnCode code = checkDevice(device, reason); code != TN_OK) {
        return code;
    }
    write(json, hostJson(hostDescription()));
    write(fingerprint, hostFingerprint(hostDescription()));
    return TN_OK;
}

void* hostAllocate(void*, int32_t device, int64_t bytes, int64_t alignment) {
    const bool powerOfTwo = alignment > 0 && (alignment & (alignment - 1)) == 0;
    if (device != 0 || bytes < 0 || !powerOfTwo || alignment > kMaxAlignment) {
        return nullptr;
    }
    // The system promises more memory than there is and kills the process when it is touched: say no while one can.
    if (const int64_t physical = hostDescription().memoryBytes; physical > 0 && bytes / 2 > physical) {
        return nullptr;
    }
    void* memory = nullptr;
    const auto least = static_cast<int64_t>(sizeof(void*));
    const int result = posix_memalign(&memory, static_cast<size_t>(std::max(alignment, least)),
                                      static_cast<size_t>(std::max<int64_t>(bytes, 1)));
    return result == 0 ? memory : nullptr;
}

void hostRelease(void*, int32_t, void* memory) { std::free(memory); }

TnCode hostCopy(void*, void* to, const void* from, int64_t bytes, TnStream*, TnSink* reason) {
    if (bytes < 0 || (bytes > 0 && (to == nullptr || from == nullptr))) {
        write(reason, "copy of host memory with a null address or a negative size");
        return TN_INVALID_ARGUMENT;
    }
    if (bytes > 0) {
        std::memmove(to, from, static_cast<size_t>(bytes));
    }
    return TN_OK;
}

TnBackend makeTable() {
    TnBackend table{};
    table.struct_size = sizeof(table);
    table.name = toTn("host");
    table.version = toTn(support::versionText());
    table.device_count = hostDeviceCount;
    table.describe = hostDescribe;
    table.allocate = hostAllocate;
    table.release = hostRelease;
    table.copy = hostCopy;
    return table;
}

} // namespace

const TnBackend& hostBackendTable() {
    static const TnBackend table = makeTable();
    return table;
}

const HostDescription& hostDescription() {
    static const HostDescription* description = new HostDescription(describeHost()); // outlives every exit handler
    return *description;
}

std::string hostJson(const HostDescription& description) {
    return cat("{\"backend\":\"host\",\"cpu\":", jsonText(description.cpu), ",\"arch\":", jsonText(description.arch),
               ",\"isa\":", jsonIsa(description), ",\"caches\":{\"l1\":", description.l1Bytes,
               ",\"l2\":", description.l2Bytes, ",\"l3\":", description.l3Bytes, "},\"threads\":", description.threads,
               ",\"cores\":", description.cores, ",\"memory\":", description.memoryBytes, "}");
}

std::string hostFingerprint(const HostDescription& description) {
    support::Hasher hasher;
    hasher.add(description.cpu).add(description.arch);
    for (const std::string& name : description.isa) {
        hasher.add(name);
    }
    hasher.addInt(description.l1Bytes).addInt(description.l2Bytes).addInt(description.l3Bytes);
    return cat(description.arch, "-", hasher.finish().hex().substr(0, 16));
}

} // namespace tenon::registry
