#include "mapreduce/fs/aws_account.h"

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <utility>

#include "base/status_macros.h"
#include "fmt/format.h"
#include "mapreduce/fs/text.h"

namespace trireme::mapreduce {
namespace {

constexpr char kRegionOtherwise[] = "us-east-1";

std::string First(std::initializer_list<std::string> values) {
  for (const std::string& value : values) {
    if (!value.empty()) return value;
  }
  return {};
}

std::string Setting(const AwsProfiles& profiles, const std::string& profile, const char* key) {
  const auto section = profiles.find(profile);
  if (section == profiles.end()) return {};
  const auto found = section->second.find(key);
  return found == section->second.end() ? std::string() : found->second;
}

/// The profile that was asked for, in both files.
class Profile {
 public:
  explicit Profile(const AwsSurroundings& around) : around_(around) {
    name_ = First({around.variable("AWS_PROFILE"), "default"});
    credentials_path_ = PathOf("AWS_SHARED_CREDENTIALS_FILE", "credentials");
    config_path_ = PathOf("AWS_CONFIG_FILE", "config");
    credentials_ = Read(credentials_path_);
    config_ = Read(config_path_);
    section_ =
        name_ == "default" && !config_.contains("profile default") ? name_ : "profile " + name_;
  }

  std::string Config(const char* key) const { return Setting(config_, section_, key); }
  std::string Secret(const char* key) const {
    return First({Setting(credentials_, name_, key), Config(key)});
  }
  bool Exists() const { return credentials_.contains(name_) || config_.contains(section_); }
  const std::string& name() const { return name_; }
  std::string Paths() const { return fmt::format("{} and {}", credentials_path_, config_path_); }

 private:
  std::string PathOf(const char* variable, const char* name) const {
    return First(
        {around_.variable(variable), fmt::format("{}/.aws/{}", around_.variable("HOME"), name)});
  }
  AwsProfiles Read(const std::string& path) const {
    const auto text = around_.file(path);
    return text ? ParseProfiles(*text) : AwsProfiles();
  }

  const AwsSurroundings& around_;
  std::string name_, section_, credentials_path_, config_path_;
  AwsProfiles credentials_, config_;
};

/// What would end a header's line, or start another, is no part of a key.
bool IsPlain(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return c > ' ' && c < 0x7f; });
}

absl::StatusOr<AwsCredentials> FindCredentials(const AwsSurroundings& around,
                                               const Profile& profile) {
  AwsCredentials found{around.variable("AWS_ACCESS_KEY_ID"),
                       around.variable("AWS_SECRET_ACCESS_KEY"),
                       around.variable("AWS_SESSION_TOKEN")};
  if (found.access_key.empty() || found.secret_key.empty()) {
    found = {profile.Secret("aws_access_key_id"), profile.Secret("aws_secret_access_key"),
             profile.Secret("aws_session_token")};
  }
  if (found.access_key.empty() || found.secret_key.empty())
    return absl::UnauthenticatedError(fmt::format(
        "no credentials for the object store: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or "
        "write profile '{}' in {}{}, or give --s3-anonymous",
        profile.name(), profile.Paths(), profile.Exists() ? " (it is there, without keys)" : ""));
  if (!IsPlain(found.access_key) || !IsPlain(found.secret_key) || !IsPlain(found.session_token))
    return absl::UnauthenticatedError(
        "the credentials for the object store have blanks or other bytes that no key has: copy "
        "them again");
  return found;
}

absl::Status SetEndpoint(const std::string& endpoint, S3Account* account) {
  std::string_view rest = endpoint;
  const std::size_t scheme = rest.find("://");
  account->scheme = std::string(rest.substr(0, scheme == rest.npos ? 0 : scheme));
  if (scheme != rest.npos) rest.remove_prefix(scheme + 3);
  while (rest.ends_with('/')) rest.remove_suffix(1);
  account->authority = Lowered(rest);
  const bool known = account->scheme == "http" || account->scheme == "https";
  if (!known || rest.empty() || !IsPlain(rest) ||
      rest.find_first_of("/?#@\\%\"") != std::string_view::npos)
    return absl::InvalidArgumentError(fmt::format(
        "--s3-endpoint '{}': give http://HOST[:PORT] or https://HOST[:PORT]", endpoint));
  // A port that the scheme has anyway is not sent, and so not signed.
  const std::string_view otherwise = account->scheme == "http" ? ":80" : ":443";
  if (account->authority.ends_with(otherwise))
    account->authority.resize(account->authority.size() - otherwise.size());
  return absl::OkStatus();
}

}  // namespace

