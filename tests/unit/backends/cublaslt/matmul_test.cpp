// Extents and strides of products, against the definition of matmul.
#include "backends/cublaslt/matmul.h"

#include <gtest/gtest.h>

#include <random>

namespace tenon::cublaslt {
namespace {

using kernels::Dims;

Dims outputOf(const Matmul& matmul, const Dims& a, const Dims& b) {
    Dims out;
    const size_t batchA = a.size() > 2 ? a.size() - 2 : 0;
    const size_t batchB = b.size() > 2 ? b.size() - 2 : 0;
    const size_t batch = std::max(batchA, batchB);
    for (size_t i = 0; i < batch; ++i) {
        const int64_t left = i + batchA >= batch ? a[i + batchA - batch] : 1;
        const int64_t right = i + batchB >= batch ? b[i + batchB - batch] : 1;
        out.push_back(std::max(left, right));
    }
    if (a.size() > 1) {
        out.push_back(a[a.size() - (matmul.transA ? 1 : 2)]);
    }
    if (b.size() > 1) {
        out.push_back(b[b.size() - (matmul.transB ? 2 : 1)]);
    }
    return out;
}

// y[..., i, j] = sum over k of a[..., i, k] * b[..., k, j], as the op's documentation has it.
std::vector<double> expected(const Matmul& matmul, Dims a, Dims b, const std::vector<double>& x,
                             const std::vector<double>& y) {
    const bool transA = matmul.transA && a.size() > 1;
    const bool transB = matmul.transB && b.size() > 1;
    if (a.size() == 1) {
        a = {1, a[0]};
    }
    if (b.size() == 1) {
        b = {b[0], 1};
    }
    const size_t rank = std::max(a.size(), b.size());
    a.insert(a.begin(), rank - a.size(), 1);
    b.insert(b.begin(), rank - b.size(), 1);
    const int64_t m = a[rank - (transA ? 1 : 2)];
    const int64_t k = a[rank - (transA ? 2 : 1)];
    const int64_t n = b[rank - (transB ? 2 : 1)];
    Dims batch;
    for (size_t d = 0; d + 2 < rank; ++d) {
        batch.push_back(std::max(a[d], b[d]));
    }
    std::vector<double> out;
    for (int64_t index = 0; index < kernels::product(batch); ++index) {
        int64_t rest = index;
        int64_t atA = 0;
        int64_t atB = 0;
        int64_t stepA = m * k;
        int64_t stepB = n * k;
        for (size_t d = batch.size(); d-- > 0;) {
            const int64_t coordinate = rest % batch[d];
            rest /= batch[d];
            atA += a[d] == 1 ? 0 : coordinate * stepA;
            atB += b[d] == 1 ? 0 : coordinate * stepB;
            stepA *= a[d];
            stepB *= b[d];
        }
        for (int64_t i = 0; i < m; ++i) {
            for (int64_t j = 0; j < n; ++j) {
                double sum = 0;
                for (int64_t l = 0; l < k; ++l) {
                    sum += x[static_cast<size_t>(atA + (transA ? l * m + i : i * k + l))] *
                           y[static_cast<size_t>(atB + (transB ? j * k + l : l * n + j))];
                }
                out.push_back(sum);
            }
        }
    }
    return out;
}

// What the library does with these extents: strided batches of row-major matrices.
std::vector<double> computed(const Extents& extents, const std::vector<double>& x, const std::vector<double>& y,
                             size_t elements) {
    std::vector<double> out(elements, -1e9);
    for (const Extents::Offsets& call : extents.calls) {
        for (int64_t p = 0; p < extents.batch; ++p) {
            for (int64_t i = 0; i < extents.m; ++i) {
                for (int64_t j = 0; j < extents.n; ++j) {
                    double sum = 0;
                    for (int64_t l = 0; l < extents.k; ++l) {
                        const int64_t atA = extents.transA ? l * extents.m + i : i * extents.k + l;
                        const int64_t atB = extents.transB ? j * extents.k + l : l * extents.n + j;
                        sum += x.at(static_cast<size_t>(call.a + p * extents.strideA + atA)) *
                               y.at(static_cast<size_t>(call.b + p * extents.strideB + atB));
                    }
                    out.at(static_cast<size_t>(call.d + p * extents.strideD + i * extents.n + j)) = sum;
                }
            }
        }
    }
    return out;
}

std::vector<double> numbers(const Dims& dims, uint64_t seed) {
    std::vector<double> values(static_cast<size_t>(kernels::product(dims)));
    for (size_t i = 0; i < values.size(); ++i) {
        values[i] = static_cast<double>((i * 7 + seed) % 11) - 5;
    }
    return values;
}

void check(const Dims& a, const Dims& b, bool transA = false, bool transB = false) {
    Matmul matmul;
    matmul.transA = transA;
    matmul.transB = transB;
    const std::vector<double> x = numbers(a, 3);
    const std::vector<double> y = numbers(b, 5);
    const Extents extents = extentsOf(matmul, a, b, false);
    const std::vector<double> wanted = expected(matmul, a, b, x, y);
    ASSERT_EQ(wanted.size(), static_cast<size_t>(kernels::product(outputOf(matmul, a, b))));
    EXPECT_EQ(computed(extents, x, y, wanted.size()), wanted)
        << kernels::shapeText(a) << (transA ? "T" : "") << " " << kernels::shapeText(b) << (transB ? "T" : "");
}

TEST(MatmulExtents, PlainAndTransposed) {
    for (const bool transA : {false, true}) {
        for (const bool transB : {false, true}) {
            check(transA ? Dims{4, 3} : Dims{3, 4}, transB ? Dims{5, 4} : Dims{4, 5}, transA, transB);
            check(transA ? Dims{2, 4, 3} : Dims{2, 3, 4}, transB ? Dims{2, 5, 4} : Dims{2, 4, 5}, transA, transB);
            check(transA ? Dims{2, 4, 3} : Dims{2, 3, 4}, transB ? Dims{5, 4} : Dims{4, 5}, transA, transB);
            check(transA ? Dims{4, 1} : Dims{1, 4}, transB ? Dims{1, 4} : Dims{4, 1}, transA, transB);
        }
    }
}

TEST(MatmulExtents, OneDimension) {
    check({5}, {5});
    check({5}, {5, 3});
    check({3, 5}, {5});
    check({4}, {2, 4, 3});
    check({2, 3, 4}, {4});
    check({5}, {3, 5}, true, true);
}

TEST(MatmulExtents, Broadcast) {
    check({2, 1, 3, 4}, {3, 4, 5});
    check({3, 4, 5}, {2, 1, 5, 4});
    check({2, 3, 1, 3, 4}, {2, 1, 2, 4, 5});
    check({1, 3, 4}, {7, 4, 5});
    check({2, 3, 2, 3, 4}, {4, 5});
    check({2, 1, 2, 1, 2, 2, 2}, {1, 2, 1, 3, 2, 2, 2});
}

TEST(MatmulExtents, RowsOfABatchAreRowsOfOne) {
    const Extents extents = extentsOf({}, {8, 16, 32}, {32, 64}, false);
    EXPECT_EQ(extents.m, 128);
    EXPECT_EQ(extents.batch, 1);
    EXPECT_EQ(extents.calls.size(), 1U);
}

TEST(MatmulExtents, ABatchIsOneCall) {
    const Extents extents = extentsOf({}, {8, 12, 16, 32}, {8, 12, 32, 64}, false);
    EXPECT_EQ(extents.batch, 96);
    EXPECT_EQ(extents.calls.size(), 1U);
}

TEST(MatmulExtents, SwappedWeightsAreTransposed) {
    EXPECT_TRUE(extentsOf({}, {3, 4}, {4, 5}, true).transB);
    Matmul matmul;
    matmul.transB = true;
    EXPECT_FALSE(extentsOf(matmul, {3, 4}, {5, 4}, true).transB);
}

TEST(MatmulExtents, AFamilyIsABatchThatSharesA) {
    const Extents each = extentsOf({}, {8, 16, 32}, {32, 64}, false);
    const std::optional<Extents> all = stackedExtents(each, 3);
    ASSERT_TRUE(all.has_value());
    EXPECT_EQ(all->batch, 3);
    EXPECT_EQ(all->strideA, 0);
    EXPECT_EQ(all->strideB, 32 * 64);
    EXPECT_EQ(all->strideD, 128 * 64);
    EXPECT_EQ(all->strideBias, 64);
    EXPECT_FALSE(stackedExtents(each, 1).has_value());
    EXPECT_FALSE(stackedExtents(extentsOf({}, {8, 12, 16, 32}, {8, 12, 32, 64}, false), 3).has_value());
}

TEST(MatmulExtents, RefusesWhatDoesNotFit) {
    EXPECT_THROW(extentsOf({}, {3, 4}, {5, 6}, false), kernels::Failure);
    EXPECT_THROW(extentsOf({}, {2, 3, 4}, {3, 4, 5}, false), kernels::Failure);
    EXPECT_THROW(extentsOf({}, {}, {4, 5}, false), kernels::Failure);
}

} // namespace
} // namespace tenon::cublaslt
