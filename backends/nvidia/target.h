// What these modules need to know of a CUDA device that is described as data.
//
// Who uses it: providers of cublaslt and cudnn. What it must not know: how devices are found.
#pragma once

#include "tenon/module/graph_view.hpp"

namespace tenon::nvidia {

// A number of the target's JSON by its key at any depth: `"sm":90`, `"sm": "90"`. `fallback` where there is none.
int64_t numberOf(const module::TargetView& target, std::string_view key, int64_t fallback);

// The string of a key, unescaped; empty where there is none.
std::string stringOf(const module::TargetView& target, std::string_view key);

inline bool isCuda(const module::TargetView& target) { return target.backend() == "cuda"; }

// 90 for compute capability 9.0; 0 when the description does not say.
int64_t smOf(const module::TargetView& target);

} // namespace tenon::nvidia
