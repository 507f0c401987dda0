#include "cli/kv/kv_requests.h"

#include <array>
#include <cctype>
#include <utility>

#include "base/status_macros.h"
#include "cli/kv/failure.h"
#include "cli/kv/go_text.h"
#include "fmt/format.h"

namespace trireme::kvcli {
namespace {

using etcdserverpb::RangeRequest;

std::string Capitals(std::string text) {
  for (char& c : text) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  return text;
}

struct Keys {
  std::string key, end;
};

/// What `KEY [END]` means with and without `--prefix` and `--from-key`.
absl::StatusOr<Keys> KeysOf(const std::vector<std::string>& words, bool prefix, bool from_key) {
  if (prefix && from_key) {
    return BadArguments("`--prefix` and `--from-key` cannot be set at the same time, choose one");
  }
  if (words.size() > 1 && (prefix || from_key)) {
    return BadArguments(
        "too many arguments, only accept one argument when `--prefix` or `--from-key` is set");
  }
  const std::string open(1, '\0');
  Keys keys{words[0], words.size() > 1 ? words[1] : ""};
  if ((prefix || from_key) && keys.key.empty()) return Keys{open, open};
  if (prefix) keys.end = PrefixEnd(keys.key);
  if (from_key) keys.end = open;
  return keys;
}

absl::StatusOr<RangeRequest::SortOrder> OrderOf(const std::string& text) {
  const std::string order = Capitals(text);
  if (order.empty()) return RangeRequest::NONE;
  if (order == "ASCEND") return RangeRequest::ASCEND;
  if (order == "DESCEND") return RangeRequest::DESCEND;
  return Fail(kBadFeature, fmt::format("bad sort order {}", text));
}

absl::StatusOr<RangeRequest::SortTarget> TargetOf(const std::string& text) {
  static constexpr std::array<std::pair<const char*, RangeRequest::SortTarget>, 6> kTargets = {
      {{"", RangeRequest::KEY},
       {"CREATE", RangeRequest::CREATE},
       {"KEY", RangeRequest::KEY},
       {"MODIFY", RangeRequest::MOD},
       {"VALUE", RangeRequest::VALUE},
       {"VERSION", RangeRequest::VERSION}}};
  const std::string target = Capitals(text);
  for (const auto& [name, value] : kTargets) {
    if (target == name) return value;
  }
  return Fail(kBadFeature, fmt::format("bad sort target {}", text));
}

}  // namespace

std::string PrefixEnd(std::string prefix) {
  while (!prefix.empty() && prefix.back() == '\xff') prefix.pop_back();
  if (prefix.empty()) return std::string(1, '\0');
  ++prefix.back();
  return prefix;
}

void GetWords::AddFlags(FlagSet& flags) {
  flags.Text("consistency", &consistency_, "Linearizable(l) or Serializable(s)");
  flags.Choices({"l", "s"});
  flags.Bool("count-only", &count_only, "Get only the count");
  flags.Bool("from-key", &from_key_, "Get keys that are greater than or equal to the given key");
  flags.Bool("keys-only", &keys_only_, "Get only the keys");
  flags.Number("limit", &limit_, "Maximum number of results");
  flags.Text("order", &order_, "Order of results; ASCEND or DESCEND (ASCEND by default)");
  flags.Choices({"ASCEND", "DESCEND"});
  flags.Bool("prefix", &prefix_, "Get keys with matching prefix");
  flags.Bool("print-value-only", &values_only, "Only write values with the format simple");
  flags.Number("rev", &revision_, "Specify the kv revision");
  flags.Text("sort-by", &sort_by_, "Sort target; CREATE, KEY, MODIFY, VALUE, or VERSION");
  flags.Choices({"CREATE", "KEY", "MODIFY", "VALUE", "VERSION"});
}

absl::StatusOr<RangeRequest> GetWords::Request(const std::vector<std::string>& words) const {
  if (words.empty()) {
    return BadArguments(
        "get command needs one argument as key and an optional argument as range_end");
  }
  if (consistency_ != "l" && consistency_ != "s")
    return Fail(kBadFeature, fmt::format("unknown consistency flag {}", Quote(consistency_)));
  if (keys_only_ && count_only) {
    return BadArguments(
        "`--keys-only` and `--count-only` cannot be set at the same time, choose one");
  }
  RangeRequest request;
  TRIREME_ASSIGN_OR_RETURN(Keys keys, KeysOf(words, prefix_, from_key_));
  TRIREME_ASSIGN_OR_RETURN(const auto order, OrderOf(order_));
  TRIREME_ASSIGN_OR_RETURN(const auto target, TargetOf(sort_by_));
  request.set_key(std::move(keys.key));
  request.set_range_end(std::move(keys.end));
  // Ascending by key is the store's own order, which a limit may cut short without sorting.
  const bool natural = target == RangeRequest::KEY && order == RangeRequest::ASCEND;
  request.set_sort_order(natural ? RangeRequest::NONE : order);
  request.set_sort_target(target);
  request.set_limit(limit_);
  request.set_revision(revision_);
  request.set_serializable(consistency_ == "s");
  request.set_keys_only(keys_only_);
  request.set_count_only(count_only);
  return request;
}

void PutWords::AddFlags(FlagSet& flags) {
  flags.Bool("ignore-lease", &ignore_lease_, "updates the key using its current lease");
  flags.Bool("ignore-value", &ignore_value_, "updates the key using its current value");
  flags.Text("lease", &lease_, "lease ID (in hexadecimal) to attach to the key");
  flags.Bool("prev-kv", &previous_, "return the previous key-value pair before modification");
}

absl::StatusOr<etcdserverpb::PutRequest> PutWords::Request(
    const std::vector<std::string>& words, const std::function<std::string()>& more) const {
  constexpr char kNeeds[] = "put command needs 1 argument and input from stdin or 2 arguments";
  if (words.empty()) return BadArguments(kNeeds);
  if (ignore_value_ && words.size() > 1)
    return BadArguments("put command needs only 1 argument when 'ignore-value' is set");
  etcdserverpb::PutRequest request;
  request.set_key(words[0]);
  if (!ignore_value_) {
    std::string value = words.size() > 1 ? words[1] : more();
    if (words.size() == 1 && value.empty()) return BadArguments(kNeeds);
    request.set_value(std::move(value));
  }
  const auto lease = ParseInt(lease_, 16);
  if (!lease.ok()) {
    return BadArguments(fmt::format("bad lease ID ({}), expecting ID in Hex",
                                    std::string(lease.status().message())));
  }
  request.set_lease(*lease);
  request.set_prev_kv(previous_);
  request.set_ignore_value(ignore_value_);
  request.set_ignore_lease(ignore_lease_);
  return request;
}

void DeleteWords::AddFlags(FlagSet& flags) {
  flags.Bool("from-key", &from_key_, "delete keys that are greater than or equal to the given key");
  flags.Bool("prefix", &prefix_, "delete keys with matching prefix");
  flags.Bool("prev-kv", &previous_, "return deleted key-value pairs");
}

absl::StatusOr<etcdserverpb::DeleteRangeRequest> DeleteWords::Request(
    const std::vector<std::string>& words) const {
  if (words.empty() || words.size() > 2) {
    return BadArguments(
        "del command needs one argument as key and an optional argument as range_end");
  }
  TRIREME_ASSIGN_OR_RETURN(Keys keys, KeysOf(words, prefix_, from_key_));
  etcdserverpb::DeleteRangeRequest request;
  request.set_key(std::move(keys.key));
  request.set_range_end(std::move(keys.end));
  request.set_prev_kv(previous_);
  return request;
}

}  // namespace trireme::kvcli
