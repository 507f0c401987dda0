// Any bytes as a coordinator's journal, as the payloads of a sound one, and as the messages inside.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/check.h"
#include "mapreduce/cluster/file_journal.h"
#include "mapreduce/cluster/wire.h"
#include "trireme/mapreduce/v1/control.pb.h"
#include "trireme/mapreduce/v1/journal.pb.h"

namespace trireme::mapreduce::cluster {
namespace {

using Batches = std::vector<std::string>;

std::string JournalOf(const Batches& batches) {
  std::string bytes;
  for (const std::string& batch : batches) bytes += MakeJournalFrame(batch, bytes.size());
  return bytes;
}

/// What is taken from a journal is, byte for byte, a journal.
void ReadJournal(std::string_view bytes) {
  Batches batches;
  std::uint64_t end = 0;
  ParseJournal(bytes, "fuzz", &batches, &end).IgnoreError();
  TRIREME_CHECK(end <= bytes.size());
  TRIREME_CHECK(JournalOf(batches) == bytes.substr(0, end));
}

/// The bytes, cut into batches by themselves, come back; of a journal cut off anywhere, those
/// batches that are whole.
void RoundTrip(std::string_view bytes, std::size_t cut) {
  Batches written;
  for (std::string_view rest = bytes; !rest.empty();) {
    const std::size_t size = std::min<std::size_t>(rest.size(), 1 + (rest[0] & 63));
    written.emplace_back(rest.substr(0, size));
    rest.remove_prefix(size);
  }
  const std::string whole = JournalOf(written);
  Batches read;
  std::uint64_t end = 0;
  TRIREME_CHECK(ParseJournal(whole, "fuzz", &read, &end).ok());
  TRIREME_CHECK(read == written && end == whole.size());

  const std::string_view torn = std::string_view(whole).substr(0, cut % (whole.size() + 1));
  read.clear();
  TRIREME_CHECK(ParseJournal(torn, "fuzz", &read, &end).ok());
  TRIREME_CHECK(read.size() <= written.size());
  TRIREME_CHECK(std::equal(read.begin(), read.end(), written.begin()));
  TRIREME_CHECK(torn.size() - end <
                (read.size() == written.size() ? 1 : JournalOf({written[read.size()]}).size()));
}

/// A record of the plan's, taken from the wire and put back, is itself.
void ReadBatch(std::string_view bytes) {
  v1::JournalBatch batch;
  if (!batch.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) return;
  for (const v1::JournalRecord& record : batch.records()) {
    const auto taken = FromWire(record);
    if (!taken) continue;
    const auto again = FromWire(ToWire(*taken));
    TRIREME_CHECK(again.has_value());
    TRIREME_CHECK(ToWire(*again).SerializeAsString() == ToWire(*taken).SerializeAsString());
  }
}

void ReadWorkerMessage(std::string_view bytes) {
  v1::WorkerMessage message;
  if (!message.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) return;
  const TaskResult result = FromWire(message.succeeded().result());
  TRIREME_CHECK(FromWire(ToWire(result)).counters == result.counters);
  const plan::AttemptFailed failed = FromWire(message.failed(), {});
  TRIREME_CHECK(failed.kind <= plan::FailureKind::kInternal);
  for (const v1::AttemptProgress& progress : message.heartbeat().running()) FromWire(progress);
}

}  // namespace
}  // namespace trireme::mapreduce::cluster

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace trireme::mapreduce::cluster;  // NOLINT
  if (size < 2) return 0;
  const std::string_view bytes(reinterpret_cast<const char*>(data) + 2, size - 2);
  switch (data[0] % 4) {
    case 0:
      ReadJournal(bytes);
      break;
    case 1:
      RoundTrip(bytes, std::size_t{data[1]} * (data[0] / 4 + 1));
      break;
    case 2:
      ReadBatch(bytes);
      break;
    default:
      ReadWorkerMessage(bytes);
  }
  return 0;
}
