// The OpenAPI document as a judge: every exchange must use a described operation, answer with a described
// status, and its bodies must fit their schemas. It remembers what was seen, so that a full run can say
// which operation or status no test ever reached.
#pragma once

#include <set>
#include <string>
#include <vector>

#include <boost/json.hpp>

namespace fluxgate::integration {

struct Call;
struct Answer;

class Contract {
 public:
  explicit Contract(boost::json::value document);

  // Fails the running test when the exchange breaks the contract.
  void hold(const Call& call, const Answer& answer);
  // "GET /api/config 200" for everything described and never seen.
  std::vector<std::string> unseen() const;

  struct Operation {
    std::string method, path;  // "POST", "/api/v1/flux/task/{id}"
    const boost::json::object* item = nullptr;
  };
  const std::vector<Operation>& operations() const { return operations_; }
  // With references followed.
  const boost::json::value& resolved(const boost::json::value& value) const;
  bool describes(const Operation& operation, int status) const;
  // The content type of the operation's request body; "" when it has none.
  std::string body_type(const Operation& operation) const;

 private:
  const Operation* match(std::string_view method, std::string_view path) const;
  std::vector<std::string> check_request(const Operation& operation, const Call& call) const;
  std::vector<std::string> check_answer(const Operation& operation, const Answer& answer) const;

  const boost::json::value document_;
  std::vector<Operation> operations_;
  std::set<std::string> seen_;
};

}  // namespace fluxgate::integration
