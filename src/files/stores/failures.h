// What stores say when they refuse, and what it means here: two tables, no code.
//   failure_rules: a store's word or status -> our code, and whether the same request is worth repeating.
//   failure_kinds: our code -> what a caller is told and should do.
// Sources: spec storage-cos §5 and §11.
#pragma once

#include <span>
#include <string_view>

#include "base/http_message.h"
#include "base/result.h"
#include "files/stores/store.h"
#include "net/http_client.h"

namespace fluxgate::files {

enum class Repeat {
  no,
  once,    // a second try may meet another state
  again,   // with back-off
  slowly,  // with longer back-off
};

struct FailureRule {
  std::string_view word;  // the store's Code; "" = any word with this status
  int status;             // 0 = any
  std::string_view code;
  Repeat repeat;
};
std::span<const FailureRule> failure_rules();

struct FailureKind {
  std::string_view code;
  Errc errc;
  Decision decision;
  std::string_view en, zh;
};
std::span<const FailureKind> failure_kinds();

// The error of that code, which must be one of the kinds.
Error failure(std::string_view code, std::string internal);

// What an answer that is no success means.
struct Refusal {
  Error error;
  Repeat repeat = Repeat::no;
  std::string word;         // "AccessDenied"; "" when the answer had none (HEAD)
  std::string region;       // where the bucket is, if the answer says so
  bool from_store = false;  // false: something on the way answered in its place
};
Refusal refusal_of(const HttpResponse& answer);
Refusal refusal_of(const net::Failure& failure);

}  // namespace fluxgate::files
