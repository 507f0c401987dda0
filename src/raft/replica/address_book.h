#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <trireme/raft/types.h>

namespace trireme::raft {

/// Where the Hosts of a cluster are reached, as far as one of them knows. Hosts tell each other all
/// they know; of what they say of a node, the latest counts: addresses are hints, and a wrong one
/// costs time and never safety, as a transport checks whom it talks to.
class AddressBook {
 public:
  static constexpr std::size_t kAddressBytesMax = 256;
  static constexpr std::size_t kBytesMax = 60u << 10;  ///< Encoded; further nodes are not taken in.

  struct Line {
    NodeId node;
    std::string address;
    /// When somebody who knows it said so, in milliseconds of wall-clock time; 0: a guess, which
    /// gives way to whatever else is said.
    std::uint64_t stamp = 0;
    friend bool operator==(const Line&, const Line&) = default;
  };

  /// True: it is news. Of two of the same time, all Hosts believe the same one.
  bool Learn(const Line& line);
  std::optional<std::string> Find(NodeId node) const;
  std::vector<Line> lines() const;
  /// Changes with every piece of news.
  std::uint64_t revision() const { return revision_; }

  std::string Encode() const;
  /// Nothing unless the bytes are exactly one book.
  static std::optional<std::vector<Line>> Decode(std::string_view bytes);

 private:
  std::map<NodeId, Line> lines_;
  std::size_t bytes_ = 0;
  std::uint64_t revision_ = 0;
};

}  // namespace trireme::raft
