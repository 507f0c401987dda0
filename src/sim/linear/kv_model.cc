#include "sim/linear/kv_model.h"

#include "fmt/format.h"

namespace trireme::linear {

bool KvModel::Apply(const Operation& operation, State* state) {
  const KvCode code = Run(operation, state);
  if (!operation.known) return true;
  if (code != operation.code) return false;
  if (code != KvCode::kOk) return true;
  if (versions_ && state->version != operation.version) return false;
  return operation.kind != KvKind::kGet || state->value == operation.read;
}

KvCode KvModel::Run(const Operation& operation, State* state) {
  switch (operation.kind) {
    case KvKind::kGet:
      return state->exists ? KvCode::kOk : KvCode::kNoKey;
    case KvKind::kPut:
      Write(operation.value, state);
      return KvCode::kOk;
    case KvKind::kComparePut:
      if (!state->exists && operation.expected != 0) return KvCode::kNoKey;
      if (state->version != operation.expected) return KvCode::kWrongVersion;
      Write(operation.value, state);
      return KvCode::kOk;
    case KvKind::kAppend:
      Write(Appended(*state, operation.value), state);
      return KvCode::kOk;
  }
  return KvCode::kOk;
}

Interner::Id KvModel::Appended(const State& state, Interner::Id value) {
  if (!state.exists || value == kUnread) return value;
  return state.value == kUnread ? kUnread : interner_.Joined(state.value, value);
}

void KvModel::Write(Interner::Id value, State* state) const {
  state->exists = true;
  state->value = value;
  if (versions_) ++state->version;
}

KvModel::Operation KvModel::Interned(const KvCall& call) {
  Operation operation;
  operation.kind = call.kind;
  operation.value = interner_.Of(call.value);
  operation.expected = call.expected;
  if (!call.result.has_value()) return operation;
  operation.known = true;
  operation.code = call.result->code;
  operation.read = interner_.Of(call.result->value);
  operation.version = call.result->version;
  return operation;
}

std::string KvModel::Text(const State& state) const {
  if (!state.exists) return "nothing";
  if (!versions_) return fmt::format("'{}'", interner_.Text(state.value));
  return fmt::format("'{}' version {}", interner_.Text(state.value), state.version);
}

}  // namespace trireme::linear
