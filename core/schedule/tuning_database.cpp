#include "core/schedule/tuning_database.h"

#include <nlohmann/json.hpp>

namespace tenon::schedule {

namespace {

using Json = nlohmann::ordered_json;
constexpr int kFormat = 1;

} // namespace

std::string TuningDatabase::serialize() const {
    Json document;
    document["tenon_tuning_database"] = kFormat;
    if (device) {
        document["device"] = {
            {"backend", device->backend}, {"fingerprint", device->fingerprint}, {"description", device->json}};
    }
    document["times"] = Json::parse(times.serialize());
    return document.dump(1, ' ', false, Json::error_handler_t::replace) + "\n";
}

support::Result<TuningDatabase> TuningDatabase::deserialize(std::string_view text) {
    Json document;
    // The exception is nlohmann's way to report damage; it does not leave this function.
    try {
        document = Json::parse(text);
    } catch (const Json::parse_error& error) {
        if (text.find("\"tenon_tuning_database\"") != std::string_view::npos) {
            return support::invalidFile("the tuning database ", damageText(text, error.byte));
        }
    }
    if (!document.is_object() || document.value("tenon_tuning_database", 0) != kFormat || !document.contains("times")) {
        return support::invalidFile("this is no tuning database of format ", kFormat);
    }
    TuningDatabase database;
    if (const auto device = document.find("device"); device != document.end()) {
        RecordedTarget target;
        // The exception is nlohmann's way to report damage; it does not leave this function.
        try {
            target.backend = device->at("backend").get<std::string>();
            target.fingerprint = device->at("fingerprint").get<std::string>();
            target.json = device->at("description").get<std::string>();
        } catch (const Json::exception& error) {
            return support::invalidFile("the tuning database's device is damaged: ", error.what());
        }
        if (target.backend.empty() || target.backend == "host" || target.fingerprint.empty()) {
            return support::invalidFile("the tuning database's device has no backend or no fingerprint");
        }
        database.device = std::move(target);
    }
    TN_ASSIGN_OR_RETURN(database.times, TimingCache::deserialize(document["times"].dump()));
    return database;
}

} // namespace tenon::schedule
