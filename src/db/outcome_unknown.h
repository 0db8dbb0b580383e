// The one failure after which a closure may have been done: the server was lost during its COMMIT, and nobody can say what
// became of it. Whoever gave it has to look before doing it again; after every other Failure nothing was done.
#pragma once

#include "db/database.h"

namespace fluxgate::db {

class OutcomeUnknown : public Failure {
 public:
  OutcomeUnknown() : Failure("the connection was lost during a COMMIT and nobody can say what became of it; look before repeating") {}
};

}  // namespace fluxgate::db
