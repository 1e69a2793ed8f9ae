// What the processor of a test can do, asked of itself and not of what is tested.
#pragma once

namespace tenon::test {

inline bool hasAvx512Bf16() {
#if defined(__x86_64__)
    return __builtin_cpu_supports("avx512bf16") != 0;
#else
    return false;
#endif
}

} // namespace tenon::test
