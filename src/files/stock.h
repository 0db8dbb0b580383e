// Taking stock: what the counts of files are by the rows, for databases whose rows came from elsewhere, and for
// checking.
#pragma once

#include <string>
#include <vector>

#include "db/database.h"

namespace fluxgate::files {

// Makes fg_file_object and fg_file_usage anew from generated_files: after rows were imported. Rows of objects in
// a bucket count as lying in the store that shown_store names. Twice changes nothing. For an idle database: rows
// that are inserted meanwhile on another connection may be missed.
void take_stock(db::Tx& tx);
// Whether there are rows and no counts at all.
bool needs_stock(db::Tx& tx);

// Where rows, objects and counts disagree, one finding a line; nothing when all is right.
std::vector<std::string> audit(db::Tx& tx);

}  // namespace fluxgate::files
