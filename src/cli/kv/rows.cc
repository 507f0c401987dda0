#include "cli/kv/rows.h"

#include <algorithm>
#include <cctype>

#include "cli/kv/go_text.h"
#include "fmt/format.h"
#include "fmt/ranges.h"

namespace trireme::kvcli {
namespace {

std::string YesNo(bool yes) {
  return yes ? "true" : "false";
}

/// In characters.
std::size_t Width(const std::string& text) {
  return static_cast<std::size_t>(
      std::ranges::count_if(text, [](char c) { return (c & 0xc0) != 0x80; }));
}

std::string Capitals(std::string text) {
  for (char& c : text) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  return text;
}

std::string FrameLine(const std::vector<std::size_t>& widths) {
  std::string line = "+";
  for (const std::size_t width : widths) line += std::string(width + 2, '-') + "+";
  return line + "\n";
}

std::string Centred(const std::string& text, std::size_t width) {
  const std::size_t gap = width - Width(text);
  return fmt::format(" {}{}{} |", std::string(gap / 2, ' '), text, std::string(gap - gap / 2, ' '));
}

std::string ToTheRight(const std::string& text, std::size_t width) {
  return fmt::format(" {}{} |", std::string(width - Width(text), ' '), text);
}

}  // namespace

Rows MemberRows(const etcdserverpb::MemberListResponse& reply) {
  Rows table{{"ID", "Status", "Name", "Peer Addrs", "Client Addrs", "Is Learner"}, {}};
  for (const auto& member : reply.members()) {
    table.rows.push_back(
        {fmt::format("{:x}", member.id()), member.name().empty() ? "unstarted" : "started",
         member.name(), fmt::format("{}", fmt::join(member.peerurls(), ",")),
         fmt::format("{}", fmt::join(member.clienturls(), ",")), YesNo(member.islearner())});
  }
  return table;
}

Rows HealthRows(const std::vector<EndpointHealth>& list) {
  Rows table{{"endpoint", "health", "took", "error"}, {}};
  for (const EndpointHealth& one : list) {
    table.rows.push_back({one.endpoint, YesNo(one.healthy), ShowGoDuration(one.took), one.error});
  }
  return table;
}

Rows StatusRows(const std::vector<EndpointStatus>& list) {
  Rows table{{"endpoint", "ID", "version", "db size", "is leader", "is learner", "raft term",
              "raft index", "raft applied index", "errors"},
             {}};
  for (const auto& [endpoint, status] : list) {
    table.rows.push_back({endpoint, fmt::format("{:x}", status.header().member_id()),
                          status.version(), ShowSize(static_cast<std::uint64_t>(status.dbsize())),
                          YesNo(status.leader() == status.header().member_id()),
                          YesNo(status.islearner()), fmt::format("{}", status.raftterm()),
                          fmt::format("{}", status.raftindex()),
                          fmt::format("{}", status.raftappliedindex()),
                          fmt::format("{}", fmt::join(status.errors(), ", "))});
  }
  return table;
}

Rows HashRows(const std::vector<EndpointHash>& list) {
  Rows table{{"endpoint", "hash"}, {}};
  for (const auto& [endpoint, hash] : list) {
    table.rows.push_back({endpoint, fmt::format("{}", hash.hash())});
  }
  return table;
}

Rows SnapshotRows(const SnapshotStatus& status) {
  return {
      {"hash", "revision", "total keys", "total size"},
      {{fmt::format("{:x}", status.hash), fmt::format("{}", status.revision),
        fmt::format("{}", status.keys), ShowSize(static_cast<std::uint64_t>(status.size_bytes))}}};
}

std::string Lines(const Rows& rows) {
  std::string text;
  for (const Row& row : rows.rows) text += fmt::format("{}\n", fmt::join(row, ", "));
  return text;
}

std::string Table(const Rows& rows) {
  std::vector<std::size_t> widths;
  for (const std::string& name : rows.header) widths.push_back(Width(name));
  for (const Row& row : rows.rows) {
    for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], Width(row[i]));
  }
  const std::string frame = FrameLine(widths);
  std::string text = frame + "|";
  for (std::size_t i = 0; i < widths.size(); ++i)
    text += Centred(Capitals(rows.header[i]), widths[i]);
  text += "\n" + frame;
  for (const Row& row : rows.rows) {
    text += "|";
    for (std::size_t i = 0; i < widths.size(); ++i) text += ToTheRight(row[i], widths[i]);
    text += "\n";
  }
  return text + frame;
}

}  // namespace trireme::kvcli
