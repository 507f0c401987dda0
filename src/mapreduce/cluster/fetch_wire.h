#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <string_view>

#include "rpc/payload.h"

/// A fetch's FetchChunk messages of data, in protobuf's encoding without its copies: map output
/// goes from the file into the message that the socket takes, and from the message received to
/// where it is kept.
namespace trireme::mapreduce::cluster {

/// Of v1::Shuffle.
inline constexpr std::string_view kFetchMethod = "/trireme.mapreduce.v1.Shuffle/Fetch";

/// A message under way from the file to the socket.
class DataChunk {
 public:
  /// `bytes` of data are to be written at data().
  explicit DataChunk(std::size_t bytes);

  char* data() { return data_; }
  std::size_t size() const { return size_; }
  /// Ends the writing.
  rpc::Payload Encoded() &&;

 private:
  std::shared_ptr<char[]> message_;
  char* data_;
  std::size_t size_;
};

/// The data of a message that holds nothing else; nullopt when it is not such a one.
std::optional<std::string_view> DataOf(std::string_view message);

}  // namespace trireme::mapreduce::cluster
