#include "mapreduce/cluster/leader_watch.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "absl/strings/str_join.h"
#include "base/status_macros.h"
#include "fmt/format.h"
#include "nlohmann/json.hpp"

namespace trireme::mapreduce::cluster {
namespace {

/// Anybody who may write to the KV may have put it there, and it becomes a link.
bool IsPage(const std::string& url) {
  return url.starts_with("http://") && url.size() <= kLeaderPageBytesMax &&
         std::ranges::all_of(url, [](unsigned char c) { return c > ' ' && c < 127; });
}

}  // namespace

std::string EncodeLeader(const std::vector<rpc::Address>& addresses, const std::string& id,
                         const std::string& page) {
  nlohmann::json value;
  value["addresses"] = nlohmann::json::array();
  for (const rpc::Address& address : addresses) value["addresses"].push_back(address.ToString());
  value["id"] = id;
  if (!page.empty()) value["page"] = page;
  return value.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

absl::StatusOr<Leader> DecodeLeader(std::string_view text) {
  const auto value = nlohmann::json::parse(text, nullptr, /*allow_exceptions=*/false);
  const auto bad = absl::InvalidArgumentError("the leader's value is not a coordinator's");
  if (!value.is_object() || !value.contains("addresses") || !value["addresses"].is_array()) {
    return bad;
  }
  Leader leader;
  for (const auto& one : value["addresses"]) {
    if (!one.is_string() || leader.addresses.size() == kLeaderAddressesMax) return bad;
    auto address = rpc::ParseAddress(one.get<std::string>());
    if (!address.ok()) return bad;
    leader.addresses.push_back(*std::move(address));
  }
  if (value.contains("id") && value["id"].is_string()) leader.id = value["id"].get<std::string>();
  if (value.contains("page") && value["page"].is_string()) {
    leader.page = value["page"].get<std::string>();
  }
  if (!IsPage(leader.page)) leader.page.clear();
  if (leader.addresses.empty()) return bad;
  return leader;
}

std::vector<rpc::Address> ParseAddresses(std::string_view list) {
  std::vector<rpc::Address> addresses;
  while (!list.empty() && addresses.size() < kLeaderAddressesMax) {
    const std::size_t comma = std::min(list.find(','), list.size());
    auto address = rpc::ParseAddress(list.substr(0, comma));
    if (address.ok()) addresses.push_back(*std::move(address));
    list.remove_prefix(std::min(comma + 1, list.size()));
  }
  return addresses;
}

std::string JoinAddresses(const std::vector<rpc::Address>& addresses) {
  std::vector<std::string> names;
  for (const rpc::Address& address : addresses) names.push_back(address.ToString());
  return absl::StrJoin(names, ",");
}

absl::StatusOr<std::unique_ptr<LeaderWatch>> LeaderWatch::Start(const KvOptions& options,
                                                                OnChange on_change,
                                                                io::LogLevel level) {
  kv::ClientOptions client_options = options.client;
  client_options.call_timeout = absl::Milliseconds(kLeaderCallMs);
  client_options.try_timeout = client_options.call_timeout / 2;
  TRIREME_ASSIGN_OR_RETURN(auto client, kv::Client::Create(std::move(client_options)));
  std::unique_ptr<LeaderWatch> watch(
      new LeaderWatch(options, std::move(client), std::move(on_change), level));
  watch->thread_ = std::thread([self = watch.get()] { self->Run(); });
  return watch;
}

LeaderWatch::LeaderWatch(const KvOptions& options, std::unique_ptr<kv::Client> client,
                         OnChange on_change, io::LogLevel level)
    : election_(options.ElectionName()),
      prefix_(options.prefix),
      endpoints_(absl::StrJoin(options.client.endpoints, ",")),
      client_(std::move(client)),
      on_change_(std::move(on_change)),
      level_(level) {}

LeaderWatch::~LeaderWatch() {
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
    if (watcher_ != nullptr) watcher_->Cancel();
    changed_.notify_all();
  }
  thread_.join();
}

std::optional<Leader> LeaderWatch::Current() const {
  const std::lock_guard lock(mutex_);
  return leader_;
}

absl::StatusOr<Leader> LeaderWatch::Await(std::int64_t patience_ms) const {
  std::unique_lock lock(mutex_);
  changed_.wait_for(lock, std::chrono::milliseconds(patience_ms),
                    [this] { return leader_.has_value(); });
  if (leader_) return *leader_;
  return NobodyLeads();
}

absl::Status LeaderWatch::NobodyLeads() const {
  if (!error_.ok()) {
    return absl::UnavailableError(fmt::format("--kv {}: the KV does not answer: {}", endpoints_,
                                              std::string(error_.message())));
  }
  return absl::UnavailableError(
      fmt::format("no coordinator leads below the prefix '{}' of the KV at {}: start one with "
                  "`trireme mr coordinator --kv {} --kv-prefix {} --listen ADDR`, or give the "
                  "--kv-prefix of those that run",
                  prefix_, endpoints_, endpoints_, prefix_));
}

void LeaderWatch::Run() {
  while (!stop_) {
    Note(Observe());
    std::unique_lock lock(mutex_);
    changed_.wait_for(lock, std::chrono::milliseconds(kLeaderRetryMs),
                      [this] { return stop_.load(); });
  }
}

/// Returns when the KV has failed, or it is time to stop. The watch stands before the first look,
/// so that no change falls between them.
absl::Status LeaderWatch::Observe() {
  TRIREME_ASSIGN_OR_RETURN(kv::Watcher watcher,
                           client_->Watch(kv::KeyRange::Prefix(election_ + "/")));
  Listen(&watcher);
  const absl::Status end = Follow(watcher);
  Listen(nullptr);
  return end;
}

absl::Status LeaderWatch::Follow(kv::Watcher& watcher) {
  while (!stop_) {
    const absl::StatusOr<kv::KeyValue> found = client_->Leader(election_);
    if (found.ok()) Learn(*found);
    if (!found.ok() && !absl::IsNotFound(found.status())) return found.status();
    Note(absl::OkStatus());
    TRIREME_RETURN_IF_ERROR(watcher.Next().status());
  }
  return absl::OkStatus();
}

/// Whom to wake when it is time to stop.
void LeaderWatch::Listen(kv::Watcher* watcher) {
  const std::lock_guard lock(mutex_);
  watcher_ = watcher;
  if (watcher_ != nullptr && stop_) watcher_->Cancel();
}

void LeaderWatch::Learn(const kv::KeyValue& found) {
  absl::StatusOr<Leader> leader = DecodeLeader(found.value);
  if (!leader.ok()) {
    return io::Log(io::LogLevel::kWarn, std::string(leader.status().message()),
                   {{"key", found.key}});
  }
  leader->fence = found.created.value;
  {
    const std::lock_guard lock(mutex_);
    if (leader_ == *leader) return;
    leader_ = *leader;
    changed_.notify_all();
  }
  on_change_(*leader);
}

void LeaderWatch::Note(absl::Status error) {
  const std::lock_guard lock(mutex_);
  if (!error.ok() && error_.ok() && !stop_) {
    io::Log(level_, "the KV does not say who leads, asking again",
            {{"kv", endpoints_}, {"reason", std::string(error.message())}});
  }
  error_ = std::move(error);
}

}  // namespace trireme::mapreduce::cluster
