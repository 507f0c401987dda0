#include "raft/replica/forward_frame.h"

#include "base/bytes.h"

namespace trireme::raft {

namespace {

constexpr std::size_t kWhyBytesMax = 256;
constexpr std::uint64_t kCodeMax = 16;
// So that sums of counts and indexes stay far from overflow; no log has more.
constexpr std::uint64_t kNumberMax = std::uint64_t{1} << 62;

bool ReadTag(ByteReader& reader, char tag) {
  char found = 0;
  return reader.Little(&found) && found == tag;
}

bool ReadRun(ByteReader& reader, ForwardAnswer::Run* run) {
  std::uint64_t code = 0;
  if (!reader.Varint(&run->count) || run->count == 0 || run->count > kNumberMax ||
      !reader.Varint(&code) || code > kCodeMax) {
    return false;
  }
  if (code == 0) return reader.Varint(&run->first.value) && run->first.value <= kNumberMax;
  std::string_view why;
  if (!reader.Sized(&why) || why.size() > kWhyBytesMax) return false;
  run->refusal = absl::Status(static_cast<absl::StatusCode>(code), std::string(why));
  return true;
}

}  // namespace

void ForwardAnswer::Add(Index index) {
  if (runs.empty() || !runs.back().refusal.ok() || runs.back().first + runs.back().count != index) {
    runs.push_back({0, index, {}});
  }
  ++runs.back().count;
}

void ForwardAnswer::Add(const absl::Status& refusal) {
  if (runs.empty() || runs.back().refusal != refusal) runs.push_back({0, {}, refusal});
  ++runs.back().count;
}

std::string EncodeForwardHead(const Forward& forward) {
  std::string bytes(1, kForwardSection);
  AppendVarint(bytes, forward.session);
  AppendVarint(bytes, forward.number);
  AppendVarint(bytes, forward.proposals.size());
  for (const SharedBytes& proposal : forward.proposals) AppendVarint(bytes, proposal.size());
  return bytes;
}

std::string EncodeForwardAnswer(const ForwardAnswer& answer) {
  std::string bytes(1, kAnswerSection);
  AppendVarint(bytes, answer.session);
  AppendVarint(bytes, answer.number);
  AppendVarint(bytes, answer.term.value);
  for (const ForwardAnswer::Run& run : answer.runs) {
    AppendVarint(bytes, run.count);
    AppendVarint(bytes, static_cast<std::uint64_t>(run.refusal.code()));
    if (run.refusal.ok()) {
      AppendVarint(bytes, run.first.value);
    } else {
      AppendSized(bytes, std::string(run.refusal.message()).substr(0, kWhyBytesMax));
    }
  }
  return bytes;
}

std::optional<Forward> DecodeForward(const SharedBytes& bytes) {
  ByteReader reader(bytes.view());
  Forward forward;
  std::uint64_t count = 0;
  if (!ReadTag(reader, kForwardSection) || !reader.Varint(&forward.session) ||
      !reader.Varint(&forward.number) || !reader.Varint(&count) || count > kForwardProposalsMax ||
      count > reader.rest().size()) {
    return std::nullopt;
  }
  std::vector<std::uint64_t> sizes(count);
  for (std::uint64_t& size : sizes) {
    if (!reader.Varint(&size)) return std::nullopt;
  }
  std::string_view rest = reader.rest();
  forward.proposals.reserve(count);
  for (const std::uint64_t size : sizes) {
    if (size > rest.size()) return std::nullopt;
    forward.proposals.push_back(bytes.Slice(rest.substr(0, size)));
    rest.remove_prefix(size);
  }
  if (!rest.empty()) return std::nullopt;
  return forward;
}

std::optional<ForwardAnswer> DecodeForwardAnswer(const SharedBytes& bytes) {
  ByteReader reader(bytes.view());
  ForwardAnswer answer;
  if (!ReadTag(reader, kAnswerSection) || !reader.Varint(&answer.session) ||
      !reader.Varint(&answer.number) || !reader.Varint(&answer.term.value)) {
    return std::nullopt;
  }
  while (!reader.empty()) {
    if (!ReadRun(reader, &answer.runs.emplace_back())) return std::nullopt;
  }
  return answer;
}

}  // namespace trireme::raft
