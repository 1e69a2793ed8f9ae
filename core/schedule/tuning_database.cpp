#include "core/schedule/tuning_database.h"

#include "core/schedule/times_json.h"

namespace tenon::schedule {

namespace {

using Json = nlohmann::ordered_json;
constexpr int kFormat = 1;
constexpr const char* kFormatKey = "tenon_tuning_database";

} // namespace

std::string TuningDatabase::serialize() const {
    Json document;
    document[kFormatKey] = kFormat;
    if (device) {
        document["device"] = {
            {"backend", device->backend}, {"fingerprint", device->fingerprint}, {"description", device->json}};
    }
    document["times"] = Json::parse(times.serialize());
    return document.dump(1, ' ', false, Json::error_handler_t::replace) + "\n";
}

support::Result<TuningDatabase> TuningDatabase::deserialize(std::string_view text) {
    const support::Result<nlohmann::json> parsed = parseTimes(text, "the tuning database");
    if (!parsed.ok() && text.find(support::cat('"', kFormatKey, '"')) != std::string_view::npos) {
        return parsed.status();
    }
    const bool isOne = parsed.ok() && parsed->is_object() && parsed->contains(kFormatKey) && parsed->contains("times");
    // Compared as JSON: whatever stands there has a type of its own.
    if (!isOne || parsed->at(kFormatKey) != nlohmann::json(kFormat)) {
        return support::invalidFile("this is no tuning database of format ", kFormat);
    }
    const nlohmann::json& document = *parsed;
    TuningDatabase database;
    if (const auto device = document.find("device"); device != document.end()) {
        RecordedTarget target;
        // The exception is nlohmann's way to report damage; it does not leave this function.
        try {
            target.backend = device->at("backend").get<std::string>();
            target.fingerprint = device->at("fingerprint").get<std::string>();
            target.json = device->at("description").get<std::string>();
        } catch (const nlohmann::json::exception& error) {
            return support::invalidFile("the tuning database's device is damaged: ", error.what());
        }
        if (target.backend.empty() || target.backend == "host" || target.fingerprint.empty()) {
            return support::invalidFile("the tuning database's device has no backend or no fingerprint");
        }
        database.device = std::move(target);
    }
    support::Result<TimingCache> times = TimingCache::deserialize(document["times"].dump());
    if (!times.ok()) {
        return support::invalidFile("the tuning database's times: ", times.status().message());
    }
    database.times = std::move(*times);
    return database;
}

} // namespace tenon::schedule
