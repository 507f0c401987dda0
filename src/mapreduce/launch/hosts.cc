#include "mapreduce/launch/hosts.h"

#include <algorithm>
#include <charconv>
#include <fstream>

#include "base/status_macros.h"
#include "fmt/format.h"

namespace trireme::mapreduce::launch {
namespace {

constexpr std::uint32_t kHostSlotsMax = 4096;

absl::Status Bad(std::string_view entry, std::string_view why) {
  return absl::InvalidArgumentError(fmt::format(
      "host '{}' {}; write host, user@host or host*SLOTS, with commas between", entry, why));
}

std::string_view Trimmed(std::string_view text) {
  constexpr std::string_view kBlank = " \t\r";
  const std::size_t begin = text.find_first_not_of(kBlank);
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(kBlank) - begin + 1);
}

absl::StatusOr<Host> ParseHost(std::string_view entry) {
  Host host;
  std::string_view name = entry;
  if (const std::size_t star = entry.rfind('*'); star != std::string_view::npos) {
    name = entry.substr(0, star);
    const char* end = entry.data() + entry.size();
    const auto [at, error] = std::from_chars(entry.data() + star + 1, end, host.slots);
    if (error != std::errc() || at != end || host.slots == 0 || host.slots > kHostSlotsMax)
      return Bad(entry,
                 fmt::format("has no number of slots from 1 to {} after '*'", kHostSlotsMax));
  }
  if (name.empty()) return Bad(entry, "has no name");
  // ssh would take it for an option.
  if (name.front() == '-') return Bad(entry, "begins with '-'");
  for (const char c : name) {
    if (c <= ' ' || c == '\x7f') return Bad(entry, "has a character that no host name has");
  }
  host.name = name;
  return host;
}

absl::StatusOr<std::string> ReadFile(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::string text(kHostsFileBytesMax + 1, '\0');
  if (!file) return absl::NotFoundError(fmt::format("cannot read the file of hosts {}", path));
  file.read(text.data(), static_cast<std::streamsize>(text.size()));
  text.resize(static_cast<std::size_t>(file.gcount()));
  if (text.size() > kHostsFileBytesMax)
    return absl::InvalidArgumentError(
        fmt::format("the file of hosts {} has more than {} bytes", path, kHostsFileBytesMax));
  return text;
}

/// The file as ParseHosts takes it.
std::string OneList(std::string_view text) {
  std::string list;
  while (!text.empty()) {
    std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(text.size(), line.size() + 1));
    line = Trimmed(line.substr(0, line.find('#')));
    if (!line.empty()) list += fmt::format("{}{}", list.empty() ? "" : ",", line);
  }
  return list;
}

}  // namespace

absl::StatusOr<std::vector<Host>> ParseHosts(std::string_view text) {
  std::vector<Host> hosts;
  for (bool more = true; more;) {
    const std::size_t comma = text.find(',');
    more = comma != std::string_view::npos;
    TRIREME_ASSIGN_OR_RETURN(Host host, ParseHost(Trimmed(text.substr(0, comma))));
    if (std::any_of(hosts.begin(), hosts.end(), [&](const Host& h) { return h.name == host.name; }))
      return Bad(host.name, "is named twice: give its slots after '*'");
    hosts.push_back(std::move(host));
    if (more) text.remove_prefix(comma + 1);
  }
  if (hosts.size() > kHostsMax)
    return absl::InvalidArgumentError(
        fmt::format("{} hosts are more than {}", hosts.size(), kHostsMax));
  return hosts;
}

absl::StatusOr<std::vector<Host>> ReadHosts(std::string_view text) {
  if (!text.starts_with('@')) return ParseHosts(text);
  const std::string path(text.substr(1));
  TRIREME_ASSIGN_OR_RETURN(const std::string file, ReadFile(path));
  const std::string list = OneList(file);
  if (list.empty())
    return absl::InvalidArgumentError(fmt::format("the file of hosts {} names none", path));
  auto hosts = ParseHosts(list);
  if (!hosts.ok())
    return absl::InvalidArgumentError(
        fmt::format("{}: {}", path, std::string(hosts.status().message())));
  return hosts;
}

}  // namespace trireme::mapreduce::launch
