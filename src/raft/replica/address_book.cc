#include "raft/replica/address_book.h"

#include <algorithm>
#include <tuple>

#include "base/bytes.h"

namespace trireme::raft {

namespace {

bool IsPlain(std::string_view address) {
  return !address.empty() && address.size() <= AddressBook::kAddressBytesMax &&
         std::all_of(address.begin(), address.end(), [](char c) { return c > ' ' && c < 0x7f; });
}

std::size_t Cost(const AddressBook::Line& line) {
  return line.address.size() + 2 + 2 * kVarintBytesMax;
}

}  // namespace

bool AddressBook::Learn(const Line& line) {
  if (line.node == kNobody || !IsPlain(line.address)) return false;
  const auto at = lines_.find(line.node);
  const std::size_t before = at == lines_.end() ? 0 : Cost(at->second);
  if (bytes_ - before + Cost(line) > kBytesMax) return false;
  if (at != lines_.end() &&
      std::tie(line.stamp, line.address) <= std::tie(at->second.stamp, at->second.address)) {
    return false;
  }
  bytes_ = bytes_ - before + Cost(line);
  lines_[line.node] = line;
  ++revision_;
  return true;
}

std::optional<std::string> AddressBook::Find(NodeId node) const {
  const auto at = lines_.find(node);
  if (at == lines_.end()) return std::nullopt;
  return at->second.address;
}

std::vector<AddressBook::Line> AddressBook::lines() const {
  std::vector<Line> all;
  for (const auto& [node, line] : lines_) all.push_back(line);
  return all;
}

std::string AddressBook::Encode() const {
  std::string bytes;
  AppendVarint(bytes, lines_.size());
  for (const auto& [node, line] : lines_) {
    AppendVarint(bytes, node.value);
    AppendVarint(bytes, line.stamp);
    AppendSized(bytes, line.address);
  }
  return bytes;
}

std::optional<std::vector<AddressBook::Line>> AddressBook::Decode(std::string_view bytes) {
  if (bytes.size() > 2 * kBytesMax) return std::nullopt;
  ByteReader reader(bytes);
  std::uint64_t count = 0;
  if (!reader.Varint(&count)) return std::nullopt;
  std::vector<Line> lines;
  for (; count > 0; --count) {
    Line line;
    std::string_view address;
    if (!reader.Varint(&line.node.value) || !reader.Varint(&line.stamp) ||
        !reader.Sized(&address) || line.node == kNobody || !IsPlain(address)) {
      return std::nullopt;
    }
    line.address = address;
    lines.push_back(std::move(line));
  }
  if (!reader.empty()) return std::nullopt;
  return lines;
}

}  // namespace trireme::raft
