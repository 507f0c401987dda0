#include <iostream>

#include <trireme/kv.h>

// Adds one to a counter, which may be done by many at once, and then writes under a lock.
int main(int argc, char** argv) {
  namespace kv = trireme::kv;
  auto client = kv::Client::Create({.endpoints = {argc > 1 ? argv[1] : "127.0.0.1:2379"}});
  if (!client.ok()) return std::cerr << client.status() << "\n", 1;
  kv::Client& store = **client;

  for (bool done = false; !done;) {
    const auto old = store.Get("counter");
    if (!old.ok() && !absl::IsNotFound(old.status())) return std::cerr << old.status() << "\n", 1;
    const int value = old.ok() ? std::stoi(old->value) : 0;
    const kv::Version version = old.ok() ? old->version : kv::kAbsent;
    const auto put = store.Put("counter", std::to_string(value + 1), version, {.certain = true});
    if (!put.ok()) return std::cerr << put.status() << "\n", 1;
    done = put->code == kv::PutCode::kOk;  // Otherwise another client was faster.
  }

  auto lock = store.Acquire("report");
  if (!lock.ok()) return std::cerr << lock.status() << "\n", 1;
  kv::Txn write;
  write.Then(kv::Put("last-writer", lock->key()), kv::Get("counter"));
  const auto result = store.Commit(lock->Fenced(write));
  if (!result.ok()) return std::cerr << result.status() << "\n", 1;
  std::cout << "counter: " << result->results[1].range()->keys[0].value << "\n";
}
