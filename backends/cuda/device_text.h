// The texts of backends/cuda/device, as the printer puts them together. The definitions are made by embed_text.cmake.
#pragma once

#include <string_view>

namespace tenon::cuda {

extern const std::string_view kArgsText;
extern const std::string_view kPreludeText;
extern const std::string_view kFunctionsText;
extern const std::string_view kPointwiseText;
extern const std::string_view kMovementText;
extern const std::string_view kLinesText;
extern const std::string_view kProductText;
extern const std::string_view kPoolText;
extern const std::string_view kIndexedText;
extern const std::string_view kAttentionText;
extern const std::string_view kAttentionTilesText;
extern const std::string_view kEmbeddingText;
extern const std::string_view kExciteText;

} // namespace tenon::cuda
