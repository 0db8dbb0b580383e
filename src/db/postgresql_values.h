// The parameters of one statement as libpq takes them, kept until it has been sent.
//
// Values go as text. Whole numbers are declared as bigint and doubles as double precision; texts and NULLs have no
// declared type, so that the server infers it from where they stand: one statement fits text, boolean, JSON and
// timestamp columns alike, on both engines.
//
// PostgreSQL's text is UTF-8 without the character NUL. Anything else (a path with %FF in it, a prompt with \u0000)
// is replaced by U+FFFD: what is looked for so is not found, as on SQLite, instead of failing.
#pragma once

#include <span>
#include <string>
#include <vector>

#include <libpq-fe.h>

#include "db/database.h"

namespace fluxgate::db {

class PgValues {
 public:
  explicit PgValues(std::span<const Param> params);

  int count() const { return static_cast<int>(pointers_.size()); }
  const Oid* types() const { return types_.data(); }
  const char* const* texts() const { return pointers_.data(); }
  // One letter for each declared type: the same statement with other types is another one.
  const std::string& signature() const { return signature_; }

 private:
  std::vector<std::string> texts_;
  std::vector<const char*> pointers_;
  std::vector<Oid> types_;
  std::string signature_;
};

}  // namespace fluxgate::db
