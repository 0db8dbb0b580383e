// Shared by the files of this folder: a sign-up form whose members are clean, and refusals used twice.
#pragma once

#include <string>

#include "base/result.h"

namespace fluxgate::identity {

struct SignUp;

struct CheckedForm {
  std::string name, email, picture, password;
};
Result<CheckedForm> check_form(const SignUp& form, int password_byte_limit);

Error api_key_disabled();

}  // namespace fluxgate::identity
