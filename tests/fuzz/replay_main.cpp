// Runs a fuzz target without libFuzzer: on every file of a corpus folder, on the file cut at many places, and with bits
// flipped. The same inputs in every run. Usage: fuzz_<name> CORPUS_FOLDER
#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

namespace {

using Bytes = std::vector<uint8_t>;

// Enough for small inputs to be covered densely; large ones are sampled.
constexpr size_t kCutsPerFile = 200;
constexpr size_t kFlipsPerFile = 400;
constexpr std::chrono::seconds kBudget{20};

void runOn(const Bytes& input) {
    // A copy of the exact size, so that reading one byte too many is seen.
    const Bytes exact(input); // NOLINT(performance-unnecessary-copy-initialization)
    LLVMFuzzerTestOneInput(exact.data(), exact.size());
}

size_t replay(const Bytes& original, std::mt19937_64& random) {
    runOn(original);
    size_t runs = 1;
    const size_t step = std::max<size_t>(1, original.size() / kCutsPerFile);
    for (size_t size = 0; size < original.size(); size += step) {
        runOn(Bytes(original.begin(), original.begin() + static_cast<std::ptrdiff_t>(size)));
        ++runs;
    }
    for (size_t i = 0; i < kFlipsPerFile && !original.empty(); ++i) {
        Bytes damaged = original;
        const size_t flips = 1 + random() % 4;
        for (size_t f = 0; f < flips; ++f) {
            damaged[random() % damaged.size()] ^= static_cast<uint8_t>(1U << (random() % 8));
        }
        runOn(damaged);
        ++runs;
    }
    return runs;
}

} // namespace

int main(int argc, char** argv) {
    std::vector<std::filesystem::path> files;
    if (argc > 1 && std::filesystem::is_directory(argv[1])) {
        for (const auto& entry : std::filesystem::directory_iterator(argv[1])) {
            files.push_back(entry.path());
        }
    }
    std::sort(files.begin(), files.end());
    std::mt19937_64 random(1);
    runOn({});
    size_t runs = 1;
    size_t replayed = 0;
    const auto start = std::chrono::steady_clock::now();
    for (const std::filesystem::path& path : files) {
        if (std::chrono::steady_clock::now() - start > kBudget) {
            break;
        }
        std::ifstream file(path, std::ios::binary);
        runs += replay(Bytes(std::istreambuf_iterator<char>(file), {}), random);
        ++replayed;
    }
    std::printf("%zu inputs from %zu of %zu corpus files\n", runs, replayed, files.size());
    return 0;
}
