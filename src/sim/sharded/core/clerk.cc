#include "sim/sharded/core/clerk.h"

#include <utility>

namespace trireme::sim::sharded {
namespace {

Shard ShardOf(const Command& command) {
  const auto* get = std::get_if<Get>(&command);
  return sharded::ShardOf(get != nullptr ? get->key : std::get<Put>(command).key);
}

Clerk::Outcome OutcomeOf(Code code) {
  if (code == Code::kOk) return Clerk::Outcome::kOk;
  return code == Code::kNoKey ? Clerk::Outcome::kNoKey : Clerk::Outcome::kWrongVersion;
}

}  // namespace

void Clerk::Begin(Command command) {
  shard_ = ShardOf(command);
  command_ = std::move(command);
  maybe_ = false;
  AskGroup();
}

void Clerk::AskGroup() {
  const auto group = config_.groups.find(config_.owners[shard_]);
  if (group == config_.groups.end()) return AskForConfig(config_.number == 0 ? 0 : kAgainMs);
  asking_ = false;
  CallTo(group->first, group->second, *command_, 0);
}

void Clerk::AskForConfig(std::uint64_t wait_ms) {
  asking_ = true;
  CallTo(kStore, store_, Get{kCurrentKey}, wait_ms);
}

void Clerk::CallTo(GroupId group, const std::vector<ServerId>& servers, Command command,
                   std::uint64_t wait_ms) {
  calls_.push_back({++call_, group, servers, std::move(command), wait_ms});
}

void Clerk::Step(const Returned& returned) {
  if (returned.id != call_ || idle()) return;
  if (asking_) return TakeConfig(returned);
  maybe_ |= returned.maybe;
  if (!returned.answered || returned.result.code == Code::kWrongGroup) {
    return AskForConfig(kAgainMs);
  }
  Finish(returned.result);
}

void Clerk::TakeConfig(const Returned& returned) {
  const bool there = returned.answered && returned.result.code == Code::kOk;
  const auto config = there ? ShardConfig::Decode(returned.result.value) : std::nullopt;
  if (!config) return AskForConfig(kAgainMs);
  config_ = *config;
  AskGroup();
}

/// Only a put that succeeds, or whose every attempt was answered, has a certain outcome.
void Clerk::Finish(const Result& result) {
  done_ = {OutcomeOf(result.code), result.value, result.version};
  const bool put = std::holds_alternative<Put>(*command_);
  if (put && maybe_ && done_.outcome != Outcome::kOk) done_ = {Outcome::kMaybe, "", 0};
  command_.reset();
}

}  // namespace trireme::sim::sharded
