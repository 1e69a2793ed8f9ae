// The tactic provider "plugin": configures users' plugins while a plan is built, times their tactics and writes them down.
// Registered by libtenon; finds the plugin objects of the networks that are being built by their content.
#pragma once

#include "core/api/plugin_content.h"
#include "tenon/module/abi.h"

#include <memory>
#include <mutex>

namespace tenon::api {

// A plugin of a network, while it may be built. One of the two is set. Calls are made under the lock: plugin objects are
// for one thread at a time.
struct PluginInstance {
    PluginContent content;
    PluginV3Ptr third;
    PluginV2Ptr second;
    std::mutex mutex;
};

// Makes an instance findable by the provider for as long as somebody holds it. Of equal content the last one counts.
void publishInstance(const std::shared_ptr<PluginInstance>& instance);

// Immutable, lives as long as the process.
const TnTacticProvider& pluginTacticProvider();

} // namespace tenon::api
