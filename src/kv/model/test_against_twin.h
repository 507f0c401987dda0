#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "kv/model/command_codec.h"
#include "kv/model/model.h"
#include "kv/model/test_describe.h"
#include "kv/model/test_requests.h"
#include "kv/model/test_twin.h"

namespace trireme::kv::inline engine {

/// Runs random commands through a Model over `store` and through the twin. Commands are committed
/// in batches, some are swept in between, and every now and then the model is opened again.
class AgainstTwin {
 public:
  AgainstTwin(OrderedStore& store, std::uint64_t seed) : store_(store), requests_(seed) {
    Reopen();
  }

  void Run(int commands) {
    Random& random = requests_.random();
    for (int i = 0; i < commands && !::testing::Test::HasFailure(); ++i) {
      Step();
      if (random.OneIn(3)) Commit();
      if (random.OneIn(3)) Sweep(1 + random.Below(4));
      if (random.OneIn(50)) Reopen();
    }
  }

  Model& model() { return *model_; }

 private:
  void Reopen() {
    if (model_ != nullptr) Commit();
    model_.reset();
    auto model = Model::Open(store_);
    ASSERT_TRUE(model.ok()) << model.status();
    model_ = *std::move(model);
  }

  void Step() {
    const Command command = requests_.Any(twin_.revision(), twin_.compacted());
    const std::string bytes = EncodeCommand(command);
    Outcome outcome;
    const auto status = model_->Apply(model_->applied_index() + 1, 1, bytes, &outcome);
    ASSERT_TRUE(status.ok()) << status;
    ASSERT_EQ(Describe(outcome), Describe(twin_.Apply(command)));
  }

  void Sweep(std::size_t changes_max) {
    const auto more = model_->Sweep(changes_max);
    ASSERT_TRUE(more.ok()) << more.status();
  }

  void Commit() {
    ASSERT_TRUE(model_->Commit().ok());
    const auto view = model_->View();
    for (int i = 0; i < 5; ++i) {
      const RangeRequest request = requests_.Range(twin_.revision(), twin_.compacted());
      Error error = Error::kNone, expected_error = Error::kNone;
      RangeResult result;
      ASSERT_TRUE(view->Range(request, &error, &result).ok());
      const RangeResult expected = twin_.Range(request, &expected_error);
      ASSERT_EQ(error, expected_error);
      if (error == Error::kNone) {
        ASSERT_EQ(Describe(result), Describe(expected));
      }
    }
  }

  OrderedStore& store_;
  RandomRequests requests_;
  Twin twin_;
  std::unique_ptr<Model> model_;
};

}  // namespace trireme::kv::inline engine
