#include "sim/sharded/core/command.h"

#include "base/bytes.h"
#include "fmt/format.h"

namespace trireme::sim::sharded {
namespace {

constexpr const char* kCodeNames[] = {"ok",          "no such key", "wrong version",
                                      "wrong group", "gone",        "stale"};

struct Fields {
  std::string* bytes;
  void operator()(const Get& get) const { AppendSized(*bytes, get.key); }
  void operator()(const Put& put) const {
    AppendSized(*bytes, put.key);
    AppendSized(*bytes, put.value);
    AppendVarint(*bytes, put.version);
  }
  void operator()(const Freeze& freeze) const { Step(freeze); }
  void operator()(const Install& install) const {
    Step(install);
    AppendSized(*bytes, install.content);
  }
  void operator()(const Delete& gone) const { Step(gone); }
  template <typename Move>
  void Step(const Move& move) const {
    AppendVarint(*bytes, move.shard);
    AppendVarint(*bytes, move.number);
  }
};

/// Reads a command of the kind that it is called with.
struct ReadFields {
  ByteReader* reader;
  bool operator()(Get& get) const { return Bytes(&get.key); }
  bool operator()(Put& put) const {
    return Bytes(&put.key) && Bytes(&put.value) && reader->Varint(&put.version);
  }
  bool operator()(Freeze& freeze) const { return Step(&freeze); }
  bool operator()(Install& install) const { return Step(&install) && Bytes(&install.content); }
  bool operator()(Delete& gone) const { return Step(&gone); }

  bool Bytes(std::string* to) const {
    std::string_view bytes;
    if (!reader->Sized(&bytes)) return false;
    to->assign(bytes);
    return true;
  }
  template <typename Move>
  bool Step(Move* move) const {
    return reader->Varint(&move->shard) && move->shard < kShards && reader->Varint(&move->number);
  }
};

std::optional<Command> OfKind(std::uint64_t kind) {
  switch (kind) {
    case 0:
      return Get{};
    case 1:
      return Put{};
    case 2:
      return Freeze{};
    case 3:
      return Install{};
    case 4:
      return Delete{};
    default:
      return std::nullopt;
  }
}

struct Words {
  std::string operator()(const Get& get) const { return "get " + get.key; }
  std::string operator()(const Put& put) const {
    return fmt::format("put {} '{}' if version {}", put.key, put.value.substr(0, 20), put.version);
  }
  std::string operator()(const Freeze& freeze) const {
    return fmt::format("freeze {} for {}", freeze.shard, freeze.number);
  }
  std::string operator()(const Install& install) const {
    return fmt::format("install {} of {} bytes for {}", install.shard, install.content.size(),
                       install.number);
  }
  std::string operator()(const Delete& gone) const {
    return fmt::format("delete {} for {}", gone.shard, gone.number);
  }
};

}  // namespace

std::string Encode(const Command& command) {
  std::string bytes;
  AppendVarint(bytes, command.index());
  std::visit(Fields{&bytes}, command);
  return bytes;
}

std::optional<Command> DecodeCommand(std::string_view bytes) {
  ByteReader reader(bytes);
  std::uint64_t kind = 0;
  if (!reader.Varint(&kind)) return std::nullopt;
  std::optional<Command> command = OfKind(kind);
  if (!command || !std::visit(ReadFields{&reader}, *command) || !reader.empty()) {
    return std::nullopt;
  }
  return command;
}

std::string Text(const Command& command) {
  return std::visit(Words{}, command);
}

std::string Text(const Result& result) {
  return fmt::format("{} '{}' version {}", kCodeNames[static_cast<std::size_t>(result.code)],
                     result.value.substr(0, 20), result.version);
}

}  // namespace trireme::sim::sharded
