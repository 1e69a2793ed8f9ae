// Writing and reading plans: round trip, determinism, and what the reader says about files that are not as written.
#include "core/plan/container.h"
#include "core/plan/dump.h"
#include "core/plan/reader.h"
#include "core/plan/writer.h"
#include "core/support/build_info.h"
#include "tests/unit/core/plan/sample_plan.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>

namespace tenon::plan {
namespace {

using support::Code;
using ::testing::AllOf;
using ::testing::HasSubstr;
using testing::samplePlan;

std::vector<std::byte> sampleBytes() {
    auto bytes = planToBytes(samplePlan());
    EXPECT_TRUE(bytes.ok()) << bytes.status().toString();
    return std::move(bytes).valueOr({});
}

SectionInfo sectionOf(const std::vector<std::byte>& file, SectionKind kind) {
    const auto info = readContainer(file);
    EXPECT_TRUE(info.ok()) << info.status().toString();
    const SectionInfo* section = info.ok() ? info->find(kind) : nullptr;
    EXPECT_NE(section, nullptr);
    return section != nullptr ? *section : SectionInfo{};
}

constexpr SectionKind kAllSections[] = {SectionKind::kMetadata,  SectionKind::kKernels, SectionKind::kGraph,
                                        SectionKind::kInspector, SectionKind::kWeights, SectionKind::kLedger};

class TemporaryFolder {
public:
    TemporaryFolder() {
        std::string pattern = (std::filesystem::temp_directory_path() / "tenon-plan-XXXXXX").string();
        mPath = ::mkdtemp(pattern.data());
    }
    ~TemporaryFolder() { std::filesystem::remove_all(mPath); }
    std::string operator/(const std::string& name) const { return mPath + "/" + name; }
    size_t files() const { return static_cast<size_t>(std::distance(std::filesystem::directory_iterator(mPath), {})); }

private:
    std::string mPath;
};

// The texts lie behind the constants, of which none may keep the file.
TEST(PlanFile, TextsOfAPlanWithoutWeightsAreReadBeforeTheFileGoes) {
    Plan plan = samplePlan();
    for (PlanConstant& constant : plan.constants) {
        constant.data = nullptr;
        constant.owner = nullptr;
    }
    const auto bytes = planToBytes(plan);
    ASSERT_TRUE(bytes.ok()) << bytes.status().toString();
    std::vector<std::byte> memory(bytes->size() + 64);
    void* first = memory.data();
    size_t space = memory.size();
    auto* const at = static_cast<std::byte*>(std::align(64, bytes->size(), first, space));
    std::copy(bytes->begin(), bytes->end(), at);
    std::shared_ptr<const void> owner(
        at, [&](const void*) { std::fill(memory.begin(), memory.end(), std::byte{0}); }); // the file is gone
    const auto read = readPlan({at, bytes->size()}, std::move(owner));
    ASSERT_TRUE(read.ok()) << read.status().toString();
    EXPECT_EQ(read->graphText.view(), plan.graphText.view());
    EXPECT_EQ(read->ledgerJson.view(), plan.ledgerJson.view());
}

TEST(PlanFile, RoundTripKeepsEverything) {
    const Plan plan = samplePlan();
    const auto bytes = sampleBytes();
    const auto read = readPlan(bytes);
    ASSERT_TRUE(read.ok()) << read.status().toString();
    // The dump shows nearly all fields; writing again shows all of them, as equal plans give equal bytes.
    Plan expected = plan;
    expected.contentHash = read->contentHash;
    EXPECT_EQ(dumpPlan(*read), dumpPlan(expected));
    const auto again = planToBytes(*read);
    ASSERT_TRUE(again.ok()) << again.status().toString();
    EXPECT_EQ(*again, bytes);

    EXPECT_EQ(read->symbols[1].source, ir::SymbolSource::kInputElement);
    EXPECT_EQ(read->expressions[testing::kScaled].scale, 1.5);
    EXPECT_TRUE(ir::equal(read->constants[2].format, plan.constants[2].format));
    EXPECT_TRUE(ir::equal(read->programs[1].tensors[3].format, plan.programs[1].tensors[3].format));
    EXPECT_EQ(read->programs[0].steps[0].sources, plan.programs[0].steps[0].sources);
    EXPECT_EQ(read->programs[0].steps[0].traits, TN_TRAIT_DETERMINISTIC);
    EXPECT_EQ(read->bindings[1].profileValues, plan.bindings[1].profileValues);
    EXPECT_EQ(*read->kernels[1].blob, *plan.kernels[1].blob);
    EXPECT_EQ(read->graphText.view(), plan.graphText.view());
    EXPECT_EQ(read->inspectorJson.view(), plan.inspectorJson.view());
    EXPECT_EQ(read->ledgerJson.view(), plan.ledgerJson.view());
    EXPECT_EQ(std::memcmp(read->constants[0].data, plan.constants[0].data, 48), 0);
    EXPECT_EQ(read->constants[3].data, nullptr) << "a constant that was left out stays out";
}

TEST(PlanFile, EqualBytesAreStoredOnce) {
    const auto bytes = sampleBytes();
    EXPECT_EQ(sectionOf(bytes, SectionKind::kWeights).size, 64 + 64) << "w and w_again share 48 bytes";
    EXPECT_EQ(sectionOf(bytes, SectionKind::kKernels).size, 64 + 10) << "two of the blobs are equal, one is empty";
    const auto read = readPlan(bytes);
    ASSERT_TRUE(read.ok());
    EXPECT_EQ(read->constants[0].data, read->constants[1].data);
    EXPECT_EQ(read->constants[1].identity, "layer.weight.shared") << "identity is never shared";
    EXPECT_EQ(read->kernels[0].blob, read->kernels[2].blob);
}

TEST(PlanFile, WeightsAreAlignedInTheFile) {
    const auto bytes = sampleBytes();
    EXPECT_EQ(sectionOf(bytes, SectionKind::kWeights).offset % 4096, 0);
    const auto read = readPlan(bytes);
    ASSERT_TRUE(read.ok());
    for (const PlanConstant& constant : read->constants) {
        EXPECT_EQ(reinterpret_cast<uintptr_t>(constant.data) % 64, 0U);
    }
}

TEST(PlanFile, BytesDependOnContentAlone) {
    // Two plans made at different addresses, with the constants allocated in another order.
    std::vector<std::shared_ptr<int>> noise;
    const auto first = sampleBytes();
    for (int i = 0; i < 1000; ++i) {
        noise.push_back(std::make_shared<int>(i));
    }
    EXPECT_EQ(sampleBytes(), first);
}

TEST(PlanFile, ContentHashIgnoresTheLedgerOnly) {
    const auto hash = [](const Plan& plan) { return contentHashOf(plan).valueOr("none"); };
    const std::string base = hash(samplePlan());
    EXPECT_EQ(base.size(), 32U);
    EXPECT_EQ(readPlan(sampleBytes())->contentHash, base);
    Plan plan = samplePlan();
    plan.ledgerJson = R"({"decisions":[],"us":17.25})";
    EXPECT_EQ(hash(plan), base);
    plan = samplePlan();
    plan.inspectorJson = std::string(plan.inspectorJson.view()) + " ";
    EXPECT_NE(hash(plan), base);
    plan = samplePlan();
    plan.programs[1].steps[0].workspaceCapacity -= 64;
    EXPECT_NE(hash(plan), base);
    plan = samplePlan();
    plan.constants[0] = testing::makeConstant("w", {3, 4}, 2);
    EXPECT_NE(hash(plan), base);
}

TEST(PlanFile, MappedFileIsNotCopied) {
    const TemporaryFolder folder;
    const std::string path = folder / "a.plan";
    ASSERT_TRUE(writePlanFile(samplePlan(), path).ok());
    const auto read = readPlanFile(path);
    ASSERT_TRUE(read.ok()) << read.status().toString();
    EXPECT_EQ(dumpPlan(*read), dumpPlan(*readPlan(sampleBytes())));
    // A page of the mapping begins where the weights do.
    EXPECT_EQ(reinterpret_cast<uintptr_t>(read->constants[0].data) % 4096, 0U);
    const float* values = reinterpret_cast<const float*>(read->constants[0].data);
    EXPECT_EQ(values[11], 12.0F);
}

// KiB of a mapped file that are in this process's memory.
int64_t residentKiB(const std::string& path) {
    std::ifstream maps("/proc/self/smaps");
    bool inside = false;
    int64_t sum = -1;
    for (std::string line; std::getline(maps, line);) {
        if (line.find('-') < line.find(' ')) {
            inside = line.ends_with(path);
        } else if (inside && line.starts_with("Rss:")) {
            sum = std::max<int64_t>(sum, 0) + std::stoll(line.substr(4));
        }
    }
    return sum;
}

TEST(PlanFile, WhatRunningDoesNotNeedTakesNoMemory) {
    const TemporaryFolder folder;
    const std::string path = folder / "a.plan";
    constexpr size_t kBytes = size_t{4} << 20;
    Plan plan = samplePlan();
    plan.ledgerJson = std::string(kBytes, 'l');
    plan.graphText = std::string(kBytes, 'g');
    plan.inspectorJson = std::string(kBytes, 'i');
    ASSERT_TRUE(writePlanFile(plan, path).ok());
    const auto read = readPlanFile(path);
    ASSERT_TRUE(read.ok()) << read.status().toString();
    const int64_t resident = residentKiB(path);
    EXPECT_GE(resident, 0) << "the file is mapped";
    EXPECT_LT(resident, 512);
    EXPECT_EQ(read->ledgerJson.view(), plan.ledgerJson.view());
    EXPECT_GT(residentKiB(path), 1024) << "what is looked at is read from the mapping";
}

TEST(PlanFile, ConstantsPointIntoAnOwnedBuffer) {
    const auto bytes = sampleBytes();
    auto* const memory = static_cast<std::byte*>(std::aligned_alloc(4096, (bytes.size() + 4095) / 4096 * 4096));
    std::copy(bytes.begin(), bytes.end(), memory);
    std::shared_ptr<const void> owner(memory, [](const void* p) { std::free(const_cast<void*>(p)); });
    auto read = readPlan({memory, bytes.size()}, owner);
    ASSERT_TRUE(read.ok());
    EXPECT_GE(read->constants[0].data, memory);
    EXPECT_LT(read->constants[0].data, memory + bytes.size());
    owner.reset();
    EXPECT_EQ(reinterpret_cast<const float*>(read->constants[0].data)[0], 1.0F) << "the plan keeps its memory alive";
}

TEST(PlanFile, ReadsFromAnyAddress) {
    const auto bytes = sampleBytes();
    std::vector<std::byte> shifted(bytes.size() + 16);
    for (size_t shift = 0; shift < 16; ++shift) {
        std::copy(bytes.begin(), bytes.end(), shifted.begin() + static_cast<std::ptrdiff_t>(shift));
        const auto read = readPlan(std::span(shifted).subspan(shift, bytes.size()));
        ASSERT_TRUE(read.ok()) << shift << ": " << read.status().toString();
        EXPECT_EQ(reinterpret_cast<const float*>(read->constants[0].data)[0], 1.0F);
    }
}

TEST(PlanFile, FailedWriteLeavesTheOldFile) {
    const TemporaryFolder folder;
    const std::string path = folder / "a.plan";
    ASSERT_TRUE(writePlanFile(samplePlan(), path).ok());
    Plan broken = samplePlan();
    broken.programs[0].steps[0].kernel = 99;
    const auto status = writePlanFile(broken, path);
    EXPECT_THAT(status.toString(), AllOf(HasSubstr("step 0 'conv + relu' has kernel 99 of 4"), HasSubstr(path)));
    EXPECT_TRUE(readPlanFile(path).ok());
    EXPECT_EQ(folder.files(), 1U) << "the temporary file is gone";
}

TEST(PlanFile, StreamedBytesAreTheSame) {
    std::vector<std::byte> streamed;
    ASSERT_TRUE(writePlan(samplePlan(), [&](std::span<const std::byte> piece) {
                    streamed.insert(streamed.end(), piece.begin(), piece.end());
                    return support::okStatus();
                }).ok());
    EXPECT_EQ(streamed, sampleBytes());
    int calls = 0;
    const auto status = writePlan(samplePlan(), [&](std::span<const std::byte>) {
        return ++calls == 3 ? support::makeError(Code::kIo, "disk full") : support::okStatus();
    });
    EXPECT_EQ(status.code(), Code::kIo);
    EXPECT_EQ(calls, 3) << "nothing is written after an error";
}

TEST(PlanErrors, NotAPlan) {
    const std::string onnx("\x08\x07\x12\x07pytorch", 11);
    const auto status = readPlan({reinterpret_cast<const std::byte*>(onnx.data()), onnx.size()}).status();
    EXPECT_EQ(status.code(), Code::kInvalidFile);
    EXPECT_THAT(status.message(), AllOf(HasSubstr("this is not a Tenon plan: it begins with \"\\x08\\x07"),
                                        HasSubstr("tenon build MODEL.onnx -o PLAN")));
    EXPECT_THAT(readPlan({}).status().message(), HasSubstr("it is empty"));
}

TEST(PlanErrors, AnotherFormatVersionNamesItsWriter) {
    auto bytes = sampleBytes();
    bytes[8] = std::byte{2};
    const std::string version = "0.9.7";
    std::transform(version.begin(), version.end(), bytes.begin() + 32,
                   [](char c) { return static_cast<std::byte>(c); });
    const auto status = readPlan(bytes).status();
    EXPECT_EQ(status.message(), "the plan has format version 2 and was written by Tenon 0.9.7; this is Tenon " +
                                    std::string(support::versionText()) +
                                    ", which reads format version 1. Build the plan again with this version, or run it "
                                    "with Tenon 0.9.7");
}

TEST(PlanErrors, MissingFile) {
    const auto status = readPlanFile("/nowhere/at/all.plan").status();
    EXPECT_EQ(status.code(), Code::kNotFound);
    EXPECT_THAT(status.message(), HasSubstr("/nowhere/at/all.plan"));
}

TEST(PlanErrors, EveryTruncationIsNoticed) {
    const auto bytes = sampleBytes();
    // Every length near the beginning and the end and at the sections' borders, samples in between.
    const auto read = [&](size_t size) { return readPlan(std::span(bytes).first(size)); };
    for (size_t size = 0; size < bytes.size(); size += (size < 1024 || size + 256 > bytes.size() ? 1 : 61)) {
        const auto plan = read(size);
        ASSERT_FALSE(plan.ok()) << size;
        ASSERT_EQ(plan.code(), Code::kInvalidFile) << size;
        ASSERT_THAT(plan.status().message(), HasSubstr(size == 0  ? "empty"
                                                       : size < 8 ? "inside the header"
                                                                  : "truncated"))
            << size;
    }
    for (const SectionKind kind : kAllSections) {
        const SectionInfo section = sectionOf(bytes, kind);
        EXPECT_THAT(read(static_cast<size_t>(section.offset)).status().message(), HasSubstr("the plan is truncated"));
    }
}

TEST(PlanErrors, BytesAfterTheEndAreNoticed) {
    auto bytes = sampleBytes();
    bytes.push_back(std::byte{0});
    EXPECT_THAT(readPlan(bytes).status().message(), HasSubstr("1 bytes follow its end"));
}

TEST(PlanErrors, EveryFlippedByteIsNoticed) {
    const auto bytes = sampleBytes();
    auto damaged = bytes;
    for (size_t at = 0; at < bytes.size(); ++at) {
        damaged[at] ^= std::byte{0x10};
        const auto plan = readPlan(damaged);
        ASSERT_FALSE(plan.ok()) << "byte " << at;
        ASSERT_EQ(plan.code(), Code::kInvalidFile);
        damaged[at] = bytes[at];
    }
}

TEST(PlanErrors, ADamagedSectionIsNamed) {
    const auto bytes = sampleBytes();
    for (const SectionKind kind : kAllSections) {
        const SectionInfo section = sectionOf(bytes, kind);
        for (const int64_t at :
             {section.offset, section.offset + section.size / 2, section.offset + section.size - 1}) {
            auto damaged = bytes;
            damaged[static_cast<size_t>(at)] ^= std::byte{0x01};
            EXPECT_THAT(readPlan(damaged).status().message(),
                        HasSubstr("section '" + nameOf(kind) + "' of the plan is corrupted"));
        }
    }
}

TEST(PlanErrors, UncheckedWeightsAreTheOnlyUncheckedSection) {
    const auto bytes = sampleBytes();
    for (const SectionKind kind : kAllSections) {
        auto damaged = bytes;
        damaged[static_cast<size_t>(sectionOf(bytes, kind).offset)] ^= std::byte{0x01};
        EXPECT_EQ(readPlan(damaged, nullptr, {.checkWeights = false}).ok(), kind == SectionKind::kWeights)
            << nameOf(kind);
    }
}

// Damage behind correct hashes, as a hostile writer would make it: every byte of the metadata and of the table.
TEST(PlanErrors, ResealedDamageDoesNotCrash) {
    const auto bytes = sampleBytes();
    const SectionInfo metadata = sectionOf(bytes, SectionKind::kMetadata);
    int accepted = 0;
    for (int64_t at = 64; at < metadata.offset + metadata.size; ++at) {
        for (const std::byte flip : {std::byte{0x01}, std::byte{0x80}, std::byte{0xff}}) {
            auto damaged = bytes;
            damaged[static_cast<size_t>(at)] ^= flip;
            if (!resealContainer(damaged)) {
                continue;
            }
            const auto plan = readPlan(damaged);
            if (plan.ok()) {
                ++accepted;
                EXPECT_FALSE(dumpPlan(*plan).empty());
                EXPECT_TRUE(planToBytes(*plan).ok()) << "what the reader accepts can be written";
            }
        }
    }
    EXPECT_GT(accepted, 0) << "changing a letter of a name is no damage";
}

} // namespace
} // namespace tenon::plan