AwsSurroundings ProcessSurroundings() {
  AwsSurroundings around;
  around.variable = [](const char* name) {
    const char* value = std::getenv(name);
    return std::string(value == nullptr ? "" : value);
  };
  around.file = [](const std::string& path) -> std::optional<std::string> {
    std::ifstream in(path, std::ios::binary);
    if (!in) return std::nullopt;
    std::string text(kProfileBytesMax, '\0');
    in.read(text.data(), static_cast<std::streamsize>(text.size()));
    text.resize(static_cast<std::size_t>(in.gcount()));
    return text.size() < kProfileBytesMax ? std::optional(text) : std::nullopt;
  };
  return around;
}

AwsProfiles ParseProfiles(std::string_view text) {
  AwsProfiles profiles;
  std::string section, parent;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    const std::string_view raw = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    const std::string_view line = Trimmed(raw);
    if (line.empty() || line[0] == '#' || line[0] == ';') continue;
    if (line[0] == '[') {
      const std::size_t close = std::min(line.find(']'), line.size());
      section = std::string(Trimmed(line.substr(1, close - 1)));
      parent.clear();
      profiles[section];
      continue;
    }
    const std::size_t equals = line.find('=');
    if (equals == std::string_view::npos || section.empty()) continue;
    std::string key = Lowered(Trimmed(line.substr(0, equals)));
    const std::string_view value = Trimmed(line.substr(equals + 1));
    const bool nested = (raw[0] == ' ' || raw[0] == '\t') && !parent.empty();
    if (nested) key = parent + "." + key;
    if (!nested) parent = value.empty() ? key : std::string();
    profiles[section][key] = std::string(value);
  }
  return profiles;
}

absl::StatusOr<S3Account> FindS3Account(const S3Options& options, const AwsSurroundings& around) {
  const Profile profile(around);
  if (const std::string asked = around.variable("AWS_PROFILE"); !asked.empty() && !profile.Exists())
    return absl::InvalidArgumentError(fmt::format(
        "AWS_PROFILE is '{}', and there is no such profile in {}", asked, profile.Paths()));
  S3Account account;
  account.region =
      First({options.region, around.variable("AWS_REGION"), around.variable("AWS_DEFAULT_REGION"),
             profile.Config("region"), kRegionOtherwise});
  if (!IsPlain(account.region) || account.region.find_first_of("/:@") != std::string::npos)
    return absl::InvalidArgumentError(
        fmt::format("--s3-region '{}' is no name of a region", account.region));
  const std::string endpoint =
      First({options.endpoint, around.variable("AWS_ENDPOINT_URL_S3"),
             around.variable("AWS_ENDPOINT_URL"), profile.Config("endpoint_url")});
  TRIREME_RETURN_IF_ERROR(SetEndpoint(
      First({endpoint, fmt::format("https://s3.{}.amazonaws.com", account.region)}), &account));
  const std::string style = profile.Config("s3.addressing_style");
  account.bucket_in_host = options.addressing == S3Options::Addressing::kAuto
                               ? style == "virtual" || (style != "path" && endpoint.empty())
                               : options.addressing == S3Options::Addressing::kVirtual;
  account.ca_bundle = First({around.variable("AWS_CA_BUNDLE"), profile.Config("ca_bundle")});
  if (options.anonymous) return account;
  TRIREME_ASSIGN_OR_RETURN(account.credentials, FindCredentials(around, profile));
  return account;
}

}  // namespace trireme::mapreduce
