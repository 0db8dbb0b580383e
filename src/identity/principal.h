// Who is calling, once authenticated.
#pragma once

#include <string>

namespace fluxgate::identity {

enum class Role { pending, user, admin };

struct Principal {
  std::string user_id;
  std::string name;
  std::string email;
  Role role = Role::pending;
  bool by_cookie = false;  // state-changing requests then need a matching origin

  bool is_admin() const { return role == Role::admin; }
};

}  // namespace fluxgate::identity
