#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "sim/network.h"
#include "sim/sharded/core/command.h"

namespace trireme::sim::sharded {

/// From a server to who asked.
struct Reply final : Letter {
  Reply(std::uint64_t of, std::optional<Result> what, Address leading)
      : number(of), result(std::move(what)), leader(leading) {}

  const std::uint64_t number;
  /// None: certainly not carried out, and never will be: ask `leader`, if it is known.
  const std::optional<Result> result;
  const Address leader;
  std::string Text() const override;
};

/// To a server.
struct Ask final : Letter {
  Ask(std::uint64_t attempt, Command what, bool logged)
      : number(attempt), command(std::move(what)), through_log(logged) {}

  const std::uint64_t number;  ///< The asker's, of this attempt.
  const Command command;
  const bool through_log;  ///< Of a get: as an entry, instead of by a read index.
  std::string Text() const override;
  std::shared_ptr<const Letter> Refusal() const override {
    return std::make_shared<Reply>(number, std::nullopt, 0);
  }
};

}  // namespace trireme::sim::sharded
