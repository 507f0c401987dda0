#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "kv/model/ordered_store.h"

/// A whole state as a stream of checked bytes: docs/formats/kv-store.md.
namespace trireme::kv::inline engine {

/// A block holds entries of about this size; one larger entry has a block of its own.
inline constexpr std::size_t kStateBlockBytes = 256 << 10;
/// A reader takes no block larger than this.
inline constexpr std::size_t kStateBlockBytesMax = 4 << 20;

class StateWriter {
 public:
  /// Of a snapshot that holds a committed state, and outlives the writer.
  explicit StateWriter(const StoreReader& snapshot);

  /// Appends the next part; false when that was the last.
  absl::StatusOr<bool> Next(std::string* to);

 private:
  std::unique_ptr<StoreIterator> iterator_;
  bool begun_ = false;
  std::uint32_t crc_ = 0;
  std::uint64_t count_ = 0;
};

/// Fills an empty store. Any failure leaves a store without a state: it is to be thrown away.
class StateReader {
 public:
  explicit StateReader(OrderedStore& store) : store_(store) {}

  /// The stream's next bytes, cut anywhere. DATA_LOSS when they are not a stream's.
  absl::Status Feed(std::string_view bytes);
  /// After the last: makes the state whole and durable.
  absl::Status Finish();

 private:
  absl::StatusOr<bool> TakeOne();
  absl::StatusOr<bool> TakeMagic();
  absl::StatusOr<bool> TakeBlock(std::uint32_t size, std::uint32_t crc);
  absl::StatusOr<bool> TakeEnd(std::uint32_t crc);
  absl::Status TakeEntries(std::string_view entries);
  absl::Status TakeEntry(std::string_view key, std::string_view value);
  std::string_view rest() const { return std::string_view(buffer_).substr(taken_); }

  OrderedStore& store_;
  std::string buffer_;
  std::size_t taken_ = 0;  ///< Of buffer_.
  std::string last_key_;
  std::string meta_;
  std::uint32_t crc_ = 0;
  std::uint64_t count_ = 0;
  bool begun_ = false, ended_ = false;
};

}  // namespace trireme::kv::inline engine
