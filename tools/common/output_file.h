// Files that tools write: whether they can be, before long work, and plans of builds that were stopped, which never take the place of others.
// Used by the verbs and by trtexec.
#pragma once

#include "tools/common/plan_builder.h"

#include <string>

namespace tenon::tools {

// Before long work: that `output` can be written and is not `input`. Throws ToolError.
void checkOutput(const std::string& output, const std::string& input);
// Whether two paths are one file, which need not exist yet. Devices and pipes, which several may write to, never are.
bool isSameFile(const std::string& a, const std::string& b);
// Before long work: makes the folder if need be and sees that files can be written there. Throws ToolError(kEnvironment).
void checkOutputFolder(const std::string& folder);

// Throws ToolError(kEnvironment).
void writeOutput(const std::string& path, std::string_view text);

// Writes the plan and gives the path it has: `output`, or, where the build was stopped and `output` was there before, `output` with ".stopped" at
// its end. Throws ToolError(kEnvironment).
std::string savePlan(const std::string& output, const BuiltPlan& built);

// What a stopped build left, for whoever stopped it: one line about each of `written` (savePlan's path) and `wanted`.
std::string stoppedText(const std::string& written, const std::string& wanted);

} // namespace tenon::tools
